// What the automatic schedule decides. That all it proposes fits is thresholds_test's.

#include "compiler/lower/legalise.h"
#include "compiler/lower/lower.h"
#include "compiler/schedule/choose.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

using namespace volute;
using namespace volute::compiler;

namespace {

Choice choice_for(const std::string& program, const std::string& target,
                  bool dot_products = false) {
  const ir::NestProgram nests = lower(legalise(ir::parse(program).value())).value();
  return choose(nests.nests.back(), parse_target(target).value(), nests.buffers, dot_products);
}

} // namespace

TEST_CASE("vectors run along channels, the tile takes pixels and fits the registers") {
  const std::string program = "program @p(%x: f32[n=1, h=56, w=56, c=64], %w: f32[o=64, i=64, h=3, "
                              "w=3]) { %y = conv %x, %w "
                              "{pad = 1} return %y }";
  for (const char* target : {"znver4", "sapphirerapids", "haswell", "x86-64"}) {
    CAPTURE(target);
    const Choice choice = choice_for(program, target);
    REQUIRE(choice.schedule.registers.size() == 2);
    CHECK(choice.schedule.registers.back().axis == "o");
    CHECK(choice.schedule.registers.front().axis == "w");
    CHECK(choice.cycles == choice.candidates.front().cycles);
    CHECK(choice.refused == 0);
    // The fewest cycles, but for the three hundredths that shorter code may be worth.
    for (size_t i = 1; i < choice.candidates.size(); ++i)
      CHECK(choice.candidates[i - 1].cycles <= 1.03 * choice.candidates[i].cycles);
  }
}

TEST_CASE("where neither image nor weight stays in L2, channels are summed up a block at a time") {
  const auto is_blocked = [](int channels, const char* layout) {
    const std::string image = std::string(layout) == "last"
                                  ? fmt::format("f32[n=1, h=33, w=33, c={}]", channels)
                                  : fmt::format("f32[n=1, c={}, h=33, w=33]", channels);
    const Choice choice = choice_for(
        fmt::format("program @p(%x: {}, %w: f32[o=256, i={}, h=3, w=3]) {{ %y = conv %x, %w "
                    "{{dilation = 6, pad = 6}} return %y }}",
                    image, channels),
        "znver4");
    CHECK(choice.refused == 0);
    // A loop over them stands outside of those over pixels.
    size_t pixels = 0, sums = choice.schedule.loops.size();
    for (size_t i = 0; i < choice.schedule.loops.size(); ++i) {
      const std::string& axis = choice.schedule.loops[i].axis;
      if (axis == "h" || axis == "w") pixels = i;
      if (axis == "i") sums = std::min(sums, i);
    }
    return sums < pixels;
  };
  CHECK(is_blocked(2048, "first"));
  CHECK(!is_blocked(64, "first"));
  CHECK(!is_blocked(64, "last"));
}

TEST_CASE("an image beyond L2 of which a tile uses each line once is walked as it lies in memory") {
  // The loops over more than one tile, and the vectors of a tile.
  const auto order = [](const std::string& image) {
    const Choice choice = choice_for(
        fmt::format("program @p(%x: {}) {{ %y = max_pool %x {{kernel = 2}} return %y }}", image),
        "znver4");
    const RegisterDirective& vector = choice.schedule.registers.back();
    std::string loops;
    for (const LoopDirective& loop : choice.schedule.loops)
      if (loop.parallel && loop.axis != "n" && !(loop.axis == "c" && vector.size >= 128))
        loops += loop.axis;
    return fmt::format("{} {}", loops, vector.size / vector.lanes);
  };
  // All channels of a pixel at once where registers hold them: pixel lies beside pixel.
  CHECK(order("f32[n=1, h=112, w=112, c=128]") == "hw 8");
  CHECK(order("f32[n=1, d=16, h=56, w=56, c=128]") == "dhw 8");
  CHECK(order("f32[n=1, w=4096, c=256]") == "w 16");
  CHECK(order("f32[n=1, h=112, w=112, c=272]").substr(0, 3) == "hwc");
}

TEST_CASE("channels of a window beyond L2 whose pixels are pages apart are walked pixel by pixel") {
  const auto order = [](int channels) {
    const Choice choice = choice_for(
        fmt::format("program @p(%x: f32[n=1, h=33, w=33, c={0}], %w: f32[o={0}, i=1, h=3, w=3]) {{ "
                    "%y = conv %x, %w {{groups = {0}, dilation = 2, pad = 2}} return %y }}",
                    channels),
        "znver4");
    CHECK(choice.refused == 0);
    std::string loops;
    for (const LoopDirective& loop : choice.schedule.loops)
      loops += loop.parallel ? loop.axis + "|" : loop.axis + " ";
    return loops;
  };
  CHECK(order(960) == "n|h|w c kh kw "); // rows are what threads share
  CHECK(order(96) == "n|h|c|w kh kw ");
}

TEST_CASE("groups are walked along rows where they lie beside each other") {
  const auto rows_before_groups = [](const std::string& image) {
    const Choice choice =
        choice_for(fmt::format("program @p(%x: {}, %w: f32[o=128, i=4, h=3, w=3]) {{ "
                               "%y = conv %x, %w {{groups = 32, pad = 1}} return %y }}",
                               image),
                   "znver4");
    CHECK(choice.refused == 0);
    for (const LoopDirective& loop : choice.schedule.loops)
      if (loop.axis == "h" || loop.axis == "g") return loop.axis == "h";
    return false;
  };
  CHECK(rows_before_groups("f32[n=1, h=56, w=56, c=128]"));
  CHECK(!rows_before_groups("f32[n=1, c=128, h=56, w=56]"));
}

