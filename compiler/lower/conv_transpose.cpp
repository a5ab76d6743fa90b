// Transposed convolution by phases, without zero insertion and without scattering.
//
// Input t, tap j adds to output s * t + d * j - pad. Turned around: the outputs s * t + r of one
// residue r of the stride read the taps j with d * j = r + pad (mod s), and of those the m-th reads
// input t + shift - m * spacing. So the outputs of a residue are a dense convolution with every so
// many-th tap. Residues next to each other whose taps are neighbours too (all of them, when d = 1)
// are one phase with an axis of their own:
//
//     stride 2, kernel 4, pad 1      r = 0: taps 1, 3      r = 1: taps 0, 2, one input later
//     stride 16, kernel 16, pad 0    r = 0..15: tap r      one phase

#include "compiler/lower/nest_builder.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace volute::compiler {

using ir::Affine;
using ir::Axis;
using ir::Window;

namespace {

/// Outputs stride * t + first + r for t in [0, outputs), r in [0, residues).
struct Phase {
  int64_t first = 0, residues = 1, outputs = 1;
  int64_t taps = 0;                    // of each output; 0: nothing but the bias
  int64_t first_tap = 0, tap_step = 1; // the m-th is first_tap + r + m * tap_step
  int64_t shift = 0, spacing = 1;      // and it reads input t + shift - m * spacing

  bool continues(const Phase& before) const {
    return first == before.first + before.residues && outputs == before.outputs &&
           taps == before.taps && shift == before.shift &&
           (taps == 0 || first_tap == before.first_tap + before.residues);
  }
};

std::vector<Phase> phases(const Window& window) {
  const int64_t stride = window.stride, dilation = window.dilation;
  const int64_t repeat =
      stride / std::gcd(stride, dilation); // taps that many apart share a residue
  std::map<int64_t, int64_t> first_tap;    // by residue
  for (int64_t tap = 0; tap < std::min(window.kernel, repeat); ++tap) {
    const int64_t residue = (tap * dilation - window.pad_begin) % stride;
    first_tap[residue < 0 ? residue + stride : residue] = tap;
  }
  std::vector<Phase> result;
  const auto add = [&](const Phase& phase) {
    if (!result.empty() && phase.continues(result.back()))
      result.back().residues += phase.residues;
    else
      result.push_back(phase);
  };
  // Residues without a tap come in runs; within one, fewer outputs fit from some residue on.
  const int64_t residues = std::min(stride, window.output);
  const auto add_empty = [&](int64_t from, int64_t to) {
    const int64_t whole = window.output / stride, longer = window.output % stride;
    const int64_t turn = std::clamp(longer, from, to);
    if (from < turn) add({.first = from, .residues = turn - from, .outputs = whole + 1});
    if (turn < to && whole > 0) add({.first = turn, .residues = to - turn, .outputs = whole});
  };
  int64_t next = 0;
  for (const auto& [residue, tap] : first_tap) {
    if (residue >= residues) break;
    add_empty(next, residue);
    next = residue + 1;
    Phase phase;
    phase.first = residue;
    phase.outputs = ir::ceil_div(window.output - residue, stride);
    phase.taps = ir::ceil_div(window.kernel - tap, repeat);
    phase.first_tap = tap;
    phase.tap_step = repeat;
    phase.shift = (residue + window.pad_begin - tap * dilation) / stride;
    phase.spacing = repeat * dilation / stride;
    add(phase);
  }
  add_empty(next, residues);
  return result;
}

void lower_phase(const GroupLowering& group, const std::vector<const Phase*>& of_axes) {
  const ir::Program& program = group.program;
  const ir::TensorType& x = program.type(group.head.operands[0]);
  const std::vector<Axis> axes = x.spatial_axes();
  const std::vector<Window> windows = ir::transposed_windows(program, group.head);

  NestBuilder to = group.start();
  group.add_parallel(to, Axis::n, x.size(Axis::n));
  Channels channels(group);
  channels.add_parallel(to);
  std::vector<Affine> turn(axes.size()), residue(axes.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    const Phase& phase = *of_axes[i];
    turn[i] = to.parallel(axes[i], phase.outputs);
    if (phase.residues > 1) residue[i] = to.parallel_residues(axes[i], phase.residues);
    to.at[axes[i]] = turn[i] * windows[i].stride + residue[i] + phase.first;
  }
  Coordinates input, tap;
  input[Axis::n] = to.at[Axis::n];
  input[Axis::c] = channels.add_reduction(to);
  tap[Axis::o] = channels.out;
  tap[Axis::i] = input[Axis::c];
  for (size_t i = 0; i < axes.size(); ++i) {
    const Phase& phase = *of_axes[i];
    const Affine k = to.reduce_taps(axes[i], std::max<int64_t>(phase.taps, 1));
    tap[axes[i]] = residue[i] + k * phase.tap_step + phase.first_tap;
    input[axes[i]] = turn[i] + phase.shift - k * phase.spacing;
    to.constrain(input[axes[i]], windows[i].input);
  }
  accumulate_products(group, to, input, tap);
  group.finish(std::move(to));
}

/// Outputs that no input reaches: the bias.
void lower_empty_phase(const GroupLowering& group, const std::vector<const Phase*>& of_axes) {
  const ir::Program& program = group.program;
  const ir::TensorType& x = program.type(group.head.operands[0]);
  const ir::TensorType& y = program.type(group.head.results[0]);
  const std::vector<Axis> axes = x.spatial_axes();
  const std::vector<Window> windows = ir::transposed_windows(program, group.head);

  NestBuilder to = group.start("_between");
  group.add_parallel(to, Axis::n, x.size(Axis::n));
  Boundaries cuts = group.cuts(Axis::c);
  if (group.head.operands.size() > 2)
    cuts.merge(boundaries(program.type(group.head.operands[2]), Axis::o));
  to.at[Axis::c] = to.parallel(Axis::c, y.size(Axis::c), cuts);
  for (size_t i = 0; i < axes.size(); ++i) {
    const Phase& phase = *of_axes[i];
    // The outputs first, then the residues: the order of the nest's axes.
    const Affine turn = to.parallel(axes[i], phase.outputs);
    to.at[axes[i]] =
        turn * windows[i].stride + to.parallel_residues(axes[i], phase.residues) + phase.first;
  }
  Coordinates channel;
  channel[Axis::o] = to.at[Axis::c];
  to.value = group.head.operands.size() > 2 ? computed(to.read(group.head.operands[2], channel))
                                            : number(0, computed_in(y.element));
  group.finish(std::move(to));
}

} // namespace

void lower_conv_transpose(const GroupLowering& group) {
  std::vector<std::vector<Phase>> of_axes;
  for (const Window& window : ir::transposed_windows(group.program, group.head))
    of_axes.push_back(phases(window));
  std::vector<size_t> at(of_axes.size());
  for (bool more = true; more;) {
    std::vector<const Phase*> chosen;
    for (size_t i = 0; i < at.size(); ++i) chosen.push_back(&of_axes[i][at[i]]);
    const bool reached =
        std::all_of(chosen.begin(), chosen.end(), [](const Phase* p) { return p->taps > 0; });
    (reached ? lower_phase : lower_empty_phase)(group, chosen);
    more = false;
    for (size_t i = at.size(); i-- > 0 && !more;) {
      more = ++at[i] < of_axes[i].size();
      if (!more) at[i] = 0;
    }
  }
}

} // namespace volute::compiler
