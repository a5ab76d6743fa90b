// What a plan says of loops, operands and results, before anything is written.

#include "compiler/lower/lower.h"
#include "compiler/nests/flatten.h"
#include "compiler/schedule/plan.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/lowered.h"
#include "tests/support/stages.h"

#include <string>

using namespace volute;
using namespace volute::compiler;

namespace {

struct Planned {
  ir::Nest nest;
  Plan plan;
  const PlannedRead& read(const std::string& operand) const {
    for (const PlannedRead& r : plan.reads)
      if (nest.operands[static_cast<size_t>(r.read.operand)].name == operand) return r;
    throw Error("no read of " + operand);
  }
};

Planned plan_of(const std::string& program, const std::string& schedule,
                const std::string& target = "x86-64-v4") {
  Planned planned;
  planned.nest = tests::lowered(program).nests.back();
  const Schedule given = parse_schedules(schedule).value().at("");
  for (const auto& axes : given.flatten) planned.nest = flatten(planned.nest, axes).value();
  planned.plan = resolve(given, planned.nest, parse_target(target).value()).value();
  return planned;
}

const char* const channels_last = R"(program @p(%x: f32[n=1, h=9, w=37, c=12],
                                               %w: f32[o=40, i=12, h=3, w=3]) {
  %y = conv %x, %w {stride = [1, 2]}
  return %y })";
const char* const channels_first = R"(program @p(%x: f32[n=1, c=12, h=9, w=37],
                                                %w: f32[o=40, i=12, h=3, w=3]) {
  %y = conv %x, %w {stride = [1, 2]}
  return %y })";

} // namespace

TEST_CASE("a loop knows its axis, its tile and its trips at every level") {
  const Planned p = plan_of(channels_last, "parallel h; for o by 32, w by 12, o by 16, w by 3, kh, "
                                           "kw, i by 5, i unroll; registers w 3, o 16 vector 16");
  std::string text;
  for (const PlanLoop& loop : p.plan.loops)
    text += loop.name + " " + std::to_string(loop.extent) + "/" + std::to_string(loop.tile) + "=" +
            std::to_string(loop.trips()) + (loop.places_tile ? "! " : " ");
  CHECK(text == "h 7/1=7! o 40/32=2 w 18/12=2 o 32/16=2! w 12/3=4! kh 3/1=3! kw 3/1=3! i 12/5=3 "
                "i 5/1=5! ");
  CHECK(p.plan.loops.back().unrolls_all);
  CHECK(p.plan.first_tap() == 5);
}

TEST_CASE("an operand is held where an outer axis of the tile does not move it") {
  // Pixels outside, channels inside: weights are held for all pixels, a pixel passes.
  const Planned p =
      plan_of(channels_last,
              "for h, o by 32, w by 6, kh, kw, i; registers w 6, o 32 vector 16; pack weight");
  CHECK(p.read("w").residence == Residence::held);
  CHECK(p.read("w").registers == 2);
  CHECK(p.read("w").is_packed);
  CHECK(p.read("w").arrival == Arrival::loaded);
  CHECK(p.read("x").residence == Residence::passing);
  CHECK(p.read("x").arrival == Arrival::broadcast);
  CHECK(p.plan.store.kind == PlannedStore::Kind::vectors);
  CHECK(p.plan.registers_needed(p.nest) == 6 * 2 + 2 + 1);
}

TEST_CASE("of three axes of a tile, one register serves what moves with the outer two") {
  const Planned p = plan_of(channels_last, "for h by 2, w by 3, o by 16, kh, kw, i; registers h 2, "
                                           "w 3, o 16 vector 16; pack weight");
  CHECK(p.read("x").residence == Residence::passing);
  CHECK(p.read("x").occupies() == 1);
  CHECK(p.read("w").residence == Residence::held);
}

TEST_CASE("the registers of a tile are told without a plan") {
  for (const char* program : {channels_last, channels_first})
    for (const char* tile : {"w 6, o 32 vector 16", "o 3, w 18 vector 16", "o 16 vector 16",
                             "h 2, w 3, o 16 vector 16", "o 2, h 5, w 32 vector 8"}) {
      const Planned p =
          plan_of(program, std::string("registers ") + tile + "; for n, h, o, w, kh, kw, i");
      CAPTURE(program, tile);
      CHECK(registers_needed(NestFacts(p.nest), p.plan.tile) == p.plan.registers_needed(p.nest));
    }
}

