// Pools and padding: what slides a window over each channel by itself.

#include "compiler/lower_nest.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

namespace volute::compiler {

using ir::Affine;
using ir::Axis;
using ir::BinaryFn;
using ir::Expr;
using ir::PoolKind;
using ir::Window;

namespace {

/// The domain of a window per channel; returns the input element that a point reads.
Expr slide(NestBuilder& to, ir::ValueId x, const std::vector<Window>& windows) {
  const ir::TensorType& type = to.lowering.program.type(x);
  const std::vector<Axis> axes = type.spatial_axes();
  to.at[Axis::n] = to.parallel("n", type.size(Axis::n));
  to.at[Axis::c] = to.parallel("c", type.size(Axis::c));
  add_outputs(to, axes, windows);
  Coordinates input, tap;
  input[Axis::n] = to.at[Axis::n];
  input[Axis::c] = to.at[Axis::c];
  add_taps(to, axes, windows, input, tap);
  return to.read(x, input);
}

/// The larger of the two, where NaN is larger than every number: the rule of torch's max_pool.
Expr larger_or_nan(const Expr& candidate, const Expr& best) {
  return select(ir::Compare::unordered, candidate, candidate, candidate,
                binary(BinaryFn::max, candidate, best));
}

Expr accumulator() { return ir::acc(ir::ElementType::f32, 0); }

/// Taps k of an output with first <= k * dilation + start < end.
int64_t taps_between(const Window& window, int64_t start, int64_t first, int64_t end) {
  const auto taps_below = [&](int64_t limit) {
    return std::clamp<int64_t>(ir::ceil_div(limit - start, window.dilation), 0, window.kernel);
  };
  return taps_below(end) - taps_below(first);
}

/// By how many taps along one axis an average at `output` is divided: those inside the input, or
/// inside it and its padding. What a last window of ceil_mode has beyond never counts.
int64_t counted_taps(const Window& window, int64_t output, bool with_padding) {
  const int64_t start = output * window.stride - window.pad_begin;
  return with_padding
             ? taps_between(window, start, -window.pad_begin, window.input + window.pad_end)
             : taps_between(window, start, 0, window.input);
}

/// Whether some output has taps that do not count; the others all divide by the whole window.
bool is_clipped(const Window& window, bool with_padding) {
  const int64_t last = (window.output - 1) * window.stride + window.span() - 1 - window.pad_begin;
  return with_padding ? last >= window.input + window.pad_end
                      : window.pad_begin > 0 || last >= window.input;
}

/// The count of every output along one axis, or of the first when all are the same.
std::vector<float> counts(const Window& window, bool with_padding) {
  std::vector<float> all;
  const int64_t outputs = is_clipped(window, with_padding) ? window.output : 1;
  for (int64_t output = 0; output < outputs; ++output)
    all.push_back(static_cast<float>(counted_taps(window, output, with_padding)));
  if (std::all_of(all.begin(), all.end(), [&](float count) { return count == all[0]; }))
    all.resize(1);
  return all;
}

/// acc / (constant * count_h[h] * count_w[w]), only axes where the count varies having a table.
Expr average(NestBuilder& to, const ir::Pool& op, const ir::Statement& statement,
             const std::vector<Window>& windows) {
  if (op.divisor) return accumulator() / ir::imm(static_cast<double>(*op.divisor));
  const ir::Program& program = to.lowering.program;
  const std::vector<Axis> axes = program.type(statement.operands[0]).spatial_axes();
  double constant = 1;
  Expr divisor;
  for (size_t i = 0; i < axes.size(); ++i) {
    const std::vector<float> counted = counts(windows[i], op.count_include_pad);
    if (counted.size() == 1) {
      constant *= counted[0];
      continue;
    }
    const int32_t table =
        to.lowering.table(fmt::format("{}_count_{}", spoken(program.name_of(statement.results[0])),
                                      ir::to_char(axes[i])),
                          counted);
    const Expr count = to.read_vector(table, windows[i].output, to.at[axes[i]]);
    divisor = divisor ? divisor * count : count;
  }
  if (!divisor)
    divisor = ir::imm(constant);
  else if (constant != 1)
    divisor = divisor * ir::imm(constant);
  return accumulator() / divisor;
}

} // namespace

int64_t longest_count_table(const ir::Pool& op, const std::vector<Window>& windows) {
  int64_t longest = 0;
  if (op.kind == PoolKind::average && !op.divisor)
    for (const Window& window : windows)
      if (is_clipped(window, op.count_include_pad)) longest = std::max(longest, window.output);
  return longest;
}

void lower_pool(NestBuilder& to, const ir::Statement& statement) {
  const auto& op = std::get<ir::Pool>(statement.operation);
  const std::vector<Window> windows = ir::windows(to.lowering.program, statement);
  const Expr x = slide(to, statement.operands[0], windows);
  if (op.kind == PoolKind::max) {
    to.accumulate(ir::imm(-std::numeric_limits<double>::infinity()),
                  larger_or_nan(x, accumulator()));
  } else {
    to.accumulate(ir::imm(0), accumulator() + x);
    to.value = average(to, op, statement, windows);
  }
}

void lower_global_pool(NestBuilder& to, const ir::Statement& statement) {
  const auto& op = std::get<ir::GlobalPool>(statement.operation);
  const std::vector<Window> windows = ir::windows(to.lowering.program, statement);
  const Expr x = slide(to, statement.operands[0], windows);
  if (op.kind == PoolKind::max) {
    to.accumulate(ir::imm(-std::numeric_limits<double>::infinity()),
                  larger_or_nan(x, accumulator()));
  } else {
    double elements = 1;
    for (const Window& window : windows) elements *= static_cast<double>(window.kernel);
    to.accumulate(ir::imm(0), accumulator() + x);
    to.value = accumulator() / ir::imm(elements);
  }
}

void lower_pad(NestBuilder& to, const ir::Statement& statement) {
  // A window of one tap, which starts from the padding's value and takes what it finds inside. A
  // negative pad shifts the window into the input.
  const auto& op = std::get<ir::PadOp>(statement.operation);
  const ir::TensorType& type = to.lowering.program.type(statement.operands[0]);
  std::vector<Window> windows;
  for (Axis axis : type.spatial_axes()) {
    const auto [begin, end] = op.pad.sides[windows.size()];
    Window window;
    window.input = type.size(axis);
    window.pad_begin = begin;
    window.pad_end = end;
    window.output = window.input + begin + end;
    windows.push_back(window);
  }
  const Expr x = slide(to, statement.operands[0], windows);
  to.accumulate(ir::imm(op.value), x);
}

} // namespace volute::compiler
