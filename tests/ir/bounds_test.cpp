#include "ir/bounds.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <random>

using namespace volute::ir;

namespace {

const Var h{0}, k{1};

struct Loop {
  Var var;
  Range range;
};

// Every point of nested loops, innermost last.
template <class Visit>
void enumerate(const std::vector<Loop>& loops, size_t depth, std::vector<int64_t>& values,
               const Visit& visit) {
  if (depth == loops.size()) return visit();
  const auto side = [&](const std::vector<Bound>& bounds, bool largest) {
    int64_t best = 0;
    for (size_t i = 0; i < bounds.size(); ++i) {
      const int64_t value = ceil_div(bounds[i].numerator.evaluate([&](Var var) {
        return values[static_cast<size_t>(var.id)];
      }),
                                     bounds[i].divisor);
      best = i == 0 ? value : largest ? std::max(best, value) : std::min(best, value);
    }
    return best;
  };
  const int64_t end = side(loops[depth].range.hi, false);
  for (int64_t i = side(loops[depth].range.lo, true); i < end; ++i) {
    values[static_cast<size_t>(loops[depth].var.id)] = i;
    enumerate(loops, depth + 1, values, visit);
  }
}

struct Extremes {
  int64_t least = INT64_MAX, largest = INT64_MIN;
  bool empty() const { return least > largest; }
};
Extremes extremes(const std::vector<Loop>& loops, const Affine& affine) {
  Extremes found;
  std::vector<int64_t> values(loops.size());
  enumerate(loops, 0, values, [&] {
    const int64_t value =
        affine.evaluate([&](Var var) { return values[static_cast<size_t>(var.id)]; });
    found.least = std::min(found.least, value);
    found.largest = std::max(found.largest, value);
  });
  return found;
}

Bounds inside(const std::vector<Loop>& loops) {
  Bounds bounds;
  for (const Loop& loop : loops) bounds.enter(loop.var, loop.range);
  return bounds;
}

} // namespace

TEST_CASE("an affine expression over a box is bounded exactly") {
  const Bounds bounds = inside({{h, Range::of(2, 9)}, {k, Range::of(-1, 4)}});
  const Affine affine = 3 * Affine(h) - 2 * Affine(k) + 1;
  CHECK(bounds.minimum(affine) == 3 * 2 - 2 * 3 + 1);
  CHECK(bounds.maximum(affine) == 3 * 8 + 2 * 1 + 1);
  CHECK(bounds.interval(affine) == "1..28");
}

TEST_CASE("a loop clipped to the image keeps what it reads inside, whatever stride and dilation") {
  for (int64_t stride = 1; stride <= 3; ++stride)
    for (int64_t dilation = 1; dilation <= 3; ++dilation)
      for (int64_t pad = 0; pad <= 3; ++pad) {
        const int64_t image = 11, taps = 4, outputs = 8;
        const Affine row = stride * Affine(h) - pad;
        const Range clipped = {{{0, 1}, {row * -1, dilation}},
                               {{taps, 1}, {Affine(image) - row, dilation}}};
        const std::vector<Loop> loops = {{h, Range::of(0, outputs)}, {k, clipped}};
        const Affine at = row + dilation * Affine(k);
        const Bounds bounds = inside(loops);
        INFO("stride " << stride << " dilation " << dilation << " pad " << pad);
        CHECK(bounds.is_inside(at, 0, image));
        CHECK_FALSE(bounds.is_inside(at, 0, image - 4));
        const Extremes found = extremes(loops, at);
        REQUIRE_FALSE(found.empty());
        CHECK(*bounds.minimum(at) <= found.least);
        CHECK(*bounds.maximum(at) >= found.largest);
      }
}

TEST_CASE("bounds of random clipped loops hold for every point, and a loop that runs does run") {
  std::mt19937 random(7);
  const auto number = [&](int64_t lo, int64_t hi) {
    return lo + static_cast<int64_t>(random() % static_cast<uint64_t>(hi - lo + 1));
  };
  int bounded = 0, tight = 0, certain = 0;
  for (int round = 0; round < 6000; ++round) {
    std::vector<Loop> loops;
    const auto outer = [&] {
      Affine affine = number(-6, 6);
      for (const Loop& loop : loops) affine += Affine(loop.var) * number(-2, 2);
      return affine;
    };
    for (int32_t depth = 0; depth < 3; ++depth) {
      Range range = Range::of(number(-3, 3), number(0, 6));
      if (number(0, 1)) range.lo.push_back({outer(), number(1, 3)});
      if (number(0, 1)) range.hi.push_back({outer() + 4, number(1, 3)});
      if (inside(loops).runs(range)) {
        ++certain;
        std::vector<int64_t> values(3);
        enumerate(loops, 0, values, [&] {
          std::vector<Loop> one = {{Var{depth}, range}};
          bool ran = false;
          enumerate(one, 0, values, [&] { ran = true; });
          REQUIRE(ran);
        });
      }
      loops.push_back({Var{depth}, range});
    }
    const Affine affine = outer();
    const Extremes found = extremes(loops, affine);
    if (found.empty()) continue;
    const Bounds bounds = inside(loops);
    const auto least = bounds.minimum(affine), largest = bounds.maximum(affine);
    REQUIRE(least);
    REQUIRE(largest);
    REQUIRE(*least <= found.least);
    REQUIRE(*largest >= found.largest);
    ++bounded;
    tight += *least == found.least && *largest == found.largest;
  }
  CHECK(bounded > 1000);
  CHECK(tight > bounded / 2); // an answer that is true but useless would pass the rest
  CHECK(certain > 1000);
}

