// Convolutions of bytes and of bf16 as products of matrices, whole: every stage against the one
// before it, and the kernel between walls, on the processor's matrix unit or the emulator's.

#include "compiler/compile.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/every_stage.h"
#include "tests/support/tile_emulator.h"

#include <fmt/format.h>

#include <string>
#include <vector>

using namespace volute;
using namespace volute::tests;

namespace {

struct Conv {
  std::string x, w, sizes, filter, attributes, behind = "%y = relu %0", operation = "conv";
  std::string text() const {
    return fmt::format("program @p(%x: {}[{}], %w: {}[{}]) {{ %0 = {} %x, %w {{{}}} {} "
                       "return %y }}",
                       x, sizes, w, filter, operation, attributes, behind);
  }
};

struct Made {
  ir::Program program;
  compiler::Compiled compiled;
};

Made made(const std::string& text, const std::string& schedule,
          const std::string& target = native_with_tiles()) {
  Made result{ir::parse(text).value(), {}};
  result.compiled = compiler::compile(result.program, request_for(target, schedule)).value();
  return result;
}

bool uses_tiles(const Made& made) {
  return to_string(made.compiled.stages.loops).find("  tile ") != std::string::npos;
}

/// Whole numbers through every stage, then any numbers from the loops to the kernel, but for pairs
/// of bf16, which their instruction rounds in its own way.
void check(const Made& made, uint64_t seed) {
  const ir::Program& program = made.program;
  Dice dice(seed);
  CHECK(fault_of_stages(made.compiled, program, whole_numbers(program, seed), dice) == "");
  const bool adds_pairs = to_string(made.compiled.stages.loops).find("dot2(") != std::string::npos;
  if (adds_pairs) return;
  const Tensors any = arbitrary_numbers(program, dice, 30);
  const ir::Memory loops = evaluate_loops(made.compiled.stages.loops, program, any);
  CHECK(fault_of_kernel(made.compiled, program, any, loops, dice) == "");
}

} // namespace

TEST_CASE("schedules that ask for the matrix unit give the same results") {
  struct Case {
    Conv conv;
    std::string schedule;
  };
  const std::string last = "n=1, h=9, w=30, c=64", filter = "o=32, i=64, h=3, w=3";
  const std::string tile = "parallel h, w, o; for kh, kw, i tile 32; registers w 28 rows 14, o 32 "
                           "vector 16; pack weight";
  for (const Case& c : {
           Case{{"bf16", "bf16", last, filter, ""}, "nest conv_y: " + tile},
           // A last tile with fewer pixels, channels that fill no vector, steps that are no row.
           {{"bf16", "bf16", "n=1, h=5, w=23, c=24", "o=21, i=24, h=3, w=3", ""},
            "nest conv_y: parallel h, w, o; for kh, kw, i tile 24; registers w 16 rows 16, o 32 "
            "vector 16; pack weight"},
           {{"bf16", "bf16", "n=2, h=5, w=23, c=24", "o=21, i=24, h=3, w=3", ""},
            "nest conv_y: parallel n, h; for o, w, kh, kw, i tile 12; registers h 2, w 7 rows 7, o "
            "16 vector 16; pack weight"},
           {{"u8", "i8", last, filter, ""},
            "nest conv_y: parallel h, w, o; for kh, kw, i tile 64; registers w 28 rows 14, o 32 "
            "vector 16; pack weight"},
           // One register of the image for all rows of registers.
           {{"u8", "i8", "n=1, h=3, w=42, c=16", "o=48, i=16, h=1, w=1", ""},
            "nest conv_y: parallel h; for w, o, i tile 16; registers w 28 rows 14, o 32 vector 16; "
            "pack weight"},
           // Each tile finished amid the products of the next: rows, images, channels; of several
           // rows of registers; turned; more of it than there are steps; a loop in two levels.
           {{"bf16", "bf16", last, filter, ""},
            "nest conv_y: parallel o by 32, w by 14; for h, kh, kw, i tile 32; registers w 14 rows "
            "14, o 32 vector 16; pack weight"},
           {{"bf16", "bf16", last, "o=80, i=64, h=3, w=3", ""},
            "nest conv_y: parallel h by 2, w by 14; for o by 32, kh, kw, i tile 32; registers h 2, "
            "w "
            "14 rows 14, o 32 vector 16; pack weight"},
           {{"bf16", "bf16", "n=1, c=64, h=9, w=30", "o=80, i=64, h=3, w=3", ""},
            "nest conv_y: parallel h, w by 28; for o by 16, kh, kw, i tile 32; registers w 28 rows "
            "14, o 16 vector 16; pack weight"},
           {{"u8", "i8", "n=1, h=3, w=48, c=16", "o=96, i=16, h=1, w=1", ""},
            "nest conv_y: parallel h; for w, o, i tile 16; registers w 48 rows 16, o 16 vector 16; "
            "pack weight"},
           // Not so where an inner loop leaves part of an outer one.
           {{"bf16", "bf16", "n=1, h=2, w=16, c=192", "o=32, i=192, h=1, w=1", ""},
            "nest conv_y: parallel h; for w, o, i by 96, i by 64, i tile 32; registers w 16 rows "
            "16, "
            "o 16 vector 16; pack weight"},
           {{"bf16", "bf16", "n=1, h=11, w=16, c=32", "o=112, i=32, h=2, w=1", ""},
            "nest conv_y: parallel h, o by 64; for o by 16, w, kh, i tile 32; registers w 16 rows "
            "16, o 16 vector 16; pack weight"},
       }) {
    CAPTURE(c.conv.text(), c.schedule);
    const Made kernel = made(c.conv.text(), c.schedule);
    CHECK(uses_tiles(kernel));
    check(kernel, 5);
  }
}

