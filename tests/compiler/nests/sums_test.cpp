// Nests that add up, what keeps their sums, and which element adds nothing.

#include "compiler/nests/neutral.h"
#include "compiler/nests/sums.h"
#include "tests/support/catch.h"
#include "tests/support/small_nest.h"

#include <cmath>
#include <limits>
#include <optional>
#include <string>

using namespace volute;
using namespace volute::compiler;

namespace {

ir::Nest with(const std::string& update, const std::string& initial = "0", int taps = 3) {
  return tests::nest_of("  x: input f32[16]\n  k: input f32[8]\n  y: output f32[8]\n"
                        "  parallel w in 0..8\n  reduce kw in 0.." +
                        std::to_string(taps) + "\n  acc = " + initial + "\n  acc <- " + update +
                        "\n  y[w] = acc\n")
      .nests.front();
}

} // namespace

TEST_CASE("a sum is one accumulator plus what does not read it") {
  CHECK(adds_up(with("acc + x[w + kw]")));
  CHECK(adds_up(with("x[w + kw] * k[kw] + acc")));
  CHECK(adds_up(with("fma(x[w + kw], k[kw], acc)")));
  CHECK_FALSE(adds_up(with("max(acc, x[w + kw])")));
  CHECK_FALSE(adds_up(with("acc * x[w + kw]")));
  CHECK_FALSE(adds_up(with("fma(acc, x[w + kw], acc)")));
  CHECK_FALSE(adds_up(with("acc + acc * x[w + kw]")));
}

TEST_CASE("an element that adds nothing is found for any combine that has one") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  CHECK(neutral_element(with("acc + x[w + kw]")) == 0);
  CHECK(neutral_element(with("fma(x[w + kw], k[kw], acc)")) == 0);
  CHECK(neutral_element(with("fma(x[w + kw] - 3, k[kw], acc)")) == 3);
  CHECK(neutral_element(with("max(acc, x[w + kw])", "-inf")) == -infinity);
  CHECK(neutral_element(with("min(acc, x[w + kw])", "inf")) == infinity);
  CHECK_FALSE(neutral_element(with("acc * 2 + x[w + kw]")));
  CHECK_FALSE(neutral_element(with("x[w + kw]")));
}

TEST_CASE("where one tap is all, what the sum starts from is all that must be kept") {
  CHECK_FALSE(neutral_element(with("acc * 0 + x[w + kw]", "0", 3)));
  CHECK(neutral_element(with("acc * 0 + x[w + kw]", "0", 1)) == 0);
}
