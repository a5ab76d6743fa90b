#include "compiler/nests/domain_points.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"

using namespace volute;
using namespace volute::ir;
using compiler::multiply_adds_asked_for;

namespace {

const Var a{0}, b{1}, c{2};

/// Multiply-adds over two axes that a constraint joins, and one by itself.
Nest joined(int64_t start, int64_t f, int64_t points_a, int64_t g, int64_t points_b, int64_t extent,
            int64_t others = 1) {
  Nest nest;
  nest.name = "sum";
  nest.vars = {"a", "b", "c"};
  nest.axes = {{a, points_a, false}, {b, points_b, true}, {c, others, true}};
  nest.constraints = {{Affine(start) + f * Affine(a) + g * Affine(b), extent}};
  nest.accumulators = {
      {"acc", ElementType::f32, imm(0), fma(imm(1), imm(2), acc(ElementType::f32, 0))}};
  return nest;
}

} // namespace

TEST_CASE("points of a domain are counted as they are enumerated") {
  tests::Dice dice(3);
  for (int round = 0; round < 3000; ++round) {
    const int64_t start = dice.between(-60, 30), points_a = dice.between(1, 30);
    const int64_t points_b = dice.between(1, 30), extent = dice.between(1, 80);
    int64_t f = dice.between(-7, 7), g = dice.between(-7, 7);
    if (f == 0) f = 1;
    if (g == 0) g = -1;
    int64_t points = 0;
    for (int64_t i = 0; i < points_a; ++i)
      for (int64_t j = 0; j < points_b; ++j) {
        const int64_t at = start + f * i + g * j;
        points += at >= 0 && at < extent;
      }
    CAPTURE(start, f, points_a, g, points_b, extent);
    REQUIRE(multiply_adds_asked_for(joined(start, f, points_a, g, points_b, extent, 3)) ==
            3 * points);
  }
}

TEST_CASE("points of axes of any length are counted at once") {
  // A kernel of 2^31 taps over as many outputs: as long as both are, there is no walking them.
  const int64_t n = int64_t{1} << 31;
  CHECK(multiply_adds_asked_for(joined(-(n - 1), 1, n, 1, n, n)) == n * (n + 1) / 2);
  CHECK(multiply_adds_asked_for(joined(0, 1, n, 1, n, n)) == n * (n + 1) / 2);
  CHECK(multiply_adds_asked_for(joined(0, 2, n, 4, n, 2 * n)) == 1152921505680588800);
  // Beyond 2^63 it is as much as can be said.
  CHECK(multiply_adds_asked_for(joined(0, 1, n, 1, n, 4 * n, 4)) == INT64_MAX);
}