TEST_CASE("loops that cut a sum amid a step of the matrix unit are refused") {
  const Conv conv{"bf16", "bf16", "n=1, h=4, w=18, c=96", "o=32, i=96, h=3, w=3", ""};
  const auto refused = compiler::compile(
      ir::parse(conv.text()).value(),
      request_for(native_with_tiles(),
                  "nest conv_y: parallel h, w, o; for i by 48, kh, kw, i tile 32; registers w 16 "
                  "rows 16, o 32 vector 16; pack weight"));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.diagnostics().front().message.find("leaves part of a step") != std::string::npos);
}

TEST_CASE("the form for a matrix unit computes every convolution that it takes") {
  const std::vector<Conv> convs = {
      {"bf16", "bf16", "n=1, h=9, w=9, c=32", "o=32, i=32, h=3, w=3", "pad = 1"},
      {"bf16", "bf16", "n=2, c=20, h=7, w=11", "o=18, i=20, h=3, w=3", "pad = 1"},
      {"bf16", "bf16", "n=1, h=17, w=15, c=34", "o=9, i=34, h=3, w=3", "stride = 2, pad = 1"},
      {"bf16", "bf16", "n=1, h=12, w=20, c=16", "o=16, i=16, h=3, w=3", "dilation = 2, pad = 2"},
      {"bf16", "bf16", "n=1, h=6, w=18, c=64", "o=32, i=32, h=3, w=3", "groups = 2, pad = 1"},
      {"bf16", "bf16", "n=1, w=50, c=32", "o=20, i=32, w=5", "pad = 2"},
      {"bf16", "bf16", "n=1, d=4, h=5, w=17, c=16", "o=16, i=16, d=3, h=3, w=3", "pad = 1"},
      // First layers: the taps of a row with the channels.
      {"bf16", "bf16", "n=1, h=20, w=22, c=3", "o=16, i=3, h=7, w=7", "stride = 2, pad = 3"},
      {"bf16", "bf16", "n=2, c=3, h=9, w=18", "o=20, i=3, h=3, w=3", "pad = 1"},
      {"bf16", "bf16", "n=1, w=40, c=2", "o=8, i=2, w=9", "dilation = 2"},
      // ... of bytes in the image's own rows, with zeros of the weight for what a row has behind.
      {"u8", "i8", "n=1, h=20, w=23, c=3", "o=16, i=3, h=7, w=7", "stride = 2, pad = 3"},
      {"i8", "i8", "n=2, h=9, w=18, c=2", "o=20, i=2, h=3, w=3", "pad = 1, x_zero_point = -4"},
      {"u8", "i8", "n=1, w=40, c=2", "o=8, i=2, w=9", "pad = [(3, 7)], stride = 2"},
      {"u8", "i8", "n=2, d=3, h=5, w=18, c=5", "o=16, i=5, d=2, h=3, w=3", "pad = [0, 1, 1]"},
      {"u8", "i8", "n=1, h=7, n=2, w=18, c=3", "o=16, i=3, h=3, w=3", "pad = 1"},
      {"u8", "i8", "n=1, w=18, h=7, c=3", "o=16, i=3, h=3, w=3", "pad = 1"},
      {"u8", "i8", "n=1, h=7, w=18, c=6", "o=16, i=3, h=3, w=3", "pad = 1, groups = 2"},
      {"bf16", "bf16", "n=1, h=6, w=20, c=16", "o=16, i=16, h=3, w=3", "pad = 1, stride = [1, 3]"},
      {"bf16", "bf16", "n=1, h=6, w=18, c=12", "o=10, i=6, h=3, w=3", "groups = 2, pad = 1"},
      {"u8", "i8", "n=2, c=20, h=7, w=18", "o=16, i=20, h=1, w=3", "pad = [0, 1]"},
      // Rows of 512 bytes, a line further apart.
      {"bf16", "bf16", "n=1, h=3, w=17, c=256", "o=16, i=256, h=3, w=3", "pad = 1"},
      {"i8", "i8", "n=1, c=3, h=12, w=33", "o=16, i=3, h=5, w=5", "pad = 2, x_zero_point = -4"},
      {"u8", "i8", "n=1, h=9, w=9, c=32", "o=32, i=32, h=3, w=3", "pad = 1"},
      {"i8", "u8", "n=1, c=20, h=7, w=11", "o=18, i=20, h=3, w=3",
       "pad = 1, x_zero_point = 3, w_zero_point = 5"},
      // A kernel of one tap, channels apart: every second place is copied, and those beyond.
      {"bf16", "bf16", "n=1, c=34, h=9, w=33", "o=18, i=34, h=1, w=1", "stride = 2"},
      {"i8", "i8", "n=2, c=20, h=7, w=34", "o=18, i=20, h=1, w=1",
       "stride = [3, 2], pad = [2, 0], x_zero_point = -4"},
      {"u8", "i8", "n=1, h=9, w=40, c=3", "o=16, i=3, h=1, w=7", "stride = 2, pad = [0, 3]"},
      {"u8", "u8", "n=1, h=9, w=19, c=70", "o=24, i=70, h=1, w=1", "x_zero_point = 7",
       "%y = requantize %0 {scale = 0.01, zero_point = 3} : u8[n=1, h=9, w=19, c=24]"},
  };
  for (const Conv& conv : convs) {
    CAPTURE(conv.text());
    const Made kernel = made(conv.text(), "form conv_y tile");
    check(kernel, 7);
  }
}

