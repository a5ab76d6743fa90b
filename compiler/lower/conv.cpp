// Convolution in one, two and three dimensions, dense, grouped and depthwise: one general form.

#include "compiler/lower/phase.h"
#include "ir/number.h"
#include "ir/operators.h"

#include <algorithm>
#include <cmath>

namespace volute::compiler {

using ir::Affine;
using ir::Axis;
using ir::ElementType;
using ir::Expr;
using ir::Window;

namespace {

/// The zero point of a weight: a number, or one per output channel, read at `channel`.
Expr zero_point(NestBuilder& to, const std::vector<int64_t>& points, const std::string& weight,
                const Affine& channel, ElementType type) {
  if (points.size() == 1) return number(points[0], type);
  const int32_t table =
      to.lowering.table(weight + "_zero_point", ElementType::i32, {points.begin(), points.end()});
  return converted(type, to.read_vector(table, channel));
}

Expr minus(const Expr& value, const Expr& point) {
  const auto* constant = std::get_if<ir::Imm>(&point->is);
  return constant && constant->integer == 0 && constant->real == 0 ? value : value - point;
}

constexpr double exact_up_to = 0x1p24; // f32 holds all whole numbers

/// Whether sums of so few products of bytes are exact in f32, in any order, and none is of a group
/// that a dot product takes. A multiply-add of f32 takes a quarter of what one of i32 does.
bool sums_are_exact_in_floats(const GroupLowering& group, const ir::Convolution& conv) {
  const ir::TensorType& x = group.program.type(group.head.operands[0]);
  const ir::TensorType& w = group.program.type(group.head.operands[1]);
  const auto largest = [](ElementType element, int64_t point) {
    return static_cast<double>(
        std::max(std::abs(lowest(element) - point), std::abs(highest(element) - point)));
  };
  double of_weight = 0;
  for (const int64_t point : conv.w_zero_points)
    of_weight = std::max(of_weight, largest(w.element, point));
  double products = 1;
  for (const Axis axis : x.spatial_axes()) products *= static_cast<double>(w.size(axis));
  return conv.inputs(w) == 1 && size_of(x.element) == 1 && size_of(w.element) == 1 &&
         products * largest(x.element, conv.x_zero_point) * of_weight <= exact_up_to;
}

/// Such a sum as a whole number.
Expr as_integer(const Expr& sum) {
  const Expr most = ir::imm(exact_up_to), least = ir::imm(-exact_up_to);
  return ir::convert_to(ElementType::i32,
                        binary(ir::BinaryFn::min, binary(ir::BinaryFn::max, sum, least), most));
}

} // namespace

void add_taps(NestBuilder& to, const std::vector<Axis>& axes, const std::vector<Window>& windows,
              Coordinates& input, Coordinates& tap) {
  for (size_t i = 0; i < axes.size(); ++i) {
    const Axis axis = axes[i];
    const Window& window = windows[i];
    tap[axis] = to.reduce_taps(axis, window.kernel);
    input[axis] = to.at[axis] * window.stride + tap[axis] * window.dilation - window.pad_begin;
    to.constrain(input[axis], window.input);
  }
}

Channels::Channels(const GroupLowering& lowered) {
  const ir::Convolution conv = convolution(lowered.head.operation).value();
  const ir::TensorType& weight = lowered.program.type(lowered.head.operands[1]);
  groups = conv.groups;
  inputs = conv.inputs(weight);
  outputs = conv.outputs(weight);
  cuts_ = channel_cuts(lowered.program, lowered.together);
  transposed_ = conv.transposed;
}

void Channels::add_parallel(NestBuilder& to) {
  // Depthwise, where each channel is a group of its own, the groups are channels, and what is
  // always 0 is left out.
  if (is_depthwise())
    group = to.parallel(Axis::c, groups, cuts_.group);
  else if (groups > 1)
    group = to.parallel_groups(groups, cuts_.group);
  if (!is_depthwise() || outputs != 1) out = to.parallel(Axis::o, outputs, cuts_.out);
  to.at[Axis::c] = group * outputs + out;
}

Affine Channels::add_reduction(NestBuilder& to) {
  if (!is_depthwise()) in = to.reduce(Axis::i, inputs, cuts_.in);
  return group * inputs + in;
}

void Channels::set_tap(Coordinates& tap) const {
  // A transposed convolution's weight has all input channels, and the output channels of one group.
  tap[Axis::i] = transposed_ ? group * inputs + in : in;
  tap[Axis::o] = transposed_ ? out : group * outputs + out;
}

void accumulate_products(const GroupLowering& group, NestBuilder& to, const Coordinates& input,
                         const Coordinates& tap) {
  const ir::Statement& statement = group.head;
  const ir::ValueId x = statement.operands[0], weight = statement.operands[1];
  const ElementType type = computed_in(group.program.type(statement.results[0]).element);
  const auto bias = [&] {
    Coordinates channel;
    channel[Axis::o] = to.at[Axis::c];
    return statement.operands.size() > 2 ? computed(to.read(statement.operands[2], channel))
                                         : number(0, type);
  };
  if (const Lowering::SplitProducts* split = split_products(group))
    return accumulate_split_products(*split, group, to, bias, input, tap);
  if (!is_integer(type)) {
    const Expr image = converted(type, to.read(x, input));
    const Expr filter = converted(type, to.read(weight, tap));
    to.accumulate(bias(), [&](const Expr& sum) { return fma(image, filter, sum); });
    return;
  }
  const ir::Convolution conv = convolution(statement.operation).value();
  const bool in_floats = sums_are_exact_in_floats(group, conv);
  const ElementType summed = in_floats ? ElementType::f32 : type;
  const Expr image = minus(converted(summed, to.read(x, input)), number(conv.x_zero_point, summed));
  const Expr filter =
      minus(converted(summed, to.read(weight, tap)),
            zero_point(to, conv.w_zero_points, spoken(group.program.name_of(weight)),
                       to.at[Axis::c], summed));
  const Expr start = bias();
  to.accumulate(in_floats ? number(0, summed) : start,
                [&](const Expr& sum) { return fma(image, filter, sum); });
  if (!in_floats) return;
  const Expr sum = as_integer(to.value);
  to.value = statement.operands.size() > 2 ? start + sum : sum;
}

void lower_conv(const GroupLowering& group) {
  if (lower_winograd(group)) return;
  std::vector<Phase> phases;
  for (const Window& window : windows_of(group)) phases.push_back(phase_of(window));
  lower_phase(group, phases);
}

} // namespace volute::compiler
