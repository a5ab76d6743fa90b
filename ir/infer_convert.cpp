// Operators that change the element type, the memory order or the borders.
#include "ir/infer_rules.h"
#include "ir/number.h"

#include <algorithm>
#include <cmath>

namespace volute::ir {
namespace {

bool is_quantized(ElementType type) {
  return type == ElementType::i8 || type == ElementType::u8 || type == ElementType::i32;
}

void check_scale(const Quantize& op, const Call& call, int64_t channels) {
  if (op.scale.size() != 1 && static_cast<int64_t>(op.scale.size()) != channels)
    call.refuse.at_attribute("scale", fmt::format("scale has {} entries, but there are {} channels",
                                                  op.scale.size(), channels));
  for (const double scale : op.scale) {
    const auto single = static_cast<float>(scale); // the arithmetic is f32's
    if (single > 0 && std::isfinite(single)) continue;
    call.refuse.at_attribute("scale",
                             fmt::format("scale = {} must be finite and above 0 in f32", scale));
    return;
  }
}

} // namespace

Shapes infer_convert(const Convert&, const Call& call) {
  Shape shape = shape_of(call.x());
  shape.element = call.written[0].element;
  return {shape};
}

Shapes infer_reorder(const Reorder&, const Call& call) { return {shape_of(call.x())}; }

Shapes infer_pad(const PadOp& op, const Call& call) {
  if (op.pad.rule != Padding::Rule::numbers) {
    call.refuse.at_attribute("pad", fmt::format("{} is for conv and the pools; here pad takes "
                                                "numbers",
                                                attribute_text(call, "pad")));
    return {};
  }
  const ElementType element = call.x().element;
  if (op.mode != PadMode::zeros && op.value != 0)
    call.refuse.at_attribute("value", fmt::format("value = {} belongs to mode zeros, not {}",
                                                  op.value, to_string(op.mode)));
  else if (is_integer(element) && (!std::isfinite(op.value) || op.value != std::floor(op.value) ||
                                   op.value < static_cast<double>(lowest(element)) ||
                                   op.value > static_cast<double>(highest(element))))
    call.refuse.at_attribute("value",
                             fmt::format("value = {} is no {}", op.value, to_string(element)));

  Shape shape = shape_of(call.x());
  const std::vector<Axis> axes = call.x().spatial_axes();
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto [begin, end] = op.pad.sides[i];
    const int64_t extent = shape[axes[i]];
    const int64_t cropped = extent + std::min<int64_t>(begin, 0) + std::min<int64_t>(end, 0);
    const int64_t padded = extent + begin + end;
    if (cropped < 0 || padded < 1)
      call.refuse.at_attribute("pad", fmt::format("pad = ({}, {}) crops more than the {} elements "
                                                  "along {}",
                                                  begin, end, extent, to_char(axes[i])));
    else
      require_pad_mode(call, op.mode, "pad", axes[i], {begin, end}, cropped);
    shape[axes[i]] = padded;
  }
  return {shape};
}

Shapes infer_quantize(const Quantize& op, const Call& call) {
  const ElementType x = call.x().element;
  Shape shape = shape_of(call.x());
  const int64_t channels = call.x().has(Axis::c) ? call.x().size(Axis::c) : 1;
  ElementType quantized = x; // the side whose range holds the zero point
  if (op.kind == QuantKind::dequantize) {
    if (!is_quantized(x))
      call.refuse.at_operand(0, fmt::format("takes i8, u8 or i32, not {}", to_string(x)));
    shape.element = call.written.empty() ? ElementType::f32 : call.written[0].element;
    if (!is_float(shape.element))
      call.refuse.at_type(0, fmt::format("gives floats, not {}", to_string(shape.element)));
  } else {
    if (op.kind == QuantKind::quantize)
      require_float(call, 0);
    else if (!is_quantized(x))
      call.refuse.at_operand(0, fmt::format("takes i32, i8 or u8, not {}", to_string(x)));
    quantized = shape.element = call.written[0].element;
    if (!is_quantized(quantized))
      call.refuse.at_type(0, fmt::format("gives i8, u8 or i32, not {}", to_string(quantized)));
  }
  if (call.refuse.none()) {
    check_scale(op, call, channels);
    require_zero_points(call, "zero_point", op.zero_point, quantized, channels);
  }
  return {shape};
}

} // namespace volute::ir
