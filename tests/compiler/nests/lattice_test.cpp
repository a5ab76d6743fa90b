#include "compiler/nests/lattice.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"

#include <cstdint>

using namespace volute;
using compiler::Moving;
using compiler::pairs_inside;

TEST_CASE("pairs that lie inside are those that are found one by one") {
  tests::Dice dice(17);
  for (int round = 0; round < 3000; ++round) {
    const Moving a = {dice.between(-7, 7), dice.between(0, 20)};
    const Moving b = {dice.between(-7, 7), dice.between(0, 20)};
    const int64_t start = dice.between(-60, 60), extent = dice.between(1, 80);
    const int64_t reach = dice.once_in(2) ? 0 : dice.between(1, 9);
    int64_t pairs = 0;
    for (int64_t i = 0; i < a.count; ++i)
      for (int64_t j = 0; j < b.count; ++j) {
        const int64_t at = start + a.factor * i + b.factor * j;
        pairs += at < extent && at + reach >= 0;
      }
    CAPTURE(a.factor, a.count, b.factor, b.count, start, extent, reach);
    REQUIRE(pairs_inside(extent, start, a, b, reach) == pairs);
  }
}

TEST_CASE("pairs of trips of any number are counted at once") {
  const int64_t n = int64_t{1} << 31;
  CHECK(pairs_inside(n, 1 - n, {1, n}, {1, n}) == n * (n + 1) / 2);
  CHECK(pairs_inside(n, 0, {1, n}, {-1, n}) == n * (n + 1) / 2);
  CHECK(pairs_inside(2 * n, 0, {2, n}, {4, n}) == 1152921505680588800);
  CHECK(pairs_inside(4 * n, 0, {1, n * 4}, {0, n}) == INT64_MAX); // 2^64
}
