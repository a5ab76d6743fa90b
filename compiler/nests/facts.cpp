#include "compiler/nests/facts.h"

#include "compiler/nests/neutral.h"
#include "compiler/nests/strides.h"
#include "compiler/nests/sums.h"

#include <algorithm>

namespace volute::compiler {

using namespace ir;

NestFacts::NestFacts(const Nest& nest)
    : nest_(nest), reads_(inner_reads(nest)), axes_(nest.vars.size()),
      adds_up_(compiler::adds_up(nest)) {
  const auto in_any = [](const std::vector<Constraint>& all, Var axis) {
    return std::any_of(all.begin(), all.end(),
                       [&](const Constraint& c) { return c.value.depends_on(axis); });
  };
  for (const NestAxis& axis : nest.axes) {
    OfAxis& facts = axes_[static_cast<size_t>(axis.var.id)];
    facts.constrained = in_any(nest.constraints, axis.var);
    facts.shares_border = compiler::shares_border(nest, axis.var);
    facts.in_domain = in_any(nest.domain, axis.var);
    facts.lanes = compiler::lanes_may_run_along(nest, axis.var);
    facts.result_lanes = compiler::lanes_may_run_along(nest, axis.var, false);
    if (axis.reduction) facts.dot = dot_form(nest, axis.var);
  }
  const int32_t weight = weight_of(nest);
  const auto read = std::find_if(reads_.begin(), reads_.end(),
                                 [&](const Read& r) { return r.operand == weight; });
  if (read != reads_.end()) weight_ = *read;
}

const std::optional<double>& NestFacts::neutral_element() const {
  if (!neutral_) neutral_ = compiler::neutral_element(nest_);
  return *neutral_;
}

int64_t widest_in_registers(const Nest& nest) {
  int64_t bytes = 1;
  for (const Accumulator& a : nest.accumulators) bytes = std::max(bytes, size_of(a.type));
  if (nest.accumulators.empty())
    for (const Write& w : nest.writes)
      visit(w.value, [&](const ExprNode& n) { bytes = std::max(bytes, size_of(n.type)); });
  return bytes;
}

bool has_narrow_results(const Nest& nest) {
  const int64_t widest = widest_in_registers(nest);
  return std::all_of(nest.writes.begin(), nest.writes.end(), [&](const Write& w) {
    return 2 * size_of(nest.operands[static_cast<size_t>(w.operand)].element) <= widest;
  });
}

bool is_of_weight(const Nest& nest) {
  return nest.kind == NestKind::offset || nest.kind == NestKind::filter_transform;
}

} // namespace volute::compiler
