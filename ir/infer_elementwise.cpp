// Operators that keep their first operand's shape: normalisation, arithmetic, activations.
#include "ir/infer_rules.h"
#include "ir/number.h"

#include <algorithm>
#include <cmath>

namespace volute::ir {
namespace {

bool takes_integers(UnaryKind kind) {
  switch (kind) {
  case UnaryKind::relu:
  case UnaryKind::relu6:
  case UnaryKind::clamp:
  case UnaryKind::abs:
  case UnaryKind::neg: return true;
  default: return false;
  }
}

bool has_channels(const Call& call) {
  if (call.x().has(Axis::c)) return true;
  call.refuse.at_operand(
      0, fmt::format("the input {} has no channels, no axis c", to_string(call.x())));
  return false;
}

/// A bound of clamp on integers must be one of them, so that the kernel compares exactly.
void check_bound(const Call& call, std::string_view name, const std::optional<double>& bound) {
  if (!bound || is_float(call.x().element) || std::isinf(*bound)) return;
  if (*bound != std::floor(*bound))
    call.refuse.at_attribute(name, fmt::format("{} = {} must be a whole number for {}", name,
                                               *bound, to_string(call.x().element)));
}

void check_clamp(const Unary& op, const Call& call) {
  if (!op.a && !op.b) call.refuse.at_operator("min, max or both must be given");
  check_bound(call, "min", op.a);
  check_bound(call, "max", op.b);
  if (op.a && op.b && *op.a > *op.b)
    call.refuse.at_attribute("min", fmt::format("min = {} is above max = {}", *op.a, *op.b),
                             fmt::format("the nearest valid value is {}", *op.b));
}

} // namespace

Shapes infer_batch_norm(const BatchNorm& op, const Call& call) {
  if (!require_activation(call)) return {};
  require_float(call, 0);
  const ElementType x = call.x().element;
  const bool narrow = size_of(x) == 2;
  for (size_t i = 1; i < call.operands.size(); ++i) {
    require_vector(call, i, Axis::c, call.x().size(Axis::c), call.row.operands[i]);
    const ElementType element = call.operands[i].element;
    if (is_float(x) && element != x && !(narrow && element == ElementType::f32))
      call.refuse.at_operand(i, fmt::format("the {} must have {}{} elements, not {}",
                                            call.row.operands[i], to_string(x),
                                            narrow ? " or f32" : "", to_string(element)));
  }
  if (op.epsilon < 0)
    call.refuse.at_attribute("epsilon", fmt::format("epsilon = {} is below 0", op.epsilon),
                             nearest(0));
  return {shape_of(call.x())};
}

Shapes infer_binary(const Binary&, const Call& call) {
  const TensorType &a = call.operands[0], &b = call.operands[1];
  if (a.element != b.element)
    call.refuse.at_operand(1, fmt::format("has {} elements, but the first operand has {}",
                                          to_string(b.element), to_string(a.element)));
  const Shape shape = shape_of(a);
  const bool same = shape.sizes == shape_of(b).sizes && a.axes().size() == b.axes().size() &&
                    std::all_of(a.extents.begin(), a.extents.end(),
                                [&](const Extent& extent) { return b.has(extent.axis); });
  const bool per_channel =
      a.has(Axis::c) && b.axes() == std::vector{Axis::c} && b.size(Axis::c) == a.size(Axis::c);
  if (!same && !per_channel) {
    const std::string channels =
        a.has(Axis::c) ? fmt::format(" and is not [c={}], one a channel", a.size(Axis::c)) : "";
    call.refuse.at_operand(1, fmt::format("{} lacks the first operand's shape {}{}", to_string(b),
                                          to_string(a), channels));
  }
  return {shape};
}

Shapes infer_unary(const Unary& op, const Call& call) {
  if (!takes_integers(op.kind)) require_float(call, 0);
  if (op.kind == UnaryKind::clamp) check_clamp(op, call);
  return {shape_of(call.x())};
}

Shapes infer_prelu(const Prelu&, const Call& call) {
  require_float(call, 0);
  if (!has_channels(call)) return {};
  const TensorType& slope = call.operands[1];
  if (slope.axes() != std::vector{Axis::c} || slope.size(Axis::c) != 1)
    require_vector(call, 1, Axis::c, call.x().size(Axis::c), "slope");
  if (slope.element != call.x().element)
    call.refuse.at_operand(1, fmt::format("the slope has {} elements, but the input has {}",
                                          to_string(slope.element), to_string(call.x().element)));
  return {shape_of(call.x())};
}

} // namespace volute::ir