TEST_CASE("how lanes come from memory follows from the stride and the target") {
  const std::string pixels = "for h, o by 4, w by 16, i, kh, kw; registers o 4, w 16 vector 16";
  CHECK(plan_of(channels_first, pixels).read("x").arrival == Arrival::deinterleaved);
  CHECK(plan_of(channels_first, pixels).read("x").lane_stride == 2);
  CHECK(plan_of(channels_first, pixels, "haswell").read("x").arrival == Arrival::gathered);
  CHECK(plan_of(channels_first, pixels).read("w").arrival == Arrival::broadcast);
  const std::string channels = "for h, w by 4, o by 16, i, kh, kw; registers w 4, o 16 vector 16";
  CHECK(plan_of(channels_first, channels).read("w").arrival == Arrival::gathered); // not packed
}

TEST_CASE("results leave as vectors, transposed, or lane by lane") {
  const std::string tile = "for h, w by 4, o by 16, i, kh, kw; registers w 4, o 16 vector 16";
  CHECK(plan_of(channels_last, tile).plan.store.kind == PlannedStore::Kind::vectors);
  const PlannedStore turned = plan_of(channels_first, tile).plan.store;
  CHECK(turned.kind == PlannedStore::Kind::transposed);
  CHECK(turned.rows == 0);
  const std::string lone = "for h, w, o by 16, i, kh, kw; registers o 16 vector 16";
  CHECK(plan_of(channels_first, lone).plan.store.kind == PlannedStore::Kind::lanes);
}

TEST_CASE("the instruction is the dot product's where the schedule says so") {
  const char* const bytes = R"(program @p(%x: u8[n=1, w=9, c=8], %w: i8[o=16, i=8, w=3]) {
    %y = conv %x, %w
    return %y })";
  const Planned p =
      plan_of(bytes, "for o by 16, w, kw, i dot 4; registers o 16 vector 16; pack weight");
  CHECK(p.plan.instruction.kind == Instruction::Kind::dot);
  CHECK(p.plan.instruction.ways == 4);
  CHECK(p.plan.packed.at(0).group == 4);
}

TEST_CASE("vdpbf16ps has a rate of its own on each CPU") {
  const Target zen4 = parse_target("znver4").value();
  const Target rapids = parse_target("emeraldrapids").value();
  CHECK(zen4.dots_per_cycle(2) == zen4.fma_per_cycle);
  CHECK(rapids.dots_per_cycle(2) == rapids.fma_per_cycle / 4);
  CHECK(rapids.dots_per_cycle(1) == rapids.fma_per_cycle);
  CHECK(parse_target("haswell").value().dots_per_cycle(1) == 0.5);
}

TEST_CASE("where taps slide, the image is read by rows and a weight is held for all of them") {
  const std::string depthwise =
      R"(program @p(%x: f32[n=1, c=6, h=9, w=37], %w: f32[o=6, i=1, h=3, w=3]) {
    %y = conv %x, %w {pad = 1, groups = 6, stride = [2, 1]}
    return %y })";
  const std::string tile = "for c, h by 4, w by 32, kw, kh slide; registers h 4, w 32 vector 16";
  const Planned p = plan_of(depthwise, tile);
  REQUIRE(p.plan.slide);
  CHECK(p.plan.slide->tile == 0);
  CHECK(p.plan.slide->step == 2);
  CHECK(p.plan.slide->rows(4) == 9);
  CHECK(p.plan.slide->holds);
  CHECK(p.read("x").sliding == PlannedRead::Sliding::rows);
  CHECK(p.read("x").registers == 2); // of one row
  CHECK(p.read("w").sliding == PlannedRead::Sliding::taps);
  CHECK(p.read("w").registers == 3);
  CHECK(p.plan.registers_needed(p.nest) == 4 * 2 + 2 + 3);
  // A weight that moves along the tile too is another one for each of its elements.
  const std::string channels =
      "for h by 4, c by 2, w by 32, kw, kh slide; registers h 4, c 2, w 32 "
      "vector 16";
  CHECK(!plan_of(depthwise, channels).plan.slide->holds);
  // On 16 registers they are not all held: 8 sums, 2 of a row, 3 taps are; 12 sums are too many.
  const std::string smaller = "for c, h by 4, w by 16, kw, kh slide; registers h 4, w 16 vector 8";
  CHECK(plan_of(depthwise, smaller, "x86-64-v3").plan.slide->holds);
  const std::string larger = "for c, h by 6, w by 16, kw, kh slide; registers h 6, w 16 vector 8";
  const Planned crowded = plan_of(depthwise, larger, "x86-64-v3");
  CHECK(!crowded.plan.slide->holds);
  CHECK(crowded.plan.registers_needed(crowded.nest) == 6 * 2 + 2 + 1);
}