TEST_CASE("an inequality bounds what holds its expression, and nothing once it is forgotten") {
  Bounds bounds = inside({{h, Range::of(0, 56)}, {k, Range::of(0, 3)}});
  const Affine row = Affine(h) + k - 1;
  CHECK(bounds.interval(row) == "-1..57");
  const auto mark = bounds.mark();
  bounds.assume_in(row, 0, 56);
  CHECK(bounds.interval(row) == "0..56");
  CHECK(bounds.interval(row + 2) == "2..58");
  CHECK(bounds.interval(2 * row + 1) == "1..112");
  bounds.forget(mark);
  CHECK(bounds.interval(row) == "-1..57");
}

TEST_CASE("parameters cancel, and what depends on one alone is bounded from one side") {
  const Var size{2};
  Bounds bounds;
  bounds.declare(size);
  bounds.assume(size);
  bounds.declare(h);
  bounds.assume_in(h, 0, size);
  CHECK(bounds.is_inside(h, 0, size));
  CHECK_FALSE(bounds.is_inside(Affine(h) + 1, 0, size));
  CHECK(bounds.interval(h) == "0..?");
}

TEST_CASE("a parameter is bounded by its range, and a multiple has no remainder") {
  const Var size{2};
  const auto known = [&](int64_t multiple) {
    Bounds bounds;
    bounds.declare(size, {1, 64, multiple});
    bounds.declare(h); // of size / 4 blocks, rounded up
    bounds.assume(h);
    bounds.assume(Affine(size) - 1 - 4 * Affine(h));
    return bounds;
  };
  CHECK(known(1).interval(size) == "1..65");
  CHECK(known(4).interval(size) == "4..65");
  CHECK(known(48).interval(size) == "48..49");
  CHECK(known(1).interval(2 * Affine(size) - 5) == "-3..124");
  CHECK(known(1).interval(h) == "0..16");
  CHECK(known(4).is_inside(Affine(size) - 4, 0, 61));
  CHECK_FALSE(known(1).is_inside(Affine(size) - 4, 0, 61));
  // The last element of a block of four is there when their number is a multiple of it.
  CHECK(known(4).is_inside(4 * Affine(h) + 3, 0, size));
  CHECK(known(8).is_inside(4 * Affine(h) + 3, 0, size));
  CHECK_FALSE(known(1).is_inside(4 * Affine(h) + 3, 0, size));
  CHECK_FALSE(known(2).is_inside(4 * Affine(h) + 3, 0, size));
  CHECK_FALSE(known(4).is_inside(4 * Affine(h) + 4, 0, size));
}

TEST_CASE("an inequality over whole numbers loses what no multiple reaches") {
  Bounds bounds;
  bounds.declare(h);
  bounds.declare(k);
  bounds.assume(6 * Affine(h) - 4 * Affine(k) - 1); // 3*h - 2*k >= 1/2
  bounds.assume(k);
  CHECK(bounds.minimum(3 * Affine(h) - 2 * Affine(k)) == 1);
}

TEST_CASE("the numbers that variables lie between answer where too many loops are clipped") {
  // Each loop is clipped by the one around it, four ways: too many to follow to the end.
  std::vector<Loop> loops = {{Var{0}, Range::of(0, 8)}};
  Affine sum = Var{0};
  for (int32_t id = 1; id < 12; ++id) {
    const Affine outer = Var{id - 1};
    loops.push_back({Var{id},
                     {{{0, 1}, {outer - 3, 1}, {3 * outer - 20, 2}, {5 * outer - 32, 3}},
                      {{8, 1}, {outer + 4, 1}, {3 * outer + 20, 2}, {5 * outer + 32, 3}}}});
    sum += Var{id};
  }
  const Bounds bounds = inside(loops);
  CHECK(bounds.is_inside(sum, 0, 12 * 7 + 1));
  CHECK(bounds.minimum(sum));
  CHECK_FALSE(bounds.is_inside(sum, 0, 8));
}

TEST_CASE("numbers too large to reason with give no answer instead of a wrong one") {
  constexpr int64_t huge = INT64_MAX;
  const Bounds bounds = inside({{h, Range::of(0, huge)}, {k, Range::of(INT64_MIN, 4)}});
  CHECK_FALSE(bounds.maximum(h));
  CHECK_FALSE(bounds.minimum(k));
  CHECK_FALSE(bounds.is_inside(huge, INT64_MIN, huge));
  const Bounds large = inside({{h, Range::of(0, int64_t{1} << 40)}});
  CHECK_FALSE(large.maximum(Affine(h) * (int64_t{1} << 40)));
  CHECK(large.maximum(h) == (int64_t{1} << 40) - 1);
}
