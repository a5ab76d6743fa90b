// Which lines are asked for ahead of their use.

#include "compiler/pipeline.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/stages.h"

#include <sstream>
#include <string>

using namespace volute;
using namespace volute::compiler;

namespace {

Stages stages_of(const std::string& x, const std::string& schedule) {
  CompileRequest request = tests::request_for("x86-64-v4", schedule);
  const std::string text = "program @p(%x: " + x +
                           ", %w: f32[o=64, i=32, h=1, w=1]) {\n"
                           "  %y = conv %x, %w\n  return %y }";
  return specialise_program(ir::parse(text).value(), request).value();
}

/// The loops over the sum with what they ask for.
std::string loops(const std::string& x, const std::string& schedule) {
  const ir::LoopProgram program = stages_of(x, schedule).loops;
  std::istringstream lines(to_string(program.steps.back(), program.buffers));
  std::string kept;
  for (std::string line; std::getline(lines, line);)
    if (line.find("for ") != std::string::npos || line.find("prefetch") != std::string::npos ||
        line.find("when") != std::string::npos)
      kept += line + "\n";
  return kept;
}

const char* const first = "f32[n=1, c=32, h=20, w=48]";
const char* const last = "f32[n=1, h=20, w=48, c=32]";

} // namespace

TEST_CASE("rows of vectors are asked for a tile ahead, each at its tap") {
  // 960 pixels a channel; the next tile is 32 pixels further.
  CHECK(loops(first, "flatten h, w; parallel hw; for o by 4, i; registers o 4, hw 32 vector 16; "
                     "pack weight; prefetch x") == R"(  for o_t in 0..16:
    for i in 0..32:
      prefetch x + 32*hw_t + 960*i + 32
      prefetch x + 32*hw_t + 960*i + 48
)");
}

TEST_CASE("tiles that read the same rows take turns at asking for them") {
  // Four tiles of output channels, eight trips in each: every one of the 32 channels once.
  CHECK(loops(first, "flatten h, w; parallel hw; for o by 16, i by 4, i; registers o 16, hw 16 "
                     "vector 16; pack weight; prefetch x") == R"(  for o_t in 0..4:
    for i_t in 0..8:
      for i in 0..4:
      prefetch x + 16*hw_t + 7680*o_t + 960*i_t + 16
)");
  // Of more tiles, the first four.
  CHECK(loops(first, "flatten h, w; parallel hw; for o by 8, i by 4, i; registers o 8, hw 16 "
                     "vector 16; pack weight; prefetch x") == R"(  for o_t in 0..8:
    for i_t in 0..8:
      for i in 0..4:
      when 0 <= o_t < 4:
        prefetch x + 16*hw_t + 7680*o_t + 960*i_t + 16
)");
}

TEST_CASE("of a tile that is one block of memory, a line is asked for at each tap") {
  // Six pixels of 32 channels: the next 192 elements, six further at each of the 32 taps.
  CHECK(loops(last, "flatten h, w; parallel hw; for o by 32, i; registers hw 6, o 32 vector 16; "
                    "pack weight; prefetch x") == R"(  for o_t in 0..2:
    for i in 0..32:
      prefetch x + 192*hw_t + 6*i + 192
)");
}

TEST_CASE(
    "tiles that read the same panel of a packed weight ask for the next one, each its share") {
  // Four lines of 16 channels a step, two for each of two tiles. A panel is 32 steps of them.
  CHECK(loops("f32[n=1, c=32, h=2, w=10]",
              "parallel o by 64; for h, w by 10, i; registers w 10, o 64 vector 16; "
              "pack weight; prefetch w") == R"(  for h in 0..2:
    for i in 0..32:
      prefetch w_packed + 32*h + 64*i + 2048
      prefetch w_packed + 32*h + 64*i + 2064
)");
  // There are more tiles than lines: those that come later ask for what comes later.
  CHECK(loops(first, "flatten h, w; parallel hw by 320, o by 32; for hw by 10, i; registers hw 10, "
                     "o 32 vector 16; pack weight; prefetch w") == R"(  for hw_t_2 in 0..32:
    for i in 0..32:
      prefetch w_packed + 1024*o_t + 16*hw_t_2 + 32*i + 1024
)");
}

TEST_CASE("a tile that alone reads a panel asks for what it reads 16 KiB later") {
  // A step is 32 channels of 4 bytes.
  CHECK(loops("f32[n=1, c=32, h=1, w=10]",
              "parallel o by 32; for h, w by 10, i; registers w 10, o 32 vector 16; "
              "pack weight; prefetch w") == R"(  for i in 0..32:
    prefetch w_packed + 1024*o_t + 32*i + 4096
    prefetch w_packed + 1024*o_t + 32*i + 4112
)");
}