TEST_CASE("taps that cannot slide are refused with the reason") {
  const auto refusal = [](const std::string& attributes, const std::string& schedule) {
    const ir::Nest nest =
        lower(ir::parse("program @p(%x: f32[n=1, c=6, h=9, w=37], %w: f32[o=6, i=1, h=3, w=3]) { "
                        "%y = conv %x, %w {groups = 6" +
                        attributes + "} return %y }")
                  .value())
            .value()
            .nests.back();
    const auto plan =
        resolve(parse_schedules(schedule).value().at(""), nest, parse_target("x86-64-v4").value());
    return plan ? std::string("accepted") : plan.diagnostics().front().message;
  };
  using Catch::Matchers::ContainsSubstring;
  CHECK(refusal("", "for c, h by 2, w, kw, kh slide; registers h 2") == "accepted");
  CHECK_THAT(
      refusal("", "for c, w by 16, h, kw, kh slide; registers w 16 vector 16"),
      ContainsSubstring("for kh slide: the register tile has no axis beside the vector axis"));
  CHECK_THAT(refusal("", "for c, h by 2, w, kh slide, kw; registers h 2"),
             ContainsSubstring("for kh slide: it must be the innermost loop"));
  CHECK_THAT(refusal("", "for c, h by 2, w, kh, kw slide; registers h 2"),
             ContainsSubstring("do not meet the image at places that they share along h"));
  CHECK_THAT(refusal(", dilation = 2", "for c, h by 2, w, kw, kh slide; registers h 2"),
             ContainsSubstring("do not meet the image at places that they share along h"));
  CHECK_THAT(refusal("", "for c, h by 2, w, kh by 2, kw, kh slide; registers h 2"),
             ContainsSubstring("there is another loop over kh"));
  CHECK_THAT(refusal("", "for c, h by 2, w, kh, kw, kh slide; registers h 2"),
             ContainsSubstring("there is another loop over kh"));
  CHECK_THAT(refusal("", "for c, h by 2, w, kw, kh slide; registers h 2; pack x"),
             ContainsSubstring("for kh slide: x is packed, tap by tap, and has no rows"));
  CHECK_THAT(refusal("", "for c, w, kw, kh, h slide; registers h 2"),
             ContainsSubstring("for h slide: only taps slide"));
}

TEST_CASE("lanes along a sum need nothing beyond its end and results that are neighbours") {
  const auto refusal = [](const std::string& program, const std::string& schedule) {
    const ir::Nest nest = tests::lowered(program).nests.back();
    const auto plan =
        resolve(parse_schedules(schedule).value().at(""), nest, parse_target("x86-64-v4").value());
    return plan ? std::string("accepted") : plan.diagnostics().front().message;
  };
  const auto conv = [](const std::string& x, const std::string& y) {
    return "program @p(%x: f32[" + x +
           "], %w: f32[o=3, i=20, h=1, w=3]) { %y = conv %x, %w {pad = "
           "[0, 1]} : f32[" +
           y + "] return %y }";
  };
  const std::string last = conv("n=1, h=4, w=9, c=20", "n=1, h=4, w=9, c=3");
  using Catch::Matchers::ContainsSubstring;
  CHECK(refusal(last, "for h, w, o by 3, kw, i by 16; registers o 3, i 16 vector 16") ==
        "accepted");
  CHECK_THAT(refusal(last, "for h, w, o by 3, kw, i; registers o 3, i 4"),
             ContainsSubstring("i is a reduction axis"));
  CHECK_THAT(refusal(last, "for h, w, o by 3, kw, i by 32; registers o 3, i 32 vector 16"),
             ContainsSubstring("a tile has one vector"));
  CHECK_THAT(refusal(last, "for h, w, o by 3, i, kw by 16; registers o 3, kw 16 vector 16"),
             ContainsSubstring("taps of kw may lie in the padding"));
  CHECK_THAT(refusal(last, "for h, w by 2, o, kw, i by 16; registers w 2, i 16 vector 16"),
             ContainsSubstring("has none whose elements are neighbours"));
  CHECK_THAT(refusal(last, "for i by 16, h, w, o by 3, kw, i; registers o 3, i 16 vector 16"),
             ContainsSubstring("lanes along i are parts of one"));
  CHECK_THAT(
      refusal("program @p(%x: f32[n=1, w=64, c=5]) { %y = max_pool %x {kernel = 32} return %y }",
              "for w, c by 5, kw by 16; registers c 5, kw 16 vector 16"),
      ContainsSubstring("this is no sum"));
}

