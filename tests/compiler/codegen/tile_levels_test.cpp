// An axis that meets padding, tiled at several levels: tiles at the border of an outer loop stand
// by themselves, those inside it have no border.

#include "compiler/compile.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/every_stage.h"

#include <string>

using namespace volute;
using namespace volute::tests;

namespace {

/// Every stage agrees with the one before it.
void check(const std::string& text, const std::string& schedule) {
  INFO(schedule);
  const ir::Program program = ir::parse(text).value();
  const auto compiled = compiler::compile(program, request_for("x86-64", schedule));
  REQUIRE(compiled);
  Dice dice(7);
  CHECK(fault_of_stages(*compiled, program, whole_numbers(program, 3), dice) == "");
}

} // namespace

TEST_CASE("a convolution with padding, rows tiled twice") {
  const std::string conv =
      R"(program @p(%x: f32[n=1, c=3, h=37, w=11], %w: f32[o=4, i=3, h=5, w=3]) {
    %y = conv %x, %w {pad = [2, 1]}
    return %y })";
  for (const char* schedule :
       {"for h by 8, o, w, h by 4, kh, kw, i; registers h 4",
        "for h by 4, o, w, h by 4, kh, kw, i; registers h 4",
        "parallel h by 12; for h by 6, o, h by 3, w, i, kh, kw; registers h 3, o 4 vector 4",
        "for h by 8, h by 4, o, w by 4, kh, kw, i; registers h 4, w 4 vector 4",
        "for h by 8, w by 8, h by 2, w by 4, o, kw, kh, i; registers h 2, w 4 vector 4",
        "for w by 8, h by 15, o, w by 4, h by 5, i, kh, kw unroll; registers h 5, w 4 vector 4"})
    check(conv, schedule);
}

TEST_CASE("poolings and transposed convolutions likewise") {
  check("program @p(%x: f32[n=1, c=4, h=30, w=9]) { %y = max_pool %x {kernel = 3, stride = 2, pad "
        "= 1} "
        "return %y }",
        "for h by 6, c, w, h by 3, kh, kw; registers h 3");
  check(R"(program @p(%x: f32[n=1, c=4, h=12, w=5], %w: f32[i=4, o=3, h=2, w=2]) {
             %y = conv_transpose %x, %w {stride = [1, 2]} return %y })",
        "for n, rw, h by 3, h by 3, w, o, kh, i; registers h 3");
}
