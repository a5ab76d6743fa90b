#include "ir/infer_rules.h"

#include "ir/number.h"

#include <algorithm>

namespace volute::ir {

Shape shape_of(const TensorType& type) {
  Shape shape;
  shape.element = type.element;
  for (const Axis axis : type.axes()) shape[axis] = type.size(axis);
  return shape;
}

bool is_activation(const TensorType& type) {
  const std::vector<Axis> axes = type.axes(), space = type.spatial_axes();
  const bool space_from_inside = type.has(Axis::w) && (type.has(Axis::h) || !type.has(Axis::d));
  return type.has(Axis::n) && type.has(Axis::c) && space_from_inside &&
         axes.size() == space.size() + 2;
}

namespace {

/// One image without its batch axis, or without its channels: with them.
std::string with_missing_axes(const TensorType& type) {
  TensorType whole{type.element, {}};
  if (!type.has(Axis::n)) whole.extents.push_back({Axis::n, 1});
  if (!type.has(Axis::c)) whole.extents.push_back({Axis::c, 1});
  const bool is_complete = whole.extents.empty();
  whole.extents.insert(whole.extents.end(), type.extents.begin(), type.extents.end());
  return is_complete || !is_activation(whole) ? "" : fmt::format("write {}", to_string(whole));
}

} // namespace

bool require_activation(const Call& call) {
  if (is_activation(call.x())) return true;
  call.refuse.at_operand(0,
                         fmt::format("the input {} must have the axes n, c and w; n, c, h and w; "
                                     "or n, c, d, h and w",
                                     to_string(call.x())),
                         with_missing_axes(call.x()));
  return false;
}

bool require_vector(const Call& call, size_t i, Axis axis, int64_t size, std::string_view role) {
  const TensorType& type = call.operands[i];
  if (type.axes() == std::vector{axis} && type.size(axis) == size) return true;
  call.refuse.at_operand(
      i, fmt::format("the {} must be [{}={}], not {}", role, to_char(axis), size, to_string(type)));
  return false;
}

bool require_float(const Call& call, size_t i) {
  const ElementType element = call.operands[i].element;
  if (is_float(element)) return true;
  call.refuse.at_operand(i, fmt::format("takes floats, not {}", to_string(element)),
                         "convert it first");
  return false;
}

std::string axes_text(std::span<const Axis> axes) {
  std::string text;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (i > 0) text += i + 1 == axes.size() ? " and " : ", ";
    text += to_char(axes[i]);
  }
  return text;
}

std::string attribute_text(const Call& call, std::string_view name) {
  constexpr size_t longest = 60;
  Operation copy = call.operation;
  std::string value = to_string(find_attribute(call.row, name)->field(copy));
  if (value.size() > longest) value = value.substr(0, longest) + "...";
  return fmt::format("{} = {}", name, value);
}

bool require_zero_points(const Call& call, std::string_view name, std::span<const int64_t> values,
                         ElementType type, int64_t channels) {
  if (values.size() != 1 && static_cast<int64_t>(values.size()) != channels) {
    call.refuse.at_attribute(name, fmt::format("{} has {} entries, but there are {} channels", name,
                                               values.size(), channels));
    return false;
  }
  for (const int64_t value : values) {
    const int64_t closest = is_float(type) ? 0 : std::clamp(value, lowest(type), highest(type));
    if (value == closest) continue;
    if (is_float(type))
      call.refuse.at_attribute(name, fmt::format("{} = {} belongs to operands of u8 or i8, not {}",
                                                 name, value, to_string(type)));
    else
      call.refuse.at_attribute(name,
                               fmt::format("{} = {} is outside {}, {} to {}", name, value,
                                           to_string(type), lowest(type), highest(type)),
                               nearest(closest));
    return false;
  }
  return true;
}

bool require_pad_mode(const Call& call, PadMode mode, std::string_view attribute, Axis axis,
                      Side side, int64_t extent) {
  const int64_t widest = std::max(side.begin, side.end);
  if (mode == PadMode::zeros || widest <= 0) return true;
  const int64_t limit = mode == PadMode::reflect    ? extent - 1
                        : mode == PadMode::circular ? extent
                        : extent > 0                ? widest
                                                    : 0;
  if (widest <= limit) return true;
  const std::string_view rule = mode == PadMode::reflect ? "less than" : "at most";
  call.refuse.at_attribute(attribute,
                           fmt::format("a pad of {} along {} must be {} the extent {} for {}",
                                       widest, to_char(axis), rule, extent, to_string(mode)),
                           limit >= 0 ? nearest(limit) : "");
  return false;
}

} // namespace volute::ir
