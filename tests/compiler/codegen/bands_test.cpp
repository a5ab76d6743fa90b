// Nests computed inside others: which, in what bands, and that nothing else changes.

#include "compiler/nests/bands.h"
#include "compiler/pipeline.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/every_stage.h"
#include "tests/support/stages.h"

#include <algorithm>
#include <string>
#include <vector>

using namespace volute;
using namespace volute::tests;

namespace {

compiler::Stages stages_of(const ir::Program& program, const std::string& schedule = "auto",
                           const std::string& target = "x86-64-v3") {
  compiler::CompileRequest request = tests::request_for(target, schedule);
  return compiler::specialise_program(program, request).value();
}

std::string refusal(const std::string& text, const std::string& schedule) {
  compiler::CompileRequest request;
  request.schedule = schedule;
  const auto stages = compiler::specialise_program(ir::parse(text).value(), request);
  return stages ? "" : Error(stages.diagnostics()).what();
}

/// Every stage agrees with the one before it, exactly, on whole numbers.
void check_exact(const std::string& text, const std::string& schedule = "auto",
                 const std::string& target = "x86-64-v3") {
  const ir::Program program = ir::parse(text).value();
  const compiler::Compiled compiled =
      compiler::compile(program, tests::request_for(target, schedule)).value();
  INFO(text << "\n" << schedule);
  Dice dice(7);
  CHECK(tests::fault_of_stages(compiled, program, tests::whole_numbers(program, 7), dice) == "");
}

size_t computing_steps(const compiler::Stages& stages) {
  return static_cast<size_t>(
      std::count_if(stages.loops.steps.begin(), stages.loops.steps.end(),
                    [](const ir::Step& step) { return step.name.find("pack_") != 0; }));
}

const std::string stem =
    R"(program @stem(%x: f32[n=2, c=3, h=24, w=20], %w: f32[o=8, i=3, h=5, w=5]) {
  %0 = conv %x, %w {stride = 2, pad = 2}
  %1 = relu %0
  %y = max_pool %1 {kernel = 3, stride = 2, pad = 1}
  return %y
})";

const std::string normalised =
    R"(program @p(%x: u8[n=1, h=18, w=16, c=3], %m: f32[c=3], %s: f32[c=3],
                                    %w: f32[o=8, i=3, h=3, w=3]) {
  %a = convert %x : f32[n=1, h=18, w=16, c=3]
  %b = sub %a, %m
  %c = mul %b, %s
  %d = conv %c, %w {pad = 1}
  %y = max_pool %d {kernel = 2, stride = 2}
  return %y
})";

} // namespace

TEST_CASE("a convolution, its activation and the pooling after them are one step in bands") {
  const ir::Program program = ir::parse(stem).value();
  const compiler::Stages stages = stages_of(program);
  CHECK(computing_steps(stages) == 1);
  const ir::Step& step = stages.loops.steps.back();
  CHECK(step.scratch_bytes > 0);
  // What passes between them is a few rows of one image, in scratch.
  for (const ir::Buffer& buffer : stages.loops.buffers) {
    CHECK((buffer.role != ir::Buffer::Role::intermediate || buffer.name == "w_packed"));
    if (buffer.role == ir::Buffer::Role::scratch) CHECK(buffer.elements < 8 * 12 * 10);
  }
  CHECK(step.work() >= 2); // images are apart, and so are bands
  for (const char* target : {"native", "x86-64", "x86-64-v3", "x86-64-v4"})
    check_exact(stem, "auto", target);
}

TEST_CASE("an image is converted and normalised a band at a time, before convolution and pooling") {
  const compiler::Stages stages = stages_of(ir::parse(normalised).value());
  CHECK(computing_steps(stages) == 1);
  check_exact(normalised);
}

TEST_CASE("the printed schedules of banded nests compile to the same loops again") {
  for (const std::string& text : {stem, normalised}) {
    const ir::Program program = ir::parse(text).value();
    const compiler::Stages first = stages_of(program);
    const std::string schedules = to_string(first.schedules);
    CHECK_THAT(schedules, Catch::Matchers::ContainsSubstring("compute conv"));
    const compiler::Stages second = stages_of(program, schedules);
    CHECK(to_string(second.loops) == to_string(first.loops));
  }
}

