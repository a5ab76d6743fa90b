#include "compiler/nests/parts.h"

#include <algorithm>
#include <vector>

namespace volute::compiler {

using namespace ir;

namespace {

std::vector<const NestAxis*> parts(const Nest& nest) {
  std::vector<const NestAxis*> found;
  for (const NestAxis& axis : nest.axes)
    if (axis.role == AxisRole::part) found.push_back(&axis);
  return found;
}

/// Whether a constraint is on these axes alone.
bool is_of(const Constraint& c, const std::vector<const NestAxis*>& axes) {
  return c.extent.is_constant() &&
         std::all_of(c.value.terms().begin(), c.value.terms().end(), [&](const Affine::Term& term) {
           return std::any_of(axes.begin(), axes.end(),
                              [&](const NestAxis* axis) { return axis->var == term.var; });
         });
}

} // namespace

bool has_parts(const Nest& nest) { return !parts(nest).empty(); }

double share_of_parts(const Nest& nest) {
  const std::vector<const NestAxis*> axes = parts(nest);
  int64_t all = 1, inside = 0;
  for (const NestAxis* axis : axes) all *= axis->extent.number();
  for (int64_t point = 0; point < all; ++point) {
    inside +=
        std::all_of(nest.constraints.begin(), nest.constraints.end(), [&](const Constraint& c) {
          if (!is_of(c, axes)) return true;
          int64_t value = c.value.constant_term(), rest = point;
          for (const NestAxis* axis : axes) {
            value += c.value.coefficient(axis->var) * (rest % axis->extent.number());
            rest /= axis->extent.number();
          }
          return 0 <= value && value < c.extent.number();
        });
  }
  return static_cast<double>(inside) / static_cast<double>(all);
}

} // namespace volute::compiler
