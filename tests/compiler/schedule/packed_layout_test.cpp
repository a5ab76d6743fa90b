// In which order operands are packed: that in which a plan's loops read them.

#include "compiler/schedule/plan.h"
#include "tests/support/catch.h"
#include "tests/support/lowered.h"
#include "tests/support/small_nest.h"

#include <fmt/format.h>

#include <string>

using namespace volute;
using namespace volute::compiler;

namespace {

/// "o/32 kh kw i o": a dimension for each loop and each axis of the tile, with its step where that
/// is more than an element, and its extents.
std::string layout(const ir::Nest& nest, const std::string& schedule, const std::string& operand,
                   const std::string& target = "x86-64-v4") {
  const Expected<Plan> plan =
      resolve(parse_schedules(schedule).value().at(""), nest, parse_target(target).value());
  if (!plan) return plan.diagnostics().front().message;
  for (const PackedLayout& packed : plan->packed) {
    if (nest.operands[static_cast<size_t>(packed.operand)].name != operand) continue;
    std::string text;
    for (const PackedLayout::Dimension& d : packed.dimensions)
      text += fmt::format("{}{}{}[{}] ", d.loop < 0 ? "." : "", nest.name_of(d.axis),
                          d.step > 1 ? fmt::format("/{}", d.step) : "", d.count);
    return text + fmt::format("by {}", packed.group);
  }
  return "not packed";
}

const char* const conv = R"(program @p(%x: f32[n=1, h=9, w=9, c=4], %w: f32[o=40, i=4, h=3, w=3]) {
  %y = conv %x, %w return %y })";

} // namespace

TEST_CASE("a weight has a dimension for each loop that moves it, and its lanes last") {
  const ir::Nest nest = tests::lowered(conv).nests.back();
  CHECK(layout(nest,
               "for o by 32, h, w by 6, kh, kw, i; registers w 6, o 32 vector 16; pack weight",
               "w") == "o/32[2] kh[3] kw[3] i[4] .o[32] by 1");
  CHECK(layout(nest, "for h, w, o, i, kh, kw; pack weight", "w") == "o[40] i[4] kh[3] kw[3] by 1");
  CHECK(layout(nest, "for h, w, o, i, kh, kw", "w") == "not packed");
}

TEST_CASE("an image has one for each tap that meets it, and vectors behind registers") {
  const ir::Nest nest = tests::lowered(conv).nests.back();
  CHECK(layout(nest, "for h, o, w by 7, i, kh, kw; registers w 7; pack x", "x") ==
        "h[7] w/7[1] i[4] kh[3] kw[3] .w[7] by 1");
  CHECK(layout(nest, "for h, o by 2, w by 7, i, kh, kw; registers o 2, w 8 vector 8; pack x",
               "x") == "nest conv_y: for w by 7: the register tile holds 8 of w");
}

TEST_CASE("groups of products lie beside each other in every lane") {
  LowerOptions options;
  const ir::Program program =
      ir::parse("program @p(%x: u8[n=1, w=9, c=10], %w: i8[o=16, i=10, w=3]) {"
                " %y = conv %x, %w return %y }")
          .value();
  options.dot_products = {program.outputs.front()};
  const ir::Nest nest = lower(program, options).value().nests.back();
  CHECK(layout(nest, "for o by 16, w, kw, i dot 4; registers o 16 vector 16; pack weight", "w") ==
        "o/16[1] kw[3] i/4[3] .o[16] .i[4] by 4");
}

TEST_CASE("groups of products are told apart even of a weight that is the same for all of them") {
  const ir::NestProgram program = tests::nest_of(R"(
  x: input u8[4][12]
  k: input i8[16][3]
  y: output i32[4][16]
  parallel w in 0..4, o in 0..16
  reduce kw in 0..3, i in 0..10
  acc: i32 = 0
  acc <- fma(i32(x[w, i]), i32(k[o, kw]), acc)
  y[w, o] = acc
)");
  CHECK(layout(program.nests.front(),
               "for o by 16, w, kw, i dot 4; registers o 16 vector 16; pack weight",
               "k") == "o/16[1] kw[3] i/4[3] .o[16] .i[4] by 4");
  CHECK(layout(program.nests.front(), "for o, w, kw, i by 4, i; pack weight", "k") ==
        "o[16] kw[3] by 1");
}

TEST_CASE("a nest that is written by hand says nothing of its weight, and has one") {
  const ir::NestProgram program = tests::nest_of(R"(
  x: input f32[8][4]
  k: input f32[8][4]
  y: output f32[8][8]
  parallel h in 0..8, o in 0..8
  reduce i in 0..4
  acc = 0
  acc <- fma(k[o, i], x[h, i], acc)
  y[h, o] = acc
)");
  const ir::Nest& nest = program.nests.front();
  CHECK(layout(nest, "for o by 8, h, i; registers o 8 vector 8; pack weight", "k") ==
        "o/8[1] i[4] .o[8] by 1");
  CHECK(layout(nest, "for o by 8, h, i; registers o 8 vector 8; pack k", "k") ==
        layout(nest, "for o by 8, h, i; registers o 8 vector 8; pack weight", "k"));
  const ir::NestProgram square = tests::nest_of(R"(
  x: input f32[8][4]
  y: output f32[8][8]
  parallel h in 0..8, w in 0..8
  reduce i in 0..4
  acc = 0
  acc <- fma(x[h, i], x[w, i], acc)
  y[h, w] = acc
)");
  CHECK(layout(square.nests.front(), "for h, w, i; pack weight", "x") ==
        "nest y: pack weight: this nest has no weight");
}