TEST_CASE("what a matrix unit cannot sum up is refused with the reason") {
  const auto refusal = [](const std::string& attributes, const std::string& schedule,
                          const char* target = "sapphirerapids") {
    const ir::Nest nest = tests::lowered("program @p(%x: bf16[n=1, h=6, w=30, c=64], "
                                         "%w: bf16[o=32, i=64, h=3, w=3]) { %y = conv %x, %w {" +
                                         attributes + "} return %y }")
                              .nests.back();
    const auto plan =
        resolve(parse_schedules(schedule).value().at(""), nest, parse_target(target).value());
    return plan ? std::string("accepted") : to_string(plan.diagnostics().front());
  };
  using Catch::Matchers::ContainsSubstring;
  const std::string tile = "registers w 28 rows 14, o 32 vector 16; pack weight";
  CHECK(refusal("", "for h, kh, kw, i tile 32; " + tile) == "accepted");
  CHECK_THAT(refusal("", "for h, kh, kw, i tile 32; " + tile, "znver4"),
             ContainsSubstring("znver4 has no matrix unit for bf16"));
  CHECK_THAT(refusal("", "for i by 32, h, kh, kw, i tile 32; " + tile),
             ContainsSubstring("sums would wait in memory between the trips of i, and a last tile, "
                               "which computes pixels of the one before once more, would add "
                               "theirs twice (put i inside of all loops over the result)"));
  CHECK_THAT(refusal("pad = 1", "for h, w by 28, kh, kw, i tile 32; " + tile),
             ContainsSubstring("for i tile 32"));
  CHECK_THAT(refusal("", "for h, kh, i tile 32, kw; " + tile),
             ContainsSubstring("it must be the innermost loop"));
  CHECK_THAT(refusal("", "for h, kh, kw, i tile 48; " + tile),
             ContainsSubstring("a row has up to 32 elements, a multiple of 2"));
  CHECK_THAT(refusal("", "for h, kh, kw, i tile 32; registers w 28, o 32 vector 16; pack weight"),
             ContainsSubstring("it needs a packed weight, an axis of lanes and one of rows"));
  CHECK_THAT(refusal("",
                     "for h by 3, kh, kw, i tile 32; registers h 3, w 28 rows 14, o 32 vector 16; "
                     "pack weight"),
             ContainsSubstring("are more than the 8 that there are"));
  CHECK(refusal("", "for h, kh, kw, i tile 32; bypass x, weight; " + tile) == "accepted");
  CHECK_THAT(refusal("", "for h, kh, kw, i tile 32; bypass w, weight; " + tile),
             ContainsSubstring("bypass weight: it is named already"));
  CHECK_THAT(refusal("", "for h, kh, kw, i tile 32; bypass weights; " + tile),
             ContainsSubstring("write `bypass weight`"));
  CHECK_THAT(refusal("", "for h, kh, kw, i tile 32; bypass y; " + tile),
             ContainsSubstring("bypass y: it is no factor of the products (what conv_y sums up is "
                               "x, w)"));
  CHECK_THAT(refusal("", "for h, w, o, kh, kw, i; bypass x"),
             ContainsSubstring("bypass x: only what a matrix unit loads passes L1 by"));
}

TEST_CASE("what passes L1 by is one factor's loads, by either of the weight's names") {
  const auto loads = [](const std::string& bypass) {
    const std::string text = to_string(
        tests::stages_of("program @p(%x: bf16[n=1, h=6, w=28, c=64], %w: bf16[o=32, i=64, h=1, "
                         "w=1]) { %y = conv %x, %w return %y }",
                         "sapphirerapids",
                         "for h, i tile 32; registers w 28 rows 14, o 32 vector 16; pack weight" +
                             bypass)
            .loops);
    const auto passes = [&](const char* load) {
      const size_t at = text.find(load);
      REQUIRE(at != std::string::npos);
      return text.substr(at, text.find('\n', at) - at).ends_with(" bypass");
    };
    return std::pair{passes("load x["), passes("load w_packed[")};
  };
  CHECK(loads("") == std::pair{false, false});
  CHECK(loads("; bypass x") == std::pair{true, false});
  CHECK(loads("; bypass weight") == std::pair{false, true});
  CHECK(loads("; bypass w") == std::pair{false, true});
  CHECK(loads("; bypass x, w") == std::pair{true, true});
}
