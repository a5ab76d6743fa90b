// Convolution in one, two and three dimensions, dense, grouped and depthwise: one general form.

#include "compiler/lower/phase.h"
#include "ir/operators.h"

namespace volute::compiler {

using ir::Affine;
using ir::Axis;
using ir::ElementType;
using ir::Expr;
using ir::Window;

namespace {

/// The zero point of a weight: a number, or one per output channel, read at `channel`.
Expr zero_point(NestBuilder& to, const std::vector<int64_t>& points, const std::string& weight,
                const Affine& channel) {
  if (points.size() == 1) return ir::imm_integer(points[0], ElementType::i32);
  const int32_t table =
      to.lowering.table(weight + "_zero_point", ElementType::i32, {points.begin(), points.end()});
  return to.read_vector(table, channel);
}

Expr minus(const Expr& value, const Expr& point) {
  const auto* constant = std::get_if<ir::Imm>(&point->is);
  return constant && constant->integer == 0 ? value : value - point;
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
  Expr image = converted(type, to.read(x, input));
  Expr filter = converted(type, to.read(weight, tap));
  const Expr start = bias();
  if (is_integer(type)) {
    const ir::Convolution conv = convolution(statement.operation).value();
    image = minus(image, ir::imm_integer(conv.x_zero_point, ElementType::i32));
    filter = minus(filter, zero_point(to, conv.w_zero_points, spoken(group.program.name_of(weight)),
                                      to.at[Axis::c]));
  }
  to.accumulate(start, [&](const Expr& sum) { return fma(image, filter, sum); });
}

void lower_conv(const GroupLowering& group) {
  if (lower_winograd(group)) return;
  std::vector<Phase> phases;
  for (const Window& window : windows_of(group)) phases.push_back(phase_of(window));
  lower_phase(group, phases);
}

} // namespace volute::compiler
