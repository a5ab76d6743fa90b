#include "compiler/nests/borders.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <utility>

namespace volute::compiler {

using namespace ir;

namespace {

// Copies of a border tile's step, a side: its tiles there by the taps that only some elements of
// one meet, which are fewer than its elements, however many taps there are. A border that needs
// more runs an element at a time: code size stays bounded.
constexpr int64_t most_copies_at_border = 128;
constexpr int64_t most_frame_tiles = 3;        // that are copied in part, each with code of its own
constexpr int64_t most_outer_border_tiles = 8; // each has loops of its own inside

size_t id(Var var) { return static_cast<size_t>(var.id); }

int64_t floor_div(int64_t numerator, int64_t divisor) { return -ceil_div(-numerator, divisor); }

} // namespace

Interval bounds(const Affine& a, const std::vector<Interval>& ranges) {
  Interval sum{a.constant_term(), a.constant_term()};
  for (const Affine::Term& t : a.terms()) {
    const Interval r = id(t.var) < ranges.size() ? ranges[id(t.var)] : Interval{};
    sum.lo += t.coefficient * (t.coefficient > 0 ? r.lo : r.hi);
    sum.hi += t.coefficient * (t.coefficient > 0 ? r.hi : r.lo);
  }
  return sum;
}

void tighten(Range& range) {
  const auto merge = [](std::vector<Bound>& bounds, bool largest) {
    std::optional<int64_t> constant;
    std::vector<Bound> rest;
    for (const Bound& b : bounds) {
      if (!b.numerator.is_constant()) {
        rest.push_back(b);
        continue;
      }
      const int64_t value = ceil_div(b.numerator.number(), b.divisor);
      constant = !constant ? value
                 : largest ? std::max(*constant, value)
                           : std::min(*constant, value);
    }
    bounds.clear();
    if (constant) bounds.push_back({Affine(*constant), 1});
    bounds.insert(bounds.end(), rest.begin(), rest.end());
  };
  merge(range.lo, true);
  merge(range.hi, false);
}

bool Borders::constrained(Var axis) const {
  return std::any_of(nest_.constraints.begin(), nest_.constraints.end(),
                     [&](const Constraint& c) { return c.value.depends_on(axis); });
}

bool Borders::mentions_tap(const Constraint& c) const {
  return std::any_of(nest_.axes.begin(), nest_.axes.end(),
                     [&](const NestAxis& a) { return a.reduction && c.value.depends_on(a.var); });
}

bool Borders::framed(Var axis) const {
  return std::any_of(nest_.constraints.begin(), nest_.constraints.end(), [&](const Constraint& c) {
    return c.value.depends_on(axis) && !mentions_tap(c);
  });
}

Interval Borders::interior(Var axis) const {
  Interval inside{std::numeric_limits<int64_t>::min() / 2, std::numeric_limits<int64_t>::max() / 2};
  for (const Constraint& c : nest_.constraints) {
    const int64_t factor = c.value.coefficient(axis);
    if (factor == 0) continue;
    int64_t lo = c.value.constant_term(), hi = c.value.constant_term();
    for (const NestAxis& tap : nest_.axes) {
      if (!tap.reduction) continue;
      const int64_t reach = c.value.coefficient(tap.var) * (tap.extent.number() - 1);
      (reach < 0 ? lo : hi) += reach;
    }
    // 0 <= factor * e + lo and factor * e + hi < extent
    const int64_t room = c.extent.number() - 1 - hi;
    inside.lo = std::max(inside.lo, factor > 0 ? ceil_div(-lo, factor) : ceil_div(-room, -factor));
    inside.hi = std::min(inside.hi, factor > 0 ? floor_div(room, factor) : floor_div(lo, -factor));
  }
  return inside;
}

bool Borders::interior(Var axis, int64_t begin, int64_t size) const {
  const Interval inside = interior(axis);
  return inside.lo <= begin && begin + size - 1 <= inside.hi;
}

Interval Borders::interior_tiles(Var axis, int64_t begin, int64_t by, int64_t size) const {
  const Interval inside = interior(axis);
  if (inside.hi < inside.lo) return {0, -1};
  return {ceil_div(inside.lo - begin, by), floor_div(inside.hi - size + 1 - begin, by)};
}

/// Of a border tile of `by` elements, the taps that only some of its elements meet, at most: those
/// whose reach ends inside it.
int64_t Borders::taps_to_tell_apart(Var axis, int64_t by) const {
  int64_t taps = 0;
  for (const Constraint& c : nest_.constraints)
    if (c.value.depends_on(axis))
      for (const NestAxis& a : nest_.axes)
        if (const int64_t step = std::abs(c.value.coefficient(a.var)); a.reduction && step > 0) {
          const int64_t reach = std::abs(c.value.coefficient(axis)) * (by - 1);
          taps = std::max(taps, std::min(a.extent.number() - 1, ceil_div(reach, step)));
        }
  return taps;
}

std::vector<Segment> Borders::segments(Var axis, int64_t begin, int64_t size, int64_t by) const {
  std::vector<Segment> result;
  const int64_t full = size / by, tail = size % by;
  const Interval inside = interior_tiles(axis, begin, by, by);
  int64_t left = std::clamp<int64_t>(inside.lo, 0, full);
  int64_t right = std::clamp<int64_t>(inside.hi + 1, 0, full);
  if (left >= right) left = right = full; // no tile is inside
  const int64_t apart = taps_to_tell_apart(axis, by);
  const auto is_wide = [&](int64_t tiles) {
    return tiles > 0 && apart > most_copies_at_border / tiles;
  };
  const auto add = [&](int64_t from, int64_t to, bool element_wise, std::string note) {
    if (from < to) result.push_back({from, to - from, by, element_wise, std::move(note)});
  };
  // In a frame, tiles differ in which elements are copied at all. Otherwise border tiles share the
  // interior's code but for a few taps.
  const auto side = [&](int64_t from, int64_t to, const char* name) {
    if (is_wide(to - from) || (framed(axis) && to - from > most_frame_tiles))
      add(from, to, true, fmt::format("the {} border, an element at a time", name));
    else if (framed(axis))
      for (int64_t t = from; t < to; ++t) add(t, t + 1, false, fmt::format("the {} border", name));
    else
      return false;
    return true;
  };
  const bool left_apart = left > 0 && side(0, left, "left");
  add(left_apart ? left : 0, right, false, "");
  if (right < full && !side(right, full, "right")) {
    if (!result.empty() && !result.back().element_wise &&
        result.back().first + result.back().count == right)
      result.back().count += full - right;
    else
      add(right, full, false, "");
  }
  if (tail) {
    const bool alone = is_wide(1) && !interior(axis, begin + full * by, tail);
    result.push_back({full, 1, tail, alone, "the last, smaller tile"});
  }
  return result;
}

std::vector<Segment> Borders::told_apart(Var axis, int64_t begin, int64_t size, int64_t by) const {
  const int64_t tiles = ceil_div(size, by);
  const auto elements = [&](int64_t t) { return std::min(by, size - t * by); };
  const auto inside = [&](int64_t t) { return interior(axis, begin + t * by, elements(t)); };
  // Between the two are whole tiles in the interior; the last tile may be smaller and inside too.
  const int64_t full = size / by;
  const Interval within = interior_tiles(axis, begin, by, by);
  int64_t left = std::clamp<int64_t>(within.lo, 0, full);
  int64_t right = std::clamp<int64_t>(within.hi + 1, 0, full);
  if (left >= right) left = right = tiles;
  if (left + tiles - right > most_outer_border_tiles)
    throw Error(fail("schedule",
                     fmt::format("nest {}: for {} by {}: {} of its tiles reach into the padding, "
                                 "and those are copied out where they are cut further, {} at most",
                                 nest_.name, nest_.name_of(axis), by, left + tiles - right,
                                 most_outer_border_tiles),
                     fmt::format("a larger tile, or no outer loop over {}", nest_.name_of(axis)))
                    .diagnostics);
  std::vector<Segment> result;
  const auto apart = [&](int64_t from, int64_t to) {
    for (int64_t t = from; t < to; ++t)
      result.push_back({t, 1, elements(t), false, inside(t) ? "" : "at the border"});
  };
  apart(0, left);
  if (left < right) result.push_back({left, right - left, by, false, ""});
  apart(right, tiles);
  return result;
}

void Borders::clip(Range& range, const Constraint& c, const NestAxis& tap,
                   const std::vector<Place>& places, const std::vector<Interval>& ranges) const {
  for (const NestAxis& other : nest_.axes)
    if (other.reduction && other.var != tap.var && c.value.depends_on(other.var) &&
        places[id(other.var)].size > 1)
      return;
  const int64_t factor = c.value.coefficient(tap.var);
  const int64_t extent = c.extent.number();
  const int64_t reach = factor * (tap.extent.number() - 1);
  Affine lowest = c.value.constant_term(); // over the tile's elements, the tap's own term left out
  for (const Affine::Term& t : c.value.terms())
    if (t.var != tap.var) lowest += places[id(t.var)].base * t.coefficient;
  Affine highest = lowest;
  for (const NestAxis& other : nest_.axes) {
    if (other.reduction) continue;
    const int64_t span = c.value.coefficient(other.var) * (places[id(other.var)].size - 1);
    (span < 0 ? lowest : highest) += Affine(span);
  }
  // 0 <= factor * k + rest < extent, solved for k with quotients rounded up.
  const bool low_holds = bounds(lowest, ranges).lo + std::min<int64_t>(reach, 0) >= 0;
  const bool high_holds = bounds(highest, ranges).hi + std::max<int64_t>(reach, 0) < extent;
  if (factor > 0) {
    if (!low_holds) range.lo.push_back({lowest * -1, factor});
    if (!high_holds) range.hi.push_back({Affine(extent) - highest, factor});
  } else {
    if (!high_holds) range.lo.push_back({highest + Affine(1 - extent), -factor});
    if (!low_holds) range.hi.push_back({lowest + Affine(1), -factor});
  }
  tighten(range);
}

int64_t Borders::start_of(const Constraint& c, const NestAxis& tap, Var axis, int64_t begin,
                          const std::vector<Place>& places) const {
  Affine start = c.value.constant_term() + c.value.coefficient(axis) * begin;
  for (const Affine::Term& t : c.value.terms())
    if (t.var != axis && t.var != tap.var) start += places[id(t.var)].base * t.coefficient;
  if (!start.is_constant())
    throw InternalError(fmt::format("nest {}: a border that depends on two loops", nest_.name));
  return start.number();
}

std::vector<Interval> Borders::partial_tiles(const Constraint& c, const NestAxis& tap, Var axis,
                                             const Tiles& at, const Interval& tiles,
                                             const std::vector<Place>& places) const {
  const int64_t factor = c.value.coefficient(axis), moves = factor * at.by;
  const int64_t elements = factor * (at.size - 1);
  const int64_t taps = c.value.coefficient(tap.var) * (tap.extent.number() - 1);
  const int64_t first = start_of(c, tap, axis, at.origin, places);
  const int64_t lowest = first + std::min<int64_t>(elements, 0) + std::min<int64_t>(taps, 0);
  const int64_t highest = first + std::max<int64_t>(elements, 0) + std::max<int64_t>(taps, 0);
  // lowest + moves * t < end <= highest + moves * t
  const auto across = [&](int64_t end) {
    Interval some = tiles;
    if (moves == 0) return lowest < end && end <= highest ? some : Interval{0, -1};
    const int64_t from = end - highest, to = end - 1 - lowest; // of moves * t
    some.lo = std::max(tiles.lo, moves > 0 ? ceil_div(from, moves) : ceil_div(-to, -moves));
    some.hi = std::min(tiles.hi, moves > 0 ? floor_div(to, moves) : floor_div(-from, -moves));
    return some;
  };
  Interval a = across(0), b = across(c.extent.number());
  if (a.lo > b.lo) std::swap(a, b);
  if (a.lo > a.hi) return {b};
  if (b.lo > b.hi) return {a};
  if (b.lo <= a.hi) return {{a.lo, std::max(a.hi, b.hi)}};
  return {a, b};
}

std::vector<TapRun> Borders::partial_runs(const Constraint& c, const NestAxis& tap, Var axis,
                                          int64_t begin, const std::vector<Place>& places) const {
  const int64_t start = start_of(c, tap, axis, begin, places);
  const int64_t size = places[id(axis)].size;
  const int64_t factor = c.value.coefficient(axis), step = c.value.coefficient(tap.var);
  const int64_t extent = c.extent.number(), taps = tap.extent.number();
  std::vector<TapRun> runs;
  // Tap k is where the tile's first element is at start + step * k; the last is `reach` from it.
  // Only where the two lie on different sides of an end of the image do some elements meet it.
  const int64_t reach = factor * (size - 1);
  const auto add_across = [&](int64_t end,
                              int64_t from) { // first element of the image, or behind it
    const int64_t lo = end - start - std::max<int64_t>(reach, 0);
    const int64_t hi = end - start - std::min<int64_t>(reach, 0);
    const int64_t first = step > 0 ? ceil_div(lo, step) : ceil_div(-hi, -step);
    const int64_t last = step > 0 ? floor_div(hi, step) : floor_div(-lo, -step);
    for (int64_t k = std::max(first, from); k <= std::min(last, taps - 1); ++k, from = k) {
      const auto [active_lo, active_hi] = active(start + step * k, factor, size, extent);
      if (active_lo >= active_hi || (active_lo == 0 && active_hi == size)) continue;
      if (!runs.empty() && runs.back().end == k && runs.back().active_lo == active_lo &&
          runs.back().active_hi == active_hi)
        runs.back().end = k + 1;
      else
        runs.push_back({k, k + 1, active_lo, active_hi});
    }
    return from;
  };
  if (step > 0)
    add_across(extent, add_across(0, 0));
  else
    add_across(0, add_across(extent, 0));
  return runs;
}

std::pair<int64_t, int64_t> Borders::active(int64_t start, int64_t factor, int64_t size,
                                            int64_t extent) {
  // 0 <= start + factor * j < extent
  int64_t lo = 0, hi = size;
  if (factor == 0) return start >= 0 && start < extent ? std::pair(lo, hi) : std::pair(lo, lo);
  if (factor > 0) {
    lo = std::clamp<int64_t>(ceil_div(-start, factor), 0, size);
    hi = std::clamp<int64_t>(ceil_div(extent - start, factor), lo, size);
  } else {
    lo = std::clamp<int64_t>(ceil_div(start - extent + 1, -factor), 0, size);
    hi = std::clamp<int64_t>(floor_div(start, -factor) + 1, lo, size);
  }
  return {lo, hi};
}

} // namespace volute::compiler
