#include "compiler/nests/domain_points.h"

#include <algorithm>
#include <array>
#include <vector>

namespace volute::compiler {

using namespace ir;

namespace {

int64_t floor_div(int64_t numerator, int64_t divisor) { return -ceil_div(-numerator, divisor); }

/// Numbers i in [0, count) with 0 <= start + factor * i < extent.
int64_t inside(int64_t start, int64_t factor, int64_t count, int64_t extent) {
  if (factor == 0) return start >= 0 && start < extent ? count : 0;
  if (factor < 0) return inside(start + factor * (count - 1), -factor, count, extent); // mirrored
  const int64_t first = std::max<int64_t>(ceil_div(-start, factor), 0);
  const int64_t last = std::min(floor_div(extent - 1 - start, factor), count - 1);
  return std::max<int64_t>(last - first + 1, 0);
}

/// Pairs of positions on two axes that satisfy a constraint between them.
int64_t pairs_inside(const Constraint& c, const NestAxis* a, const NestAxis* b) {
  if (a->extent.number() > b->extent.number()) std::swap(a, b); // walk the shorter
  int64_t pairs = 0;
  const int64_t start =
      c.value.filter([&](Var var) { return var != a->var && var != b->var; }, true).number();
  for (int64_t i = 0; i < a->extent.number(); ++i)
    pairs += inside(start + i * c.value.coefficient(a->var), c.value.coefficient(b->var),
                    b->extent.number(), c.extent.number());
  return pairs;
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
    if (axes.size() != 2) return fmas * nest.points();
    fmas *= pairs_inside(c, axes[0], axes[1]);
  }
  for (const NestAxis& axis : nest.axes)
    if (!counted[static_cast<size_t>(axis.var.id)]) fmas *= axis.extent.number();
  return fmas;
}

} // namespace volute::compiler