TEST_CASE("where the longest vector would be half empty, half of it is taken if that costs less") {
  const auto lanes = [](int channels, const char* target) {
    const Choice choice = choice_for(
        fmt::format(
            "program @p(%x: f32[n=1, h=28, w=28, c={0}], %w: f32[o={0}, i={1}, h=3, w=3]) {{ "
            "%y = conv %x, %w {{pad = 1, groups = 32}} return %y }}",
            32 * channels, channels),
        target);
    CHECK(choice.refused == 0);
    return choice.schedule.registers.back().lanes;
  };
  CHECK(lanes(8, "znver4") == 8); // a vector of 16 takes both of the units that vectors of 8 share
  CHECK(lanes(4, "znver4") == 4);
  CHECK(lanes(16, "znver4") == 16);
  CHECK(lanes(32, "znver4") == 16);
}

TEST_CASE("tiles of a transposed convolution run along pixels where phases have weights enough") {
  const Choice choice = choice_for(
      "program @p(%x: f32[n=1, h=14, w=14, c=64], %w: f32[i=64, o=32, h=32, w=32]) { %y = "
      "conv_transpose %x, %w {stride = 16, pad = 8} return %y }",
      "znver4");
  CHECK(choice.schedule.registers.front().axis == "w");
}

TEST_CASE("a dot product of bf16 is predicted faster than widening where its instruction is") {
  const std::string dense =
      "program @p(%x: bf16[n=1, h=28, w=28, c=128], %w: bf16[o=128, i=128, h=3, w=3]) { %y = conv "
      "%x, %w : f32[n=1, h=26, w=26, c=128] return %y }";
  // Groups of 8 channels: half of a vector, of which as many are done in a cycle as of f32.
  const std::string grouped =
      "program @p(%x: bf16[n=1, h=28, w=28, c=128], %w: bf16[o=128, i=8, h=3, w=3]) { %y = conv "
      "%x, %w {groups = 16} : f32[n=1, h=26, w=26, c=128] return %y }";
  const auto gain = [&](const std::string& program, const char* target) {
    const Choice dot = choice_for(program, target, true);
    CHECK(dot.schedule.loops.back().dot == 2);
    const Choice widened = choice_for(program, target);
    CHECK(widened.schedule.loops.back().dot == 0);
    return widened.cycles / dot.cycles;
  };
  CHECK(gain(dense, "znver4") > 1.5);
  CHECK(gain(grouped, "znver4") > 1.3);
  CHECK(gain(dense, "emeraldrapids-amx-tile") < 0.85);
}

TEST_CASE("the weight passes L1 by where that leaves the image there") {
  const auto bypasses = [](int channels, int pixels) {
    const Choice choice = choice_for(
        fmt::format("program @p(%x: u8[n=1, w={}, c={}], %w: i8[o=256, i={}, w=1]) {{ %y = conv "
                    "%x, %w return %y }}",
                    pixels, channels, channels),
        "sapphirerapids", true);
    CHECK(choice.refused == 0);
    CHECK(choice.schedule.loops.back().tile == 64);
    const bool says_so = choice.candidates.front().schedule.find("bypass") != std::string::npos;
    CHECK(says_so == !choice.schedule.bypass.empty());
    return choice.schedule.bypass;
  };
  CHECK(bypasses(1024, 196) == std::vector<compiler::OperandDirective>{{"weight"}});
  CHECK(bypasses(64, 32).empty()); // all has room
}

TEST_CASE("sums that wait between blocks of channels have room in L2") {
  const std::string target = "znver4";
  const compiler::Stages stages = tests::stages_of(
      "program @p(%x: f32[n=1, c=512, h=52, w=52], %w: f32[i=512, o=256, h=2, w=2]) { %y = "
      "conv_transpose %x, %w {stride = 2} return %y }",
      target);
  const int64_t waiting = stages.loops.steps.back().scratch_bytes;
  CHECK(waiting > 0); // it is blocked
  CHECK(waiting <= parse_target(target).value().l2_bytes);
}

TEST_CASE("of few results channels last, lanes are parts of a sum, of pixels read one by one") {
  const Choice choice = choice_for(
      "program @p(%x: f32[n=1, h=388, w=388, c=64], %w: f32[o=2, i=64, h=1, w=1]) { %y = conv %x, "
      "%w return %y }",
      "znver4");
  CHECK(choice.schedule.registers.back().axis == "i");
  CHECK(choice.schedule.registers.front().size <= 3);
}

TEST_CASE("pixels of few channels are copied several at a time") {
  const Choice choice =
      choice_for("program @p(%x: f32[n=1, h=9, w=50, c=3]) { %y = pad %x {pad = 1} "
                 "return %y }",
                 "x86-64-v4");
  REQUIRE(choice.schedule.registers.size() == 2);
  CHECK(choice.schedule.registers[0].axis == "w");
  CHECK(choice.schedule.registers[0].size >= 4);
  CHECK(choice.schedule.registers[1].axis == "c");
}

TEST_CASE("what is widened slides along rows, so that it is widened once for all of its taps") {
  const Choice choice =
      choice_for("program @p(%x: bf16[n=1, h=28, w=28, c=144], %w: bf16[o=144, i=1, h=3, w=3]) { "
                 "%y = conv %x, %w {pad = 1, groups = 144} return %y }",
                 "sapphirerapids");
  CHECK(choice.schedule.loops.back().slide);
}