TEST_CASE("what lies behind a row of bytes is not read beyond the image's copy, nor counts") {
  // 7 taps of 3 channels are 21 bytes, and a row of products has 24.
  const Conv bytes = {"u8", "i8", "n=1, h=20, w=23, c=3", "o=16, i=3, h=7, w=7", "stride = 2"};
  const std::string loops = to_string(made(bytes.text(), "form conv_y tile").compiled.stages.loops);
  CHECK(loops.find("x_staged: scratch u8[1][19][1][72]") != std::string::npos); // 23 pixels, 1 more
  // Not where they would take a second product: 5 taps of 11 channels are 60 bytes with a twelfth,
  // and 8 taps without, the least that are groups of four, 88.
  const Conv odd = {"u8", "i8", "n=1, h=9, w=28, c=11", "o=16, i=11, h=5, w=5", "pad = 2"};
  CHECK(to_string(made(odd.text(), "form conv_y tile").compiled.stages.loops).find("[1][384]") !=
        std::string::npos);
  // A number of bf16 behind a row may be infinite, and 0 times that is none: pixels have 4
  // channels.
  const Conv halves = {"bf16", "bf16", bytes.sizes, bytes.filter, bytes.attributes};
  const std::string pixels =
      to_string(made(halves.text(), "form conv_y tile").compiled.stages.loops);
  CHECK(pixels.find("x_staged: scratch bf16[1][19][1][92]") != std::string::npos);
}

TEST_CASE("results of a matrix unit that fill half a vector are stored two vectors at a time") {
  const auto stores = [](const char* channels, const char* behind) {
    const Conv conv = {"bf16", "bf16", "n=1, h=4, w=20, c=32", channels, "", behind};
    return to_string(made(conv.text(), "form conv_y tile").compiled.stages.loops);
  };
  CHECK(stores("o=32, i=32, h=1, w=1", "%y = relu %0").find(" x32 = bf16_flushed(max(0, load") !=
        std::string::npos);
  CHECK(stores("o=16, i=32, h=1, w=1", "%y = relu %0").find(" x16 = bf16_flushed(max(0, load") !=
        std::string::npos);
  CHECK(stores("o=32, i=32, h=1, w=1", "%y = convert %0 : f32[n=1, h=4, w=20, c=32]")
            .find(" x16 = load") != std::string::npos);
}

