#include "compiler/nests/strides.h"

#include "ir/walk.h"

#include <algorithm>

namespace volute::compiler {

using namespace ir;

int64_t stride_along(const Nest& nest, int32_t operand, const Index& index, Var axis) {
  int64_t stride = 0;
  const View& view = nest.operands[static_cast<size_t>(operand)];
  for (size_t d = 0; d < index.size(); ++d)
    if (const int64_t factor = index[d].at.coefficient(axis); factor != 0)
      stride += factor * view.dims[d].stride.number();
  return stride;
}

bool moves(const Index& index, Var axis) {
  return std::any_of(index.begin(), index.end(),
                     [&](const Subscript& s) { return s.at.depends_on(axis); });
}

bool moves(const Expr& value, Var axis) {
  bool found = false;
  visit(value, [&](const ExprNode& node) {
    if (const auto* read = std::get_if<Read>(&node.is)) found |= moves(read->index, axis);
  });
  return found;
}

bool lie_beside(const Nest& nest, Var axis) {
  bool found = true;
  for (const Write& w : nest.writes) found &= stride_along(nest, w.operand, w.index, axis) == 1;
  visit(nest, [&](const ExprNode& node) {
    if (const auto* read = std::get_if<Read>(&node.is))
      found &= stride_along(nest, read->operand, read->index, axis) == 1;
  });
  return found;
}

bool shares_border(const Nest& nest, Var axis) {
  const auto shared = [&](const Constraint& c) {
    if (!c.value.depends_on(axis)) return false;
    return std::any_of(nest.axes.begin(), nest.axes.end(), [&](const NestAxis& other) {
      return !other.reduction && other.var != axis && other.extent != Affine(1) &&
             c.value.depends_on(other.var);
    });
  };
  return std::any_of(nest.constraints.begin(), nest.constraints.end(), shared);
}

bool lanes_may_run_along(const Nest& nest, Var axis, bool sums_too) {
  const auto along_one = [&](const Index& index) {
    return std::count_if(index.begin(), index.end(),
                         [&](const Subscript& s) { return s.at.depends_on(axis); }) <= 1 &&
           std::none_of(index.begin(), index.end(),
                        [&](const Subscript& s) { return s.table >= 0 && s.at.depends_on(axis); });
  };
  bool may = true;
  const auto look = [&](const Expr& e) {
    visit(e, [&](const ExprNode& node) {
      if (const auto* read = std::get_if<Read>(&node.is)) may &= along_one(read->index);
    });
  };
  if (sums_too)
    for (const Accumulator& a : nest.accumulators) look(a.initial), look(a.update);
  for (const Write& w : nest.writes) {
    may &= along_one(w.index);
    look(w.value);
    if (w.offset) look(w.offset);
  }
  return may;
}

std::vector<Read> inner_reads(const Nest& nest) {
  std::vector<Read> reads;
  const auto collect = [&](const Expr& e) {
    visit(e, [&](const ExprNode& node) {
      if (const auto* read = std::get_if<Read>(&node.is))
        if (std::none_of(reads.begin(), reads.end(), [&](const Read& r) {
              return r.operand == read->operand && r.index == read->index;
            }))
          reads.push_back(*read);
    });
  };
  for (const Accumulator& a : nest.accumulators) collect(a.update);
  if (nest.accumulators.empty())
    for (const Write& w : nest.writes) collect(w.value);
  return reads;
}

} // namespace volute::compiler