TEST_CASE(
    "bands of any size give the same numbers, the last one smaller where they do not divide") {
  const ir::Program program = ir::parse(stem).value();
  for (const char* by : {"1", "2", "3", "4", "5", "6"}) {
    const std::string schedule = std::string("nest max_pool_y: ; compute conv_1 at h by ") + by +
                                 "; parallel n, band; for c, h, w, kh, kw";
    CHECK(computing_steps(stages_of(program, schedule)) == 1);
    check_exact(stem, schedule);
  }
  CHECK(computing_steps(stages_of(program, "naive")) == 2);
  check_exact(stem, "naive");
}

TEST_CASE("a convolution of channels-last images has a tile of pixels in a band too") {
  const auto text = [](const std::string& rest) {
    return "program @p(%x: f32[n=1, h=66, w=66, c=3], %w: f32[o=16, i=3, h=3, w=3]) {\n"
           "  %0 = conv %x, %w\n" +
           rest + "\n}";
  };
  const std::string banded = text("  %y = max_pool %0 {kernel = 2}\n  return %y");
  const compiler::Stages alone = stages_of(ir::parse(text("  return %0")).value());
  const compiler::Stages stages = stages_of(ir::parse(banded).value());
  REQUIRE(computing_steps(stages) == 1);
  REQUIRE(stages.nests.nests.front().placement.has_value());
  const auto pixels = [](const compiler::Stages& of) {
    const auto& tile = of.schedules.at("conv_0").registers;
    REQUIRE(tile.size() == 2);
    CHECK(tile[0].axis == "w");
    CHECK(tile[1].axis == "o");
    return tile[0].size;
  };
  CHECK(pixels(stages) >= 4);
  CHECK(pixels(stages) == pixels(alone));
  // Sums in registers that each weight vector is read for, in the loops that come out.
  CHECK(stages.report.nests.front().registers == alone.report.nests.front().registers);
  check_exact(banded);
}

TEST_CASE("bands that cannot be are refused with the reason") {
  const std::string pool = "nest max_pool_y: ; parallel n, band; for c, h, w, kh, kw; ";
  const std::vector<std::pair<std::string, std::string>> cases = {
      {pool + "compute conv_1 at h by 7", "there are no bands of 7 in the 6 of h"},
      {pool + "compute conv_9 at h", "there is no such nest before this one"},
      {pool + "compute conv_1 at kh", "max_pool_y has no parallel axis kh"},
      {pool + "compute conv_1 at n", "images are work items of their own already"},
      {"nest max_pool_y: ; compute conv_1 at h by 2; parallel n, band, c; for h, w, kh, kw",
       "parallel n, band, c: the nests of a step share its work items"},
      {"nest max_pool_y: ; compute conv_1 at h by 2; parallel n, band; for c, h, w by 4, kh, kw\n"
       "registers w 4, n 2",
       "registers n 2: n is shared with the other nests of the step"},
  };
  for (const auto& [schedule, words] : cases) {
    CAPTURE(schedule);
    CHECK_THAT(refusal(stem, schedule), Catch::Matchers::ContainsSubstring(words));
  }
}

TEST_CASE("nests stay apart where bands would cost more, and the report says why") {
  const auto bands = [](const std::string& text) {
    std::string all;
    for (const std::string& sentence : stages_of(ir::parse(text).value()).report.bands)
      all += sentence + "\n";
    return all;
  };
  CHECK_THAT(bands(R"(program @p(%x: f32[n=1, h=8, w=8, c=32], %a: f32[o=32, i=32, h=3, w=3],
                                 %b: f32[o=32, i=32, h=3, w=3]) {
      %0 = conv %x, %a {pad = 1}
      %y = conv %0, %b {pad = 1}
      return %y })"),
             Catch::Matchers::ContainsSubstring("each would read all its weights again"));
  CHECK_THAT(bands(R"(program @p(%x: f32[n=1, h=8, w=8, c=4], %a: f32[o=4, i=4, h=3, w=3]) {
      %0 = conv %x, %a {pad = 1}
      %y = max_pool %0 {kernel = 7, stride = 1, pad = 3}
      return %y })"),
             Catch::Matchers::ContainsSubstring(
                 "no number of rows that divides 8 fits half of L2 with at most 34 % of the rows "
                 "computed twice"));
}
