#include "compiler/nests/borders.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

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

bool Borders::interior(Var axis, int64_t begin, int64_t size) const {
  for (const Constraint& c : nest_.constraints) {
    const int64_t factor = c.value.coefficient(axis);
    if (factor == 0) continue;
    int64_t lo = c.value.constant_term(), hi = c.value.constant_term();
    for (const NestAxis& tap : nest_.axes) {
      if (!tap.reduction) continue;
      const int64_t reach = c.value.coefficient(tap.var) * (tap.extent.number() - 1);
      (reach < 0 ? lo : hi) += reach;
    }
    const int64_t first = factor * begin, last = factor * (begin + size - 1);
    if (std::min(first, last) + lo < 0 || std::max(first, last) + hi >= c.extent.number())
      return false;
  }
  return true;
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
  int64_t left = 0, right = full;
  while (left < full && !interior(axis, begin + left * by, by)) ++left;
  while (right > left && !interior(axis, begin + (right - 1) * by, by)) --right;
  const int64_t apart = taps_to_tell_apart(axis, by);
  const auto is_wide = [&](int64_t tiles) { return tiles * apart > most_copies_at_border; };
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
  int64_t left = 0, right = tiles;
  while (left < tiles && !inside(left)) ++left;
  while (right > left && (!inside(right - 1) || elements(right - 1) < by)) --right;
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

std::vector<TapRun> Borders::partial_runs(const Constraint& c, const NestAxis& tap, Var axis,
                                          int64_t begin, const std::vector<Place>& places) const {
  Affine start = c.value.constant_term() + c.value.coefficient(axis) * begin;
  for (const Affine::Term& t : c.value.terms())
    if (t.var != axis && t.var != tap.var) start += places[id(t.var)].base * t.coefficient;
  if (!start.is_constant())
    throw InternalError(fmt::format("nest {}: a border that depends on two loops", nest_.name));
  const int64_t size = places[id(axis)].size;
  std::vector<TapRun> runs;
  for (int64_t k = 0; k < tap.extent.number(); ++k) {
    const auto [lo, hi] = active(start.number() + c.value.coefficient(tap.var) * k,
                                 c.value.coefficient(axis), size, c.extent.number());
    if (lo >= hi || (lo == 0 && hi == size)) continue; // none meets it, or all do
    if (!runs.empty() && runs.back().end == k && runs.back().active_lo == lo &&
        runs.back().active_hi == hi)
      runs.back().end = k + 1;
    else
      runs.push_back({k, k + 1, lo, hi});
  }
  return runs;
}

std::pair<int64_t, int64_t> Borders::active(int64_t start, int64_t factor, int64_t size,
                                            int64_t extent) {
  const auto inside = [&](int64_t j) {
    return start + factor * j >= 0 && start + factor * j < extent;
  };
  int64_t lo = 0, hi = size;
  while (lo < hi && !inside(lo)) ++lo;
  while (hi > lo && !inside(hi - 1)) --hi;
  return {lo, hi};
}

} // namespace volute::compiler
