// Sums that wait in scratch while a loop over a reduction axis turns: the same numbers as ever, in
// every kind of tile that a plan can make.

#include "compiler/pipeline.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/stages.h"

#include <string>

using namespace volute;
using namespace volute::compiler;

namespace {

const char* const point = R"(program @p(%x: f32[n=2, h=3, w=5, c=11], %w: f32[o=13, i=11, h=1, w=1],
                                       %b: f32[o=13]) {
  %0 = conv %x, %w, %b
  %y = relu %0
  return %y })";

} // namespace

TEST_CASE("partial sums take a scratch of the tiles inside the loop, and no more") {
  const Stages inside =
      tests::stages_of(point, "x86-64-v3",
                       "parallel n; for h, i by 4, w by 2, o by 8, i; registers w 2, o 8 vector 8");
  const ir::Step& step = inside.loops.steps.back();
  CHECK(step.scratch_bytes == 5 * 13 * 4);
  const Stages outside = tests::stages_of(
      point, "x86-64-v3", "parallel n, h; for w by 2, o by 8, i; registers w 2, o 8 vector 8");
  CHECK(outside.loops.steps.back().scratch_bytes == 0);
  // Every multiply-add is there once, however the sums are cut.
  CHECK(ir::count_fmas(step) == ir::count_fmas(outside.loops.steps.back()));
}

TEST_CASE("too many sums to wait are refused with their bytes") {
  CompileRequest request;
  request.schedule = "for i, n, h, w, o";
  const auto stages = specialise_program(
      ir::parse(R"(program @p(%x: f32[n=64, h=256, w=256, c=2], %w: f32[o=64, i=2, h=1, w=1]) {
        %y = conv %x, %w
        return %y })")
          .value(),
      request);
  REQUIRE(!stages);
  CHECK_THAT(Error(stages.diagnostics()).what(),
             Catch::Matchers::ContainsSubstring("1024 MiB of sums would wait in each thread's "
                                                "scratch, 256 at most"));
}
