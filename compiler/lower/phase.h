// Which results of a convolution are sums over like taps, and where in the image those lie: one
// description of an axis of space for a convolution, all of whose results are alike, and for a
// transposed one, where they come in phases. Whatever adds the products, of elements as they are,
// of narrow ones in groups or of parts of floats, takes its axes from here.
#pragma once

#include "compiler/lower/nest_builder.h"

#include <vector>

namespace volute::compiler {

/// Along one axis of space:
///
///     result   every * t + first + along.residues * r      t in [0, outputs), r in [0, residues)
///     tap      first_tap + along.taps * r + m * tap_step   m in [0, taps)
///     reads    step * t + shift + along.shift * r - m * spacing
struct Phase {
  /// From one residue of a phase to the next.
  struct Along {
    int64_t residues = 1, taps = 1, shift = 0;
  };
  int64_t every = 1, first = 0, residues = 1, outputs = 1;
  int64_t taps = 0; // of each result; 0: nothing but the bias
  int64_t first_tap = 0, tap_step = 1;
  int64_t step = 1, shift = 0, spacing = 1;
  Along along = {};

  /// Whether it is all results of the axis.
  bool is_all() const { return every == 1 && residues == 1 && first == 0; }
};

/// All results of a convolution.
Phase phase_of(const ir::Window& window);

/// The windows of a group that begins with a convolution or a transposed one.
std::vector<ir::Window> windows_of(const GroupLowering& group);

/// Of an axis of space of the image, what there is where taps are added up: place p is the image's
/// p * step - before. So much lies in front of the image, then, and there are so many places.
struct Frame {
  int64_t before = 0, extent = 0, step = 1;
};
/// The image as it is; taps that lie outside of it are left out.
std::vector<Frame> bare_frames(const GroupLowering& group);
/// With all that some tap reads, and of a kernel of one tap no more than that: every second row,
/// say.
std::vector<Frame> whole_frames(const GroupLowering& group);

/// The axes of a nest over the results of a phase of each axis of space.
class PhaseAxes {
public:
  PhaseAxes(const GroupLowering& lowered, const std::vector<Phase>& of_axes);

  /// The results, and their places; `is_cut`: as the result's type cuts its axes.
  void add_results(NestBuilder& to, bool is_cut);
  /// What they differ by in their taps, without the results.
  void add_residues(NestBuilder& to);
  /// The first `count` axes' taps, and what they read of an image in a frame.
  void add_taps(NestBuilder& to, const std::vector<Frame>& frames, Coordinates& input,
                Coordinates& tap, size_t count);
  /// The taps alone.
  void add_taps(NestBuilder& to, Coordinates& tap);
  /// One for each result, and what differs in its taps alone; the extents of those.
  ir::Index results() const { return index(true); }
  std::vector<int64_t> result_extents() const { return extents(true); }
  ir::Index residues() const { return index(false); }
  std::vector<int64_t> residue_extents() const { return extents(false); }

private:
  ir::Affine add_tap(NestBuilder& to, size_t axis, Coordinates& tap) const;
  ir::Index index(bool with_turns) const;
  std::vector<int64_t> extents(bool with_turns) const;

  const GroupLowering& group_;
  const std::vector<Phase>& phases_;
  std::vector<ir::Axis> axes_;
  std::vector<ir::Affine> turns_, residues_;
};

/// The nest of the results of one phase of each axis.
void lower_phase(const GroupLowering& group, const std::vector<Phase>& of_axes);

/// A convolution of LowerOptions::dot_products, with the image brought into the order that this
/// takes; false, and nothing lowered, for every other.
bool lower_grouped_products(const GroupLowering& group, const std::vector<Phase>& of_axes);

} // namespace volute::compiler
