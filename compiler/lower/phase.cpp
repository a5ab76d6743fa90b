#include "compiler/lower/phase.h"

#include <algorithm>

namespace volute::compiler {

using ir::Affine;
using ir::Axis;
using ir::Window;

Phase phase_of(const Window& window) {
  Phase phase;
  phase.outputs = window.output;
  phase.taps = window.kernel;
  phase.step = window.stride;
  phase.shift = -window.pad_begin;
  phase.spacing = -window.dilation;
  return phase;
}

namespace {

bool is_transposed(const GroupLowering& group) {
  return std::holds_alternative<ir::ConvTranspose>(group.head.operation);
}

} // namespace

std::vector<Window> windows_of(const GroupLowering& group) {
  return is_transposed(group) ? ir::transposed_windows(group.program, group.head)
                              : ir::windows(group.program, group.head);
}

std::vector<Frame> bare_frames(const GroupLowering& group) {
  std::vector<Frame> frames;
  for (const Window& window : windows_of(group)) frames.push_back({0, window.input});
  return frames;
}

std::vector<Frame> whole_frames(const GroupLowering& group) {
  std::vector<Frame> frames;
  for (const Window& w : windows_of(group)) {
    if (!is_transposed(group) && w.kernel == 1 && w.stride > 1) {
      frames.push_back({w.pad_begin, w.output, w.stride});
      continue;
    }
    // Places that the first result reads first, and the last one last.
    int64_t first = -w.pad_begin, last = (w.output - 1) * w.stride + w.span() - 1 - w.pad_begin;
    if (is_transposed(group)) {
      first = ir::ceil_div(w.pad_begin - (w.span() - 1), w.stride);
      last = -ir::ceil_div(-(w.output - 1 + w.pad_begin), w.stride);
    }
    const int64_t before = std::max<int64_t>(-first, 0);
    frames.push_back({before, std::max(before + last + 1, before + 1)});
  }
  return frames;
}

PhaseAxes::PhaseAxes(const GroupLowering& lowered, const std::vector<Phase>& of_axes)
    : group_(lowered), phases_(of_axes),
      axes_(lowered.program.type(lowered.head.operands[0]).spatial_axes()), turns_(of_axes.size()),
      residues_(of_axes.size()) {}

void PhaseAxes::add_results(NestBuilder& to, bool is_cut) {
  for (size_t i = 0; i < axes_.size(); ++i) {
    const Phase& phase = phases_[i];
    const bool has_cuts = is_cut && phase.is_all();
    turns_[i] =
        to.parallel(axes_[i], phase.outputs, has_cuts ? group_.cuts(axes_[i]) : Boundaries{});
    if (phase.residues > 1) residues_[i] = to.parallel_residues(axes_[i], phase.residues);
    to.at[axes_[i]] = turns_[i] * phase.every + residues_[i] * phase.along.residues + phase.first;
  }
}

void PhaseAxes::add_residues(NestBuilder& to) {
  for (size_t i = 0; i < axes_.size(); ++i)
    if (phases_[i].residues > 1) residues_[i] = to.parallel_residues(axes_[i], phases_[i].residues);
}

Affine PhaseAxes::add_tap(NestBuilder& to, size_t axis, Coordinates& tap) const {
  const Phase& phase = phases_[axis];
  const Affine k = to.reduce_taps(axes_[axis], std::max<int64_t>(phase.taps, 1));
  tap[axes_[axis]] = residues_[axis] * phase.along.taps + k * phase.tap_step + phase.first_tap;
  return k;
}

void PhaseAxes::add_taps(NestBuilder& to, const std::vector<Frame>& frames, Coordinates& input,
                         Coordinates& tap, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const Phase& phase = phases_[i];
    const Affine k = add_tap(to, i, tap);
    input[axes_[i]] = turns_[i] * phase.step + residues_[i] * phase.along.shift + phase.shift -
                      k * phase.spacing + frames[i].before;
    if (frames[i].step > 1) input[axes_[i]] = turns_[i]; // a place for each result
    to.constrain(input[axes_[i]], frames[i].extent);
  }
}

void PhaseAxes::add_taps(NestBuilder& to, Coordinates& tap) {
  for (size_t i = 0; i < axes_.size(); ++i) add_tap(to, i, tap);
}

ir::Index PhaseAxes::index(bool with_turns) const {
  ir::Index index;
  for (size_t i = 0; i < phases_.size(); ++i) {
    if (with_turns) index.emplace_back(turns_[i]);
    if (phases_[i].residues > 1) index.emplace_back(residues_[i]);
  }
  return index;
}

std::vector<int64_t> PhaseAxes::extents(bool with_turns) const {
  std::vector<int64_t> extents;
  for (const Phase& phase : phases_) {
    if (with_turns) extents.push_back(phase.outputs);
    if (phase.residues > 1) extents.push_back(phase.residues);
  }
  return extents;
}

void lower_phase(const GroupLowering& group, const std::vector<Phase>& of_axes) {
  if (lower_grouped_products(group, of_axes)) return;
  const Lowering::SplitProducts* split = split_products(group);
  NestBuilder to = group.start();
  group.add_parallel(to, Axis::n, group.program.type(group.head.operands[0]).size(Axis::n));
  Channels channels(group);
  channels.add_parallel(to);
  PhaseAxes space(group, of_axes);
  space.add_results(to, true);
  Coordinates input, tap;
  input[Axis::n] = to.at[Axis::n];
  input[Axis::c] = channels.add_reduction(to);
  channels.set_tap(tap);
  space.add_taps(to, split && split->has_frame ? whole_frames(group) : bare_frames(group), input,
                 tap, of_axes.size());
  accumulate_products(group, to, input, tap);
  group.finish(std::move(to));
}

} // namespace volute::compiler