TEST_CASE("transposed convolutions of every kind, by dot products and by a matrix unit") {
  const std::string relu = "%y = relu %0", word = "conv_transpose";
  const std::vector<Conv> convs = {
      {"bf16", "bf16", "n=1, h=5, w=18, c=32", "i=32, h=4, w=4, o=20", "stride = 2, pad = 1", relu,
       word},
      // Phases of one, two and four taps.
      {"bf16", "bf16", "n=2, c=20, h=7, w=11", "i=20, o=18, h=3, w=3",
       "stride = 2, pad = 1, output_padding = 1", relu, word},
      {"bf16", "bf16", "n=1, h=7, w=17, c=16", "i=16, h=3, w=3, o=18", "pad = 1", relu, word},
      {"bf16", "bf16", "n=1, c=32, w=27", "i=32, o=9, w=9", "stride = 2, dilation = 3", relu, word},
      // Outputs that no tap reaches.
      {"bf16", "bf16", "n=1, h=9, w=17, c=8", "i=8, o=6, h=2, w=2", "stride = 3", relu, word},
      {"u8", "i8", "n=1, h=7, w=17, c=16", "i=16, h=3, w=3, o=18", "stride = 2, pad = 1", relu,
       word},
      // Zero points: sums of a weight for each phase, and of windows.
      {"i8", "u8", "n=1, h=5, w=17, c=16", "i=16, h=3, w=3, o=18",
       "stride = 2, pad = 1, x_zero_point = 3, w_zero_point = 5", relu, word},
      {"u8", "u8", "n=1, c=32, h=4, w=17", "i=32, o=5, h=4, w=4",
       "groups = 2, stride = 3, pad = 2, x_zero_point = 3, w_zero_point = 5", relu, word},
      {"i8", "i8", "n=2, c=8, w=17", "i=8, o=3, w=5",
       "stride = 2, w_zero_point = [1, -2, 3], x_zero_point = -7", relu, word},
      // Residues that are one phase, and rows of them some way apart.
      {"u8", "i8", "n=1, c=32, w=17", "i=32, o=9, w=16",
       "groups = 2, stride = 16, x_zero_point = 3", relu, word},
      {"i8", "i8", "n=1, c=6, w=20", "i=6, o=9, w=33", "stride = 31, dilation = 29", relu, word},
      {"i8", "i8", "n=1, d=3, h=4, w=20, c=6", "i=6, o=9, d=2, h=2, w=2", "stride = 2", relu, word},
      {"u8", "i8", "n=1, h=4, w=16, c=32", "i=32, h=4, w=4, o=12",
       "stride = 2, pad = 1, "
       "x_zero_point = 9",
       "%y = requantize %0 {scale = 0.01, zero_point = 3} : u8[n=1, h=8, w=32, c=12]", word},
  };
  for (const Conv& conv : convs)
    for (const char* form : {"dot", "tile"})
      for (const std::string& target : {native_with_tiles(), std::string("x86-64-v3")}) {
        if (target == "x86-64-v3" && (form == std::string("tile") || conv.x == "bf16")) continue;
        CAPTURE(conv.text(), form, target);
        const Made kernel =
            made(conv.text(), fmt::format("form conv_transpose_y {}", form), target);
        CHECK(kernel.compiled.report.forms.front().chosen == form);
        check(kernel, 7);
      }
}

TEST_CASE("layers with work enough take the matrix unit by themselves, and others do not") {
  const auto takes = [](const Conv& conv, const std::string& target) {
    return uses_tiles(made(conv.text(), "auto", target));
  };
  const Conv dense{"bf16", "bf16", "n=1, h=28, w=28, c=128", "o=128, i=128, h=3, w=3", "pad = 1"};
  const Conv bytes{"u8", "i8", "n=1, h=28, w=28, c=128", "o=128, i=128, h=3, w=3", "pad = 1"};
  const Conv up{"bf16",
                "bf16",
                "n=1, h=28, w=28, c=128",
                "i=128, h=4, w=4, o=128",
                "stride = 2, pad = 1",
                "%y = relu %0",
                "conv_transpose"};
  Conv up_of_bytes = up;
  up_of_bytes.x = "u8", up_of_bytes.w = "i8";
  for (const Conv& conv : {dense, bytes, up, up_of_bytes}) {
    CHECK(takes(conv, "sapphirerapids"));
    CHECK_FALSE(takes(conv, "sapphirerapids-amx-tile"));
    CHECK_FALSE(takes(conv, "znver4"));
  }
  const Conv small{"bf16", "bf16", "n=1, h=3, w=3, c=4", "o=4, i=4, h=3, w=3", "pad = 1"};
  CHECK_FALSE(takes(small, "sapphirerapids"));
}
