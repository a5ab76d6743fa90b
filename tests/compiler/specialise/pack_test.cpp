#include "compiler/lower/legalise.h"
#include "compiler/lower/lower.h"
#include "compiler/pipeline.h"
#include "compiler/specialise/pack.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/stages.h"

#include <string>

using namespace volute;
using namespace volute::compiler;

namespace {

/// Output channels in two parts, so that both can be in the register tile.
const char* const split_channels = R"(program @p(%x: u8[n=1, w=5, c=8], %w: i8[o=32, i=8, w=1]) {
  %y = conv %x, %w : i32[n=1, c=4, w=5, c=8]
  return %y
})";

std::string refusal(const std::string& program, const std::string& schedule) {
  CompileRequest request;
  request.schedule = schedule;
  const auto stages = specialise_program(ir::parse(program).value(), request);
  return stages ? "accepted" : Error(stages.diagnostics()).what();
}

const char* const padded =
    R"(program @p(%x: f32[n=2, c=3, h=7, w=11], %w: f32[o=5, i=3, h=3, w=3]) {
  %0 = conv %x, %w {pad = [1, 1], stride = [1, 2]}
  %y = relu %0
  return %y })";

Schedule schedule_of(const std::string& text) { return parse_schedules(text).value().at(""); }

} // namespace

TEST_CASE("lanes of a packed weight are neighbours, in whatever order registers are listed") {
  const ir::Program program = legalise(ir::parse(split_channels).value());
  const ir::Nest nest = lower(program).value().nests.back();
  REQUIRE(nest.axis("o1"));
  for (const char* registers : {"registers o1 8 vector 8, o 2", "registers o 2, o1 8 vector 8"}) {
    const Plan plan =
        resolve(
            schedule_of(std::string("for o by 2, o1 by 8, w, i dot 4; pack weight; ") + registers),
            nest, parse_target("x86-64-v4").value())
            .value();
    REQUIRE(plan.packed.size() == 1);
    const PackedLayout& layout = plan.packed.front();
    CAPTURE(registers);
    CHECK(layout.group == 4);
    REQUIRE(layout.dimensions.size() >= 3);
    const auto& last = layout.dimensions[layout.dimensions.size() - 2];
    CHECK((nest.name_of(last.axis) == "o1" && last.count == 8));
  }
}

TEST_CASE("a dot product may have its vectors first in the register tile") {
  CompileRequest request = tests::request_for(
      "x86-64-v4", "for o by 2, o1 by 8, w, i dot 4; registers o1 8 vector 8, o 2; pack weight");
  CHECK(specialise_program(ir::parse(split_channels).value(), request)); // verifies what it makes
}

TEST_CASE("a packed image has an element for each tap that meets it") {
  const std::string text = "for n, h, w, o, i, kh, kw; pack x";
  CompileRequest request;
  request.schedule = text;
  const Stages stages = specialise_program(ir::parse(padded).value(), request).value();
  REQUIRE(stages.report.nests.size() == 1);
  REQUIRE(stages.report.nests.front().packed.size() == 1);
  CHECK(stages.report.nests.front().packed.front().operand == "x");
  CHECK(stages.report.nests.front().packed_bytes() == 4 * (2 * 7 * 6) * (3 * 3 * 3));
}

TEST_CASE("operands that several steps want packed alike are packed once") {
  CompileRequest request = tests::request_for("x86-64-v3");
  const auto steps_of = [&](const std::string& text) {
    const Stages stages = specialise_program(ir::parse(text).value(), request).value();
    std::vector<std::string> names;
    for (const ir::Step& step : stages.loops.steps) names.push_back(step.name);
    std::vector<bool> is_used(stages.loops.buffers.size());
    for (const ir::Step& step : stages.loops.steps)
      for (const ir::View& view : step.views) is_used[static_cast<size_t>(view.buffer)] = true;
    for (size_t b = 0; b < is_used.size(); ++b)
      if (stages.loops.buffers[b].role == ir::Buffer::Role::intermediate) CHECK(is_used[b]);
    return names;
  };
  using Names = std::vector<std::string>;
  const std::string twice = R"(program @p(%x: f32[n=1, h=9, w=8, c=8], %w: f32[o=8, i=8, h=3, w=3],
                                          %v: f32[o=8, i=8, h=3, w=3]) {
    %a = conv %x, %w {pad = 1}
    %b = conv %a, %v {pad = 1}
    %y = conv %b, %w {pad = 1}
    return %y })";
  request.schedule = "nest conv_a\npack weight\nnest conv_b\npack weight\nnest conv_y\npack weight";
  CHECK(steps_of(twice) == Names{"pack_w", "conv_a", "pack_v", "conv_b", "conv_y"});
  // In another order it is another operand.
  request.schedule += "\nfor n, h, w, o by 4, i, kh, kw\nregisters o 4 vector 4";
  CHECK(steps_of(twice) == Names{"pack_w", "conv_a", "pack_v", "conv_b", "pack_w", "conv_y"});
  // What a step makes is packed for each that reads it: another step may make it anew meanwhile.
  request.schedule = "nest conv_a\npack weight\nnest conv_y\npack weight";
  CHECK(steps_of(R"(program @p(%x: f32[n=1, h=9, w=8, c=8], %v: f32[o=8, i=8, h=3, w=3]) {
    %w = exp %v
    %a = conv %x, %w {pad = 1}
    %y = conv %a, %w {pad = 1}
    return %a, %y })") == Names{"exp_w", "pack_w", "conv_a", "pack_w", "conv_y"});
}

TEST_CASE("what cannot be packed is refused with its place and the reason") {
  using Catch::Matchers::ContainsSubstring;
  CHECK_THAT(refusal(padded, "pack z"),
             ContainsSubstring("schedule:1:6: schedule: nest conv_y: pack z: this nest sums "
                               "up no such operand"));
  CHECK_THAT(refusal(padded, "pack z"), ContainsSubstring("what conv_y sums up is x, w"));
  CHECK_THAT(refusal(padded, "pack weight, w"), ContainsSubstring("it is packed already"));
  CHECK_THAT(refusal("program @p(%x: f32[n=1, c=4]) { %y = relu %x return %y }", "pack weight"),
             ContainsSubstring("pack weight: this nest has no weight"));
  CHECK_THAT(refusal("program @p(%x: f32[n=1, c=4]) { %y = relu %x return %y }", "pack x"),
             ContainsSubstring("pack x: this nest sums up no such operand"));
  CHECK_THAT(refusal(R"(program @p(%x: f32[n=1, c=4, w=9], %w: f32[o=4, i=4, w=1]) {
               %0 = conv %x, %w  %y = add %0, %x  return %y })",
                     "pack x"),
             ContainsSubstring("pack x: the nest reads it in more than one way"));
  CHECK_THAT(refusal(R"(program @p(%x: f32[n=1, c=1, h=2000, w=2000], %w: f32[o=1, i=1, h=31, w=31])
               { %y = conv %x, %w return %y })",
                     "pack x"),
             ContainsSubstring("64 times as many at most"));
}
