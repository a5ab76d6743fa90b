// Results that are turned in registers: which values are turned.

#include "compiler/pipeline.h"
#include "tests/support/catch.h"
#include "tests/support/stages.h"
#include "tests/support/text.h"

#include <string>

using namespace volute;

namespace {

/// A convolution of bf16 channels first, whose tile has channels in lanes and pixels in registers.
std::string loops_of(const std::string& parameters, const std::string& rest) {
  const std::string text =
      "program @p(%x: bf16[n=1, c=6, h=3, w=7], %w: bf16[o=19, i=6, h=1, w=1]" + parameters +
      ") {\n  %0 = conv %x, %w\n" + rest + "}\n";
  return to_string(tests::stages_of(text, "x86-64-v4",
                                    "parallel n, h; for w by 5, o by 16, i; registers w 5, o 16 "
                                    "vector 16; pack weight")
                       .loops);
}

} // namespace

TEST_CASE("narrow results are made before they are turned") {
  const std::string loops = loops_of("", "  %y = relu %0\n  return %y\n");
  CHECK(tests::has(loops, "acc_narrow[w_r] = bf16(max(0, acc[w_r][0]))"));
  CHECK(tests::has(loops, "acc_rows = transpose acc_narrow[0..5]"));
  CHECK_FALSE(tests::has(loops, "transpose acc["));
}

TEST_CASE("a number for each channel is met before the turn, as a vector") {
  const std::string loops = loops_of(", %k: bf16[c=19]", "  %y = prelu %0, %k\n  return %y\n");
  CHECK(tests::has(loops, "transpose acc_narrow["));
}

TEST_CASE("what lies along the rows is met after the turn, and so are results that are as wide") {
  const std::string residual =
      loops_of(", %r: bf16[n=1, c=19, h=3, w=7]", "  %y = add %0, %r\n  return %y\n");
  CHECK(tests::has(residual, "transpose acc["));
  CHECK_FALSE(tests::has(residual, "acc_narrow"));
  const std::string wide =
      loops_of("", "  %y = convert %0 : f32[n=1, c=19, h=3, w=7]\n  return %y\n");
  CHECK(tests::has(wide, "transpose acc["));
}
