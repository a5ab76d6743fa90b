// The passes of LLVM's that are left out.

#include "compiler/codegen/codegen.h"
#include "compiler/pipeline.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"
#include "tests/support/random_program.h"

using namespace volute;
using compiler::PassesRun;

namespace {

/// Code of a program's steps, with the passes that are needed and with all.
void require_same_code(const ir::Program& program, const std::string& target) {
  compiler::CompileRequest request;
  request.target = compiler::parse_target(target).value();
  const auto stages = compiler::specialise_program(program, request);
  if (!stages) return; // what the random program asks for is refused
  const auto code = [&](PassesRun run, bool lines) {
    compiler::CodegenRequest how;
    how.passes = run;
    how.lines = lines;
    return compiler::generate(stages->loops, request.target, how).value();
  };
  INFO(target);
  CHECK(code(PassesRun::needed, false).bytes == code(PassesRun::all, false).bytes);
  CHECK(code(PassesRun::needed, true).bytes == code(PassesRun::all, true).bytes);
}

constexpr const char* targets[] = {"x86-64", "haswell", "znver4", "sapphirerapids"};

} // namespace

TEST_CASE("LLVM has every pass that is left out, by its name") {
  for (const char* target : targets)
    CHECK(compiler::unmet_passes(compiler::parse_target(target).value()).empty());
}

TEST_CASE("code is the same with all of LLVM's passes") {
  const char* layers[] = {
      "program @winograd(%x: f32[n=1, c=64, h=28, w=28], %w: f32[o=64, i=64, h=3, w=3]) {\n"
      "  %y = conv %x, %w {pad = 1}\n  return %y\n}\n",
      "program @bytes(%x: u8[n=1, h=14, w=14, c=64], %w: i8[o=64, i=64, h=1, w=1]) {\n"
      "  %y = conv %x, %w\n  return %y\n}\n",
      "program @gelu(%x: bf16[n=1, h=14, w=14, c=32], %w: bf16[o=64, i=32, h=3, w=3]) {\n"
      "  %0 = conv %x, %w\n  %y = gelu %0\n  return %y\n}\n",
      "program @depthwise(%x: f64[n=1, c=8, h=14, w=14], %w: f64[o=8, i=1, h=5, w=5]) {\n"
      "  %y = conv %x, %w {groups = 8, pad = 2}\n  return %y\n}\n",
  };
  for (const char* target : targets)
    for (const char* layer : layers) require_same_code(ir::parse(layer).value(), target);
}

TEST_CASE("code of random programs is the same with all of LLVM's passes") {
  tests::Dice dice(7);
  for (size_t round = 0; round < 12; ++round)
    require_same_code(ir::parse(tests::random_program(dice).text()).value(), targets[round % 4]);
}
