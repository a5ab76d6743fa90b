// conv and conv_transpose: groups, channels, element types, the filter's fit.
#include "ir/infer_rules.h"

#include <algorithm>

namespace volute::ir {
namespace {

bool is_byte(ElementType type) { return type == ElementType::i8 || type == ElementType::u8; }
bool is_narrow(ElementType type) { return type == ElementType::f16 || type == ElementType::bf16; }

bool require_weight(const Call& call) {
  const TensorType& w = call.operands[1];
  std::vector<Axis> wanted = {Axis::o, Axis::i};
  for (const Axis axis : call.x().spatial_axes()) wanted.push_back(axis);
  const std::vector<Axis> axes = w.axes();
  const bool same = axes.size() == wanted.size() &&
                    std::all_of(wanted.begin(), wanted.end(), [&](Axis a) { return w.has(a); });
  if (!same)
    call.refuse.at_operand(1, fmt::format("the weight {} must have the axes {}, as the input has",
                                          to_string(w), axes_text(wanted)));
  return same;
}

/// The element type of the result, which is that of the accumulator for bytes, and may be for
/// narrow floats.
std::optional<ElementType> result_element(const Call& call) {
  const ElementType x = call.x().element, w = call.operands[1].element;
  if (is_byte(x) && is_byte(w)) return ElementType::i32;
  if (is_integer(x) && !is_byte(x)) {
    call.refuse.at_operand(0, fmt::format("takes floats, or i8 and u8, not {}", to_string(x)));
    return std::nullopt;
  }
  if (x != w) {
    call.refuse.at_operand(1, fmt::format("the weight has {} elements, but the input has {}",
                                          to_string(w), to_string(x)));
    return std::nullopt;
  }
  const bool wider =
      is_narrow(x) && !call.written.empty() && call.written[0].element == ElementType::f32;
  return wider ? ElementType::f32 : x;
}

void check_bias(const Call& call, ElementType result, int64_t channels) {
  if (call.operands.size() < 3 || !require_vector(call, 2, Axis::o, channels, "bias")) return;
  const ElementType bias = call.operands[2].element;
  const bool narrow = is_narrow(call.x().element);
  if (bias == result || (narrow && bias == ElementType::f32)) return;
  const bool also_f32 = narrow && result != ElementType::f32;
  call.refuse.at_operand(2,
                         fmt::format("the bias must have {}{} elements, not {}", to_string(result),
                                     also_f32 ? " or f32" : "", to_string(bias)));
}

/// The divisor of `number` nearest to `value`; of two equally near the larger.
std::optional<int64_t> nearest_divisor(int64_t value, int64_t number) {
  constexpr int64_t farthest = 100000; // a bounded search: farther values help nobody
  if (value >= number) return number;
  for (int64_t distance = 1; distance < farthest; ++distance) {
    if (number % (value + distance) == 0) return value + distance;
    if (value > distance && number % (value - distance) == 0) return value - distance;
  }
  return std::nullopt;
}

/// The one number of groups in which a weight fits the input, or why there is none: the number must
/// divide both channel counts and leave i input channels to each group.
std::string groups_hint(int64_t in, int64_t out, int64_t per_group) {
  if (in % per_group != 0)
    return fmt::format("no groups fit this weight: its i = {} does not divide {}", per_group, in);
  const int64_t fitting = in / per_group;
  if (out % fitting != 0)
    return fmt::format("no groups fit this weight: i = {} asks for {}, which do not divide its {} "
                       "output channels",
                       per_group, fitting, out);
  return nearest(fitting);
}

void check_conv_channels(const Call& call, int64_t groups) {
  const int64_t in = call.x().size(Axis::c);
  const int64_t out = call.operands[1].size(Axis::o), per_group = call.operands[1].size(Axis::i);
  const bool other_groups = in % per_group == 0 && out % (in / per_group) == 0;
  const std::string hint = groups_hint(in, out, per_group);
  if (in % groups != 0)
    call.refuse.at_attribute(
        "groups", fmt::format("groups = {} does not divide the input's {} channels", groups, in),
        hint);
  if (out % groups != 0)
    call.refuse.at_attribute(
        "groups",
        fmt::format("groups = {} does not divide the weight's {} output channels", groups, out),
        hint);
  if (in % groups != 0 || out % groups != 0 || per_group == in / groups) return;
  call.refuse.at_operand(
      1,
      fmt::format(
          "the weight has i = {}, but the input has {} channels in {} group{}: i must be {}",
          per_group, in, groups, groups == 1 ? "" : "s", in / groups),
      other_groups ? fmt::format("groups = {} fits this weight", in / per_group) : "");
}

void check_transposed_channels(const Call& call, int64_t groups) {
  const int64_t in = call.x().size(Axis::c), weight_in = call.operands[1].size(Axis::i);
  if (weight_in != in)
    call.refuse.at_operand(
        1, fmt::format("the weight has i = {}, but the input has {} channels", weight_in, in));
  if (in % groups != 0) {
    // Output channels follow from the groups; a bias, where there is one, must go with them.
    const auto divisor = nearest_divisor(groups, in);
    const bool biased = call.operands.size() > 2;
    call.refuse.at_attribute(
        "groups", fmt::format("groups = {} does not divide the input's {} channels", groups, in),
        divisor && !biased ? nearest(*divisor) : "");
  }
  if (Wide{call.operands[1].size(Axis::o)} * groups > largest_size)
    call.refuse.at_attribute("groups", fmt::format("{} groups of {} output channels are too many",
                                                   groups, call.operands[1].size(Axis::o)));
}

Shapes result_shape(const Call& call, ElementType element, int64_t channels,
                    std::span<const Window> windows) {
  Shape shape = shape_of(call.x());
  shape.element = element;
  shape[Axis::c] = channels;
  const std::vector<Axis> axes = call.x().spatial_axes();
  for (size_t i = 0; i < axes.size(); ++i) shape[axes[i]] = windows[i].output;
  return {shape};
}

template <class Op>
void check_zero_points(const Op& op, const Call& call, int64_t channels) {
  const int64_t x_zero_point[] = {op.x_zero_point};
  require_zero_points(call, "x_zero_point", x_zero_point, call.x().element, 1);
  require_zero_points(call, "w_zero_point", op.w_zero_point, call.operands[1].element, channels);
}

} // namespace

Shapes infer_conv(const Conv& op, const Call& call) {
  if (!require_weight(call)) return {};
  const auto element = result_element(call);
  const int64_t channels = call.operands[1].size(Axis::o);
  check_conv_channels(call, op.groups);
  if (element) check_bias(call, *element, channels);
  if (element) check_zero_points(op, call, channels);

  if (op.pad.rule == Padding::Rule::same &&
      std::any_of(op.stride.begin(), op.stride.end(), [](int64_t s) { return s != 1; })) {
    call.refuse.at_attribute(
        "pad", fmt::format("pad = same needs stride 1, not {}", attribute_text(call, "stride")),
        "pad = same_upper allows a stride");
    return {};
  }
  const std::vector<Window> asked = asked_windows(op, call.operands);
  const std::vector<Window> windows = require_windows(call, {"", asked, op.pad});
  if (!call.refuse.none()) return {};
  const std::vector<Axis> axes = call.x().spatial_axes();
  for (size_t i = 0; i < axes.size(); ++i)
    require_pad_mode(call, op.padding_mode, "pad", axes[i],
                     {windows[i].pad_begin, windows[i].pad_end}, windows[i].input);
  if (!call.refuse.none()) return {};
  return result_shape(call, *element, channels, windows);
}

Shapes infer_conv_transpose(const ConvTranspose& op, const Call& call) {
  if (op.pad.rule != Padding::Rule::numbers) {
    call.refuse.at_attribute("pad", fmt::format("{} is for conv and the pools; here pad takes "
                                                "numbers",
                                                attribute_text(call, "pad")));
    return {};
  }
  if (!require_weight(call)) return {};
  const auto element = result_element(call);
  check_transposed_channels(call, op.groups);
  if (!call.refuse.none()) return {};
  const int64_t channels = output_channels(op, call.operands[1]);
  check_bias(call, *element, channels);
  check_zero_points(op, call, channels);

  const std::vector<Window> windows = transposed_windows(op, call.operands);
  const std::vector<Axis> axes = call.x().spatial_axes();
  for (size_t i = 0; i < axes.size(); ++i) {
    const Window& window = windows[i];
    const int64_t extra = op.output_padding[i], limit = std::max(window.stride, window.dilation);
    if (extra >= limit)
      call.refuse.at_attribute(
          "output_padding",
          fmt::format("output_padding = {} along {} must be less than the larger of stride {} and "
                      "dilation {}",
                      extra, to_char(axes[i]), window.stride, window.dilation),
          nearest(limit - 1));
    else if (window.output < 1)
      call.refuse.at_attribute(
          "pad",
          fmt::format("the output along {} would be {} = ({} - 1) * {} - {} - {} + {} * "
                      "({} - 1) + {} + 1",
                      to_char(axes[i]), window.output, window.input, window.stride,
                      window.pad_begin, window.pad_end, window.dilation, window.kernel, extra));
    else if (window.output > largest_size)
      call.refuse.at_operator(
          fmt::format("the output along {} would be above 2^62", to_char(axes[i])));
  }
  if (!call.refuse.none()) return {};
  return result_shape(call, *element, channels, windows);
}

} // namespace volute::ir
