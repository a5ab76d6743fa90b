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
  /// The elements that satisfy every constraint for every tap: none when hi < lo.
  Interval interior(ir::Var axis) const;
  /// Are all of [begin, begin + size) among them?
  bool interior(ir::Var axis, int64_t begin, int64_t size) const;
  /// The tiles t of `by` elements from begin + t * by on, `size` of them in each, that are
  /// interior.
  Interval interior_tiles(ir::Var axis, int64_t begin, int64_t by, int64_t size) const;
  /// Tiles of `by` elements over [begin, begin + size) of a constrained axis.
  std::vector<Segment> segments(ir::Var axis, int64_t begin, int64_t size, int64_t by) const;

  /// The same where the tiles are cut further: one at the border stands by itself.
  std::vector<Segment> told_apart(ir::Var axis, int64_t begin, int64_t size, int64_t by) const;

  /// Narrows a tap loop so that every element of the tile satisfies the constraint; `ranges` are
  /// the values of the variables that places mention. One with another reduction axis narrows the
  /// loop that is inside of the other.
  void clip(ir::Range& range, const ir::Constraint& c, const ir::NestAxis& tap,
            const std::vector<Place>& places, const std::vector<Interval>& ranges) const;
  /// Where tiles lie: tile t has elements [origin + t * by, ... + size).
  struct Tiles {
    int64_t origin, by, size;
  };
  /// Those of the given ones across which the image begins or ends for some tap, in order: no other
  /// has taps that only some of its elements meet.
  std::vector<Interval> partial_tiles(const ir::Constraint& c, const ir::NestAxis& tap,
                                      ir::Var axis, const Tiles& at, const Interval& tiles,
                                      const std::vector<Place>& places) const;
  /// The taps that only some elements of the tile at `begin` meet.
  std::vector<TapRun> partial_runs(const ir::Constraint& c, const ir::NestAxis& tap, ir::Var axis,
                                   int64_t begin, const std::vector<Place>& places) const;

  /// Elements j in [0, size) with 0 <= start + factor * j < extent.
  static std::pair<int64_t, int64_t> active(int64_t start, int64_t factor, int64_t size,
                                            int64_t extent);
  bool mentions_tap(const ir::Constraint& c) const;

private:
  /// Where a tile's first element at `begin` is for the first tap.
  int64_t start_of(const ir::Constraint& c, const ir::NestAxis& tap, ir::Var axis, int64_t begin,
                   const std::vector<Place>& places) const;
  int64_t taps_to_tell_apart(ir::Var axis, int64_t by) const;
  /// Is the axis in a constraint without taps (a copy into a padded frame)?
  bool framed(ir::Var axis) const;
  const ir::Nest& nest_;
};

/// Constant bounds of one side become one, which comes first.
void tighten(ir::Range& range);
Interval bounds(const ir::Affine& a, const std::vector<Interval>& ranges);

} // namespace volute::compiler
