// The arithmetic of borders, against every element and every tap tried one by one.

#include "compiler/nests/borders.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace volute;
using namespace volute::compiler;
using ir::Affine;

namespace {

const ir::Var w{0}, k{1};

/// An axis of outputs whose taps meet the input at 0 <= stride * w + step * k + first < input. With
/// step 0 the axis is in a frame: whether an element is inside does not depend on the tap.
struct Window {
  int64_t outputs, taps, stride, step, first, input;

  ir::Nest nest() const {
    ir::Nest nest;
    nest.name = "conv";
    nest.vars = {"w", "k"};
    nest.axes = {{w, outputs, false, ir::AxisRole::space}, {k, taps, true, ir::AxisRole::tap}};
    nest.constraints = {{Affine(w) * stride + Affine(k) * step + first, Affine(input)}};
    return nest;
  }
  bool meets(int64_t element, int64_t tap) const {
    const int64_t at = stride * element + step * tap + first;
    return at >= 0 && at < input;
  }
  bool all_meet(int64_t begin, int64_t size, int64_t tap) const {
    for (int64_t e = begin; e < begin + size; ++e)
      if (!meets(e, tap)) return false;
    return true;
  }
};

Window any_window(tests::Dice& dice) {
  Window window;
  window.outputs = dice.between(1, 20);
  window.taps = dice.between(1, 5);
  window.stride = dice.between(1, 3);
  window.step = dice.one_of({-2, -1, 1, 1, 2, 3});
  window.first = dice.between(-6, 4);
  window.input = dice.between(1, 30);
  return window;
}

} // namespace

TEST_CASE("a tile is inside when every tap of every element is") {
  tests::Dice dice(1);
  int inside = 0;
  for (int i = 0; i < 2000; ++i) {
    const Window window = any_window(dice);
    const ir::Nest nest = window.nest();
    const int64_t begin = dice.between(0, window.outputs - 1);
    const int64_t size = dice.between(1, window.outputs - begin);
    bool expected = true;
    for (int64_t tap = 0; tap < window.taps; ++tap) expected &= window.all_meet(begin, size, tap);
    CHECK(Borders(nest).interior(w, begin, size) == expected);
    inside += expected;
  }
  CHECK(inside > 100);
}

TEST_CASE("segments and tiles told apart are every tile once, in order") {
  tests::Dice dice(2);
  for (int i = 0; i < 2000; ++i) {
    const Window window = any_window(dice);
    const ir::Nest nest = window.nest();
    const Borders borders(nest);
    const int64_t begin = dice.between(0, window.outputs - 1);
    const int64_t size = window.outputs - begin;
    const int64_t by = dice.between(1, 6);
    const auto covers = [&](const std::vector<Segment>& segments) {
      int64_t elements = 0, tiles = 0;
      for (const Segment& s : segments) {
        if (s.first != tiles || s.count < 1) return false;
        tiles += s.count;
        elements += s.count * s.size;
      }
      return elements == size;
    };
    const std::vector<Segment> segments = borders.segments(w, begin, size, by);
    CHECK(covers(segments));
    // Tiles of one segment run the same code: an element at a time, or a tile at a time.
    for (const Segment& s : segments)
      CHECK((s.size == by || (s.count == 1 && s.size == size % by)));

    std::vector<Segment> apart;
    try {
      apart = borders.told_apart(w, begin, size, by);
    } catch (const Error&) { // more of them than are copied out
      continue;
    }
    CHECK(covers(apart));
    for (const Segment& s : apart)
      if (s.count > 1)
        for (int64_t t = s.first; t < s.first + s.count; ++t)
          CHECK(borders.interior(w, begin + t * by, by));
  }
}

TEST_CASE("a border that needs many copies runs an element at a time") {
  const auto at_a_time = [](const Window& window, int64_t by) {
    const ir::Nest nest = window.nest();
    std::string text;
    for (const Segment& s : Borders(nest).segments(w, 0, window.outputs, by))
      text += fmt::format("{}+{}{} ", s.first, s.count, s.element_wise ? " each" : "");
    return text;
  };
  CHECK(at_a_time({24, 3, 1, 1, -1, 24}, 4) == "0+6 ");
  CHECK(at_a_time({48, 9, 1, 2, -16, 64}, 4) == "0+12 ");
  // 15 taps end inside a tile of 16: eight tiles have 120 copies of the step, nine would have 135.
  CHECK(at_a_time({256, 160, 1, 1, -128, 400}, 16) == "0+16 ");
  CHECK(at_a_time({256, 160, 1, 1, -144, 400}, 16) == "0+9 each 9+7 ");
  // In a frame, which elements are copied at all is different in each border tile.
  CHECK(at_a_time({24, 1, 1, 0, -6, 10}, 4) == "0+1 1+1 2+2 4+1 5+1 ");
  CHECK(at_a_time({48, 1, 1, 0, -16, 10}, 4) == "0+4 each 4+2 6+6 each ");
}

