#include "compiler/nests/domain_points.h"

#include "compiler/nests/lattice.h"

#include <limits>
#include <vector>

namespace volute::compiler {

using namespace ir;

namespace {

/// Pairs of positions on two axes that satisfy a constraint between them.
int64_t pairs_inside(const Constraint& c, const NestAxis& a, const NestAxis& b) {
  const Affine start = c.value.filter([&](Var var) { return var != a.var && var != b.var; }, true);
  const auto moving = [&](const NestAxis& axis) {
    return Moving{c.value.coefficient(axis.var), axis.extent.number()};
  };
  return pairs_inside(c.extent.number(), start.number(), moving(a), moving(b));
}

int64_t times(int64_t a, int64_t b) {
  int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<int64_t>::max() : product;
}

} // namespace

int64_t multiply_adds_asked_for(const Nest& nest) {
  int64_t fmas = 0;
  for (const Accumulator& a : nest.accumulators)
    visit(a.update, [&](const ExprNode& node) { fmas += std::holds_alternative<Fma>(node.is); });
  if (fmas == 0) return 0;
  // Each constraint joins one parallel axis and one tap axis; pairs of different constraints
  // multiply, and so does every axis that no constraint mentions.
  std::vector<bool> counted(nest.vars.size());
  for (const Constraint& c : nest.constraints) {
    std::vector<const NestAxis*> axes;
    for (const NestAxis& axis : nest.axes)
      if (c.value.depends_on(axis.var))
        axes.push_back(&axis), counted[static_cast<size_t>(axis.var.id)] = true;
    if (axes.size() != 2) return times(fmas, nest.points());
    fmas = times(fmas, pairs_inside(c, *axes[0], *axes[1]));
  }
  for (const NestAxis& axis : nest.axes)
    if (!counted[static_cast<size_t>(axis.var.id)]) fmas = times(fmas, axis.extent.number());
  return fmas;
}

} // namespace volute::compiler
