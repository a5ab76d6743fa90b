// The pools, global and adaptive ones, and max_unpool.
#include "ir/infer_rules.h"

#include <algorithm>
#include <cmath>

namespace volute::ir {
namespace {

/// Refuses windows none of which touch the input: the first must end in it or after its begin, the
/// last must start before its end. All others lie between the two.
void require_overlap(const Call& call, const Window& window, Axis axis) {
  const int64_t last = (window.output - 1) * window.stride - window.pad_begin;
  if (window.pad_begin >= window.span())
    call.refuse.at_attribute(
        "pad",
        fmt::format("pad = {} in front of {} leaves the first window, which spans {}, outside the "
                    "input",
                    window.pad_begin, to_char(axis), window.span()),
        nearest(window.span() - 1));
  else if (last >= window.input) {
    const int64_t starts = (window.input - 1 + window.pad_begin) / window.stride;
    const int64_t widest =
        (starts + 1) * window.stride - 1 + window.span() - window.input - window.pad_begin;
    call.refuse.at_attribute(
        "pad",
        fmt::format("pad = {} behind {} leaves the last window, which starts at {}, outside the "
                    "input's {}",
                    window.pad_end, to_char(axis), last, window.input),
        nearest(std::clamp<int64_t>(widest, 0, window.pad_end)));
  }
}

Shape pooled(const Call& call, std::span<const Window> windows) {
  Shape shape = shape_of(call.x());
  const std::vector<Axis> axes = call.x().spatial_axes();
  for (size_t i = 0; i < axes.size(); ++i) shape[axes[i]] = windows[i].output;
  return shape;
}

} // namespace

Shapes infer_pool(const Pool& op, const Call& call) {
  if (op.kind != PoolKind::max) require_float(call, 0);
  if (op.kind == PoolKind::average && op.divisor == 0)
    call.refuse.at_attribute("divisor", "divisor = 0 divides nothing", nearest(1));
  if (op.kind == PoolKind::lp && !(op.p > 0))
    call.refuse.at_attribute("p", fmt::format("p = {} must be above 0", op.p));
  if (op.pad.rule == Padding::Rule::same &&
      std::any_of(op.stride.begin(), op.stride.end(), [](int64_t s) { return s != 1; })) {
    call.refuse.at_attribute(
        "pad", fmt::format("pad = same needs stride 1, not {}", attribute_text(call, "stride")),
        "pad = same_upper allows a stride");
    return {};
  }
  const std::vector<Window> asked = asked_windows(op, call.operands);
  const std::vector<Window> windows =
      require_windows(call, {"kernel", asked, op.pad, op.ceil_mode});
  if (!call.refuse.none()) return {};
  const std::vector<Axis> axes = call.x().spatial_axes();
  for (size_t i = 0; i < axes.size(); ++i) require_overlap(call, windows[i], axes[i]);
  if (!call.refuse.none()) return {};

  Shapes shapes(call.results, pooled(call, windows));
  if (call.results == 2) shapes[1].element = ElementType::i64;
  return shapes;
}

Shapes infer_global_pool(const GlobalPool& op, const Call& call) {
  if (!require_activation(call)) return {};
  if (op.kind != PoolKind::max) require_float(call, 0);
  Shape shape = shape_of(call.x());
  for (const Axis axis : call.x().spatial_axes()) shape[axis] = 1;
  return {shape};
}

Shapes infer_adaptive_pool(const AdaptivePool& op, const Call& call) {
  if (op.kind != PoolKind::max) require_float(call, 0);
  Shape shape = shape_of(call.x());
  const std::vector<Axis> axes = call.x().spatial_axes();
  for (size_t i = 0; i < axes.size(); ++i) shape[axes[i]] = op.output[i];
  Shapes shapes(call.results, shape);
  if (call.results == 2) shapes[1].element = ElementType::i64;
  return shapes;
}

Shapes infer_max_unpool(const MaxUnpool& op, const Call& call) {
  const TensorType& index = call.operands[1];
  if (index.element != ElementType::i64)
    call.refuse.at_operand(1, fmt::format("the indices must be i64, as max_pool gives them, not {}",
                                          to_string(index.element)));
  if (shape_of(index).sizes != shape_of(call.x()).sizes)
    call.refuse.at_operand(1, fmt::format("the indices {} must have the input's shape, {}",
                                          to_string(index), to_string(call.x())));
  if (op.pad.rule != Padding::Rule::numbers) {
    call.refuse.at_attribute("pad", fmt::format("{} is for conv and the pools; here pad takes "
                                                "numbers",
                                                attribute_text(call, "pad")));
    return {};
  }
  MaxUnpool by_formula = op;
  by_formula.output_size.clear();
  const std::vector<Window> natural = transposed_windows(by_formula, call.operands);
  const std::vector<Axis> axes = call.x().spatial_axes();
  Shape shape = shape_of(call.x());
  for (size_t i = 0; i < axes.size(); ++i) {
    const Window& window = natural[i];
    const int64_t least = std::max<int64_t>(window.output - window.stride + 1, 1);
    const int64_t most = window.output + window.stride - 1;
    if (op.output_size.empty() || most < 1) {
      if (window.output < 1)
        call.refuse.at_attribute(
            "pad", fmt::format("the output along {} would be {} = ({} - 1) * {} - {} - {} + {}",
                               to_char(axes[i]), window.output, window.input, window.stride,
                               window.pad_begin, window.pad_end, window.kernel));
      continue;
    }
    shape[axes[i]] = op.output_size[i];
    if (op.output_size[i] < least || op.output_size[i] > most)
      call.refuse.at_attribute("output_size",
                               fmt::format("output_size = {} along {} is outside {} to {}",
                                           op.output_size[i], to_char(axes[i]), least, most),
                               nearest(std::clamp(op.output_size[i], least, most)));
  }
  return {shape};
}

} // namespace volute::ir