TEST_CASE("a clipped loop runs over the taps that the whole tile meets") {
  tests::Dice dice(3);
  int clipped = 0;
  for (int i = 0; i < 2000; ++i) {
    const Window window = any_window(dice);
    const ir::Nest nest = window.nest();
    const int64_t begin = dice.between(0, window.outputs - 1);
    const int64_t size = dice.between(1, window.outputs - begin);
    const std::vector<Place> places = {{Affine(begin), size, 0, size}, {}};
    ir::Range range = ir::Range::of(0, window.taps);
    Borders(nest).clip(range, nest.constraints[0], nest.axes[1], places, {});
    int64_t lo = 0, hi = window.taps;
    for (const ir::Bound& b : range.lo)
      lo = std::max(lo, ir::ceil_div(b.numerator.number(), b.divisor));
    for (const ir::Bound& b : range.hi)
      hi = std::min(hi, ir::ceil_div(b.numerator.number(), b.divisor));
    for (int64_t tap = 0; tap < window.taps; ++tap)
      CHECK((tap >= lo && tap < hi) == window.all_meet(begin, size, tap));
    clipped += hi - lo < window.taps;
  }
  CHECK(clipped > 500);
}

TEST_CASE("tiles with taps that part of one meets are found without a look at the others") {
  tests::Dice dice(5);
  int64_t looked_at = 0, found = 0;
  for (int i = 0; i < 2000; ++i) {
    const Window window = any_window(dice);
    const ir::Nest nest = window.nest();
    const Borders borders(nest);
    const int64_t origin = dice.between(0, window.outputs - 1), by = dice.between(1, 5);
    const int64_t size = dice.between(1, by), tiles = dice.between(1, 30);
    const std::vector<Place> places = {{Affine(origin), size, 0, size}, {}};
    const auto some = borders.partial_tiles(nest.constraints[0], nest.axes[1], w,
                                            {origin, by, size}, {0, tiles - 1}, places);
    for (int64_t t = 0; t < tiles; ++t) {
      const bool is_partial =
          !borders.partial_runs(nest.constraints[0], nest.axes[1], w, origin + t * by, places)
               .empty();
      const auto times = std::count_if(some.begin(), some.end(), [&](const auto& range) {
        return range.lo <= t && t <= range.hi;
      });
      CHECK(times <= 1);
      CHECK((times == 1 || !is_partial));
      looked_at += times, found += is_partial;
    }
  }
  CHECK(found > 500);
  CHECK(looked_at < 4 * found);
}

TEST_CASE("taps that part of a tile meets are runs of the same elements") {
  tests::Dice dice(4);
  int runs_found = 0;
  for (int i = 0; i < 2000; ++i) {
    const Window window = any_window(dice);
    const ir::Nest nest = window.nest();
    const int64_t begin = dice.between(0, window.outputs - 1);
    const int64_t size = dice.between(1, window.outputs - begin);
    const std::vector<Place> places = {{Affine(begin), size, 0, size}, {}};
    const std::vector<TapRun> runs =
        Borders(nest).partial_runs(nest.constraints[0], nest.axes[1], w, begin, places);
    for (int64_t tap = 0; tap < window.taps; ++tap) {
      int64_t met = 0;
      for (int64_t e = begin; e < begin + size; ++e) met += window.meets(e, tap);
      const auto run = std::find_if(runs.begin(), runs.end(),
                                    [&](const TapRun& r) { return tap >= r.begin && tap < r.end; });
      const bool partial = met > 0 && met < size;
      REQUIRE((run != runs.end()) == partial);
      if (!partial) continue;
      for (int64_t e = 0; e < size; ++e)
        CHECK((e >= run->active_lo && e < run->active_hi) == window.meets(begin + e, tap));
    }
    for (size_t r = 1; r < runs.size(); ++r) CHECK(runs[r - 1].end <= runs[r].begin);
    runs_found += !runs.empty();
  }
  CHECK(runs_found > 300);
}

TEST_CASE("constant bounds of one side become one") {
  ir::Range range;
  range.lo = {{0, 1}, {Affine(w), 1}, {7, 2}, {3, 1}};
  range.hi = {{9, 1}, {Affine(w) + 5, 2}, {15, 2}};
  tighten(range);
  REQUIRE(range.lo.size() == 2);
  CHECK(range.lo[0].numerator == Affine(4)); // 7 / 2, rounded up
  CHECK(range.lo[1].numerator == Affine(w));
  REQUIRE(range.hi.size() == 2);
  CHECK(range.hi[0].numerator == Affine(8));
  CHECK(range.hi[1].divisor == 2);
}
