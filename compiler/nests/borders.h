// Where taps meet padding: which tiles lie inside the image altogether, which taps a border tile
// still meets, and the bounds that keep a tap loop inside. Pure arithmetic on a nest's constraints.
#pragma once

#include "ir/loops.h"
#include "ir/nest.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace volute::compiler {

/// Inclusive values of a variable.
struct Interval {
  int64_t lo = 0, hi = 0;
};

/// Where on an axis the code being written is: elements base + [0, size), of which those in
/// [active_lo, active_hi) meet data for the current tap.
struct Place {
  ir::Affine base;
  int64_t size = 1;
  int64_t active_lo = 0, active_hi = 1;
};

/// Consecutive tiles of one loop that run the same code.
struct Segment {
  int64_t first = 0, count = 1; // tiles
  int64_t size = 1;             // elements of each
  bool element_wise = false;    // too many different borders: one element at a time
  std::string note;
};

/// Consecutive taps that the same elements of a tile meet.
struct TapRun {
  int64_t begin, end;
  int64_t active_lo, active_hi;
  bool operator==(const TapRun&) const = default;
};

class Borders {
public:
  explicit Borders(const ir::Nest& nest) : nest_(nest) {}

  bool constrained(ir::Var axis) const;
  /// Does every element of [begin, begin + size) satisfy every constraint for every tap?
  bool interior(ir::Var axis, int64_t begin, int64_t size) const;
  /// Tiles of `by` elements over [begin, begin + size) of a constrained axis.
  std::vector<Segment> segments(ir::Var axis, int64_t begin, int64_t size, int64_t by) const;

  /// The same where the tiles are cut further: one at the border stands by itself.
  std::vector<Segment> told_apart(ir::Var axis, int64_t begin, int64_t size, int64_t by) const;

  /// Narrows a tap loop so that every element of the tile satisfies the constraint; `ranges` are
  /// the values of the variables that places mention.
  void clip(ir::Range& range, const ir::Constraint& c, const ir::NestAxis& tap,
            const std::vector<Place>& places, const std::vector<Interval>& ranges) const;
  /// The taps that only some elements of the tile at `begin` meet.
  std::vector<TapRun> partial_runs(const ir::Constraint& c, const ir::NestAxis& tap, ir::Var axis,
                                   int64_t begin, const std::vector<Place>& places) const;

  /// Elements j in [0, size) with 0 <= start + factor * j < extent.
  static std::pair<int64_t, int64_t> active(int64_t start, int64_t factor, int64_t size,
                                            int64_t extent);
  bool mentions_tap(const ir::Constraint& c) const;

private:
  int64_t taps_to_tell_apart(ir::Var axis, int64_t by) const;
  /// Is the axis in a constraint without taps (a copy into a padded frame)?
  bool framed(ir::Var axis) const;
  const ir::Nest& nest_;
};

/// Constant bounds of one side become one, which comes first.
void tighten(ir::Range& range);
Interval bounds(const ir::Affine& a, const std::vector<Interval>& ranges);

} // namespace volute::compiler
