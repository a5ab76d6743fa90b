// Convolution in one, two and three dimensions, dense, grouped and depthwise: one general form.

#include "compiler/lower_nest.h"

#include <fmt/format.h>

namespace volute::compiler {

using ir::Affine;
using ir::Axis;
using ir::Window;

void add_outputs(NestBuilder& to, const std::vector<Axis>& axes,
                 const std::vector<Window>& windows) {
  for (size_t i = 0; i < axes.size(); ++i)
    to.at[axes[i]] = to.parallel(std::string(1, ir::to_char(axes[i])), windows[i].output);
}

void add_taps(NestBuilder& to, const std::vector<Axis>& axes, const std::vector<Window>& windows,
              Coordinates& input, Coordinates& tap) {
  for (size_t i = 0; i < axes.size(); ++i) {
    const Axis axis = axes[i];
    const Window& window = windows[i];
    tap[axis] = to.reduce(fmt::format("k{}", ir::to_char(axis)), window.kernel);
    input[axis] = to.at[axis] * window.stride + tap[axis] * window.dilation - window.pad_begin;
    to.constrain(input[axis], window.input, -window.pad_begin,
                 (window.output - 1) * window.stride + window.span() - 1 - window.pad_begin);
  }
}

void lower_conv(NestBuilder& to, const ir::Statement& statement) {
  const ir::Program& program = to.lowering.program;
  const auto& conv = std::get<ir::Conv>(statement.operation);
  const ir::ValueId x = statement.operands[0];
  const ir::ValueId weight = statement.operands[1];
  const int64_t outputs = program.type(weight).size(Axis::o) / conv.groups; // per group
  const int64_t inputs = program.type(weight).size(Axis::i);
  const std::vector<Axis> axes = program.type(x).spatial_axes();
  const std::vector<Window> windows = ir::windows(program, statement);
  const bool is_depthwise = conv.groups > 1 && inputs == 1;

  // The result's channel is g * outputs + o, the input's g * inputs + i. Depthwise, where each
  // channel is a group of its own, the group is called c, and what is always 0 is left out.
  to.at[Axis::n] = to.parallel("n", program.type(x).size(Axis::n));
  Affine group;
  if (conv.groups > 1) group = to.parallel(is_depthwise ? "c" : "g", conv.groups);
  Affine channel = group * outputs;
  if (!is_depthwise || outputs != 1) channel += to.parallel("o", outputs);
  to.at[Axis::c] = channel;
  add_outputs(to, axes, windows);

  Coordinates input, tap;
  if (!is_depthwise) tap[Axis::i] = to.reduce("i", inputs);
  tap[Axis::o] = channel;
  input[Axis::n] = to.at[Axis::n];
  input[Axis::c] = group * inputs + tap[Axis::i];
  add_taps(to, axes, windows, input, tap);

  const ir::Expr image = to.read(x, input);
  const ir::Expr filter = to.read(weight, tap);
  to.nest.weight = to.operand(weight);
  const ir::Expr start =
      statement.operands.size() > 2 ? to.read(statement.operands[2], tap) : ir::imm(0);
  to.accumulate(start, fma(image, filter, ir::acc(ir::ElementType::f32, 0)));
}

} // namespace volute::compiler
