#include "compiler/schedule/sum_order.h"

#include "ir/walk.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string>
#include <vector>

namespace volute::compiler {

using namespace ir;

bool order_matters(const Nest& nest) {
  const auto mentions_sum = [](const Expr& e) {
    bool found = false;
    visit(e, [&](const ExprNode& node) { found |= std::holds_alternative<Acc>(node.is); });
    return found;
  };
  // Whole numbers are summed up as floats only where all sums of them are exact.
  const auto is_of_whole_numbers = [](const Expr& e) {
    bool whole = true, reads = false;
    visit(e, [&](const ExprNode& node) {
      if (!std::holds_alternative<Read>(node.is)) return;
      reads = true, whole &= is_integer(node.type);
    });
    return reads && whole;
  };
  bool found = false;
  for (const Accumulator& sum : nest.accumulators) {
    if (is_of_whole_numbers(sum.update)) continue;
    visit(sum.update, [&](const ExprNode& node) {
      if (!is_float(node.type)) return;
      if (const auto* fma = std::get_if<Fma>(&node.is)) found |= mentions_sum(fma->c);
      if (const auto* op = std::get_if<BinaryOp>(&node.is); op && op->fn == BinaryFn::add)
        found |= mentions_sum(op->a) || mentions_sum(op->b);
    });
  }
  return found;
}

Nest in_stated_order(Nest nest) {
  if (!order_matters(nest)) return nest;
  // The parallel axes stay where they are; those that are summed over take each other's places.
  std::vector<NestAxis> summed;
  for (const NestAxis& axis : nest.axes)
    if (axis.reduction) summed.push_back(axis);
  std::stable_partition(summed.begin(), summed.end(),
                        [](const NestAxis& axis) { return axis.role == AxisRole::tap; });
  auto next = summed.begin();
  for (NestAxis& axis : nest.axes)
    if (axis.reduction) axis = *next++;
  return nest;
}

std::optional<Diagnostic> out_of_order(const Schedule& schedule, const Nest& nest) {
  if (!order_matters(nest)) return std::nullopt;
  std::vector<std::string> order; // of the nest
  for (const NestAxis& axis : nest.axes)
    if (axis.reduction && axis.extent != Affine(1)) order.push_back(nest.name_of(axis.var));
  const auto refuse = [&](Location at, const std::string& what) {
    return Diagnostic{at, "schedule",
                      fmt::format("nest {}: {}: a deterministic kernel adds up one product after "
                                  "the other, in the order of {}",
                                  nest.name, what, fmt::join(order, ", ")),
                      ""};
  };
  for (const RegisterDirective& r : schedule.registers)
    if (const NestAxis* axis = nest.axis(r.axis); axis && axis->reduction)
      return refuse(r.at, fmt::format("registers {} {} vector {}", r.axis, r.size, r.lanes));
  size_t reached = 0;
  for (const LoopDirective& loop : schedule.loops) {
    const auto found = std::find(order.begin(), order.end(), loop.axis);
    if (found == order.end()) continue;
    if (loop.dot) return refuse(loop.at, fmt::format("for {} dot {}", loop.axis, loop.dot));
    const auto place = static_cast<size_t>(found - order.begin());
    if (place < reached)
      return refuse(loop.at, fmt::format("for {} inside {}", loop.axis, order[reached]));
    reached = place;
  }
  return std::nullopt;
}

} // namespace volute::compiler
