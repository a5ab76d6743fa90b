#include "compiler/nests/sums.h"

#include "ir/walk.h"

namespace volute::compiler {

using namespace ir;

bool adds_up(const Nest& nest) {
  if (nest.accumulators.size() != 1) return false;
  const auto mentions_sum = [](const Expr& e) {
    bool found = false;
    visit(e, [&](const ExprNode& node) { found |= std::holds_alternative<Acc>(node.is); });
    return found;
  };
  const auto is_sum = [](const Expr& e) { return std::holds_alternative<Acc>(e->is); };
  const ExprNode& update = *nest.accumulators.front().update;
  if (const auto* fma = std::get_if<Fma>(&update.is))
    return is_sum(fma->c) && !mentions_sum(fma->a) && !mentions_sum(fma->b);
  const auto* add = std::get_if<BinaryOp>(&update.is);
  if (!add || add->fn != BinaryFn::add) return false;
  return (is_sum(add->a) && !mentions_sum(add->b)) || (is_sum(add->b) && !mentions_sum(add->a));
}

} // namespace volute::compiler
