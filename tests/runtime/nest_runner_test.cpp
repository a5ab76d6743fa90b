// Nests that are run without code: bit by bit what their evaluator computes, between walls, in
// pieces, with whatever instructions this CPU has.
//
//     VOLUTE_FUZZ_SECONDS=600 VOLUTE_FUZZ_SEED=7 ctest -R runtime/nest_runner
//
// runs longer, and from another seed.
#include "compiler/pipeline.h"
#include "compiler/plain_program.h"
#include "ir/parse.h"
#include "runtime/aligned_memory.h"
#include "runtime/nest_runner.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"
#include "tests/support/guarded_buffer.h"
#include "tests/support/kernel_run.h"
#include "tests/support/random_program.h"
#include "tests/support/stages.h"
#include "tests/support/whole_numbers.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

using namespace volute;
using namespace volute::tests;

namespace {

struct Run {
  int32_t status = 0;
  std::vector<std::vector<std::byte>> buffers; // as Image::buffers
  bool kept_to_itself = true;                  // and wrote nothing around them
};

Run run_without_code(const compiler::PlainProgram& plain, const Tensors& inputs,
                     GuardedBuffer::Wall wall, Dice& dice) {
  std::vector<std::unique_ptr<GuardedBuffer>> memory;
  std::vector<std::byte*> table;
  for (const compiler::ImageBuffer& buffer : plain.image.buffers) {
    memory.push_back(std::make_unique<GuardedBuffer>(static_cast<size_t>(buffer.bytes), wall));
    if (buffer.role == compiler::ImageBuffer::Role::input)
      std::memcpy(memory.back()->data(), inputs.at(buffer.name).bytes.data(),
                  memory.back()->size());
    table.push_back(memory.back()->data());
  }
  Run run;
  for (const ir::Nest& nest : plain.nests.nests) {
    const runtime::NestRunner runner =
        runtime::NestRunner::make(nest, plain.nests.buffers, plain.slots).value();
    const auto scratch = runtime::AlignedMemory::allocate(runner.scratch_bytes());
    REQUIRE(scratch);
    std::memset(scratch.data(), 0xff, static_cast<size_t>(runner.scratch_bytes()));
    for (int64_t begin = 0; begin < runner.work() && run.status == 0;) {
      const int64_t end = dice.between(begin + 1, runner.work());
      run.status = runner.run({table.data(), nullptr}, scratch.data(), begin, end);
      begin = end;
    }
  }
  for (const auto& buffer : memory) {
    run.buffers.emplace_back(buffer->data(), buffer->data() + buffer->size());
    run.kept_to_itself &= buffer->margin_is_untouched();
  }
  return run;
}

/// What differs between a run and the evaluator of the same nests, in words.
std::string differs(const ir::Program& program, const compiler::PlainProgram& plain,
                    const Tensors& inputs, Dice& dice) {
  std::optional<ir::Memory> wanted;
  try {
    wanted = evaluate_nests(plain.nests, program, inputs);
  } catch (const Error&) { // an index in the data is outside its range
  }
  for (const auto wall : {GuardedBuffer::Wall::at_end, GuardedBuffer::Wall::at_begin}) {
    const Run run = run_without_code(plain, inputs, wall, dice);
    if ((run.status == 0) != wanted.has_value()) return "one of the two has refused";
    if (!run.kept_to_itself) return "it wrote beside its buffers";
    if (!wanted) continue;
    for (size_t i = 0; i < plain.image.buffers.size(); ++i) {
      const compiler::ImageBuffer& buffer = plain.image.buffers[i];
      if (buffer.role != compiler::ImageBuffer::Role::output) continue;
      const auto at = std::find(plain.slots.begin(), plain.slots.end(), static_cast<int32_t>(i));
      if (const auto words =
              difference(*buffer.type, run.buffers[i],
                         (*wanted)[static_cast<size_t>(at - plain.slots.begin())], Closeness{}))
        return "%" + buffer.name + ": " + *words;
    }
  }
  return "";
}

compiler::PlainProgram plain_for(const ir::Program& program, const std::string& target,
                                 bool deterministic) {
  compiler::CompileRequest request = tests::request_for(target);
  request.deterministic = deterministic;
  return compiler::plain_program(program, request).value();
}

} // namespace

TEST_CASE("random programs without code give the bits of their evaluator") {
  const uint64_t seconds = number_from("VOLUTE_FUZZ_SECONDS", 0);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  uint64_t seed = number_from("VOLUTE_FUZZ_SEED", 1) * 1'000'000;
  for (int round = 0; round < 300 || std::chrono::steady_clock::now() < end; ++round, ++seed) {
    Dice dice(seed);
    const RandomProgram random = random_program(dice);
    const ir::Program program = ir::parse(random.text()).value();
    const Tensors inputs = arbitrary_numbers(program, dice, 30);
    for (const char* target : {"haswell", "x86-64-v2"}) { // that fuses products and sums, or not
      const compiler::PlainProgram plain = plain_for(program, target, round % 2 == 0);
      INFO(seed << " " << target << "\n" << random.text() << "\n" << to_string(plain.nests));
      REQUIRE(differs(program, plain, inputs, dice) == "");
    }
  }
}

TEST_CASE("layers that fill blocks give the bits of their evaluator") {
  const std::string texts[] = {
      // Images with channels apart and side by side, borders on every side, more than one block.
      "program @p(%x: f32[n=1, c=5, h=19, w=70], %w: f32[o=19, i=5, h=3, w=3], %b: f32[o=19]) {\n"
      "  %0 = conv %x, %w, %b {pad = 1}\n  %y = gelu %0\n  return %y\n}",
      "program @p(%x: f32[n=2, h=9, w=21, c=6], %w: f32[o=130, i=6, h=3, w=3]) {\n"
      "  %0 = conv %x, %w {pad = 2, dilation = 2, stride = 2}\n  %y = relu %0\n  return %y\n}",
      "program @p(%x: f32[n=1, h=12, w=23, c=66], %w: f32[o=66, i=1, h=3, w=3]) {\n"
      "  %y = conv %x, %w {pad = 1, groups = 66}\n  return %y\n}",
      "program @p(%x: u8[n=1, h=8, w=20, c=8], %w: i8[o=70, i=8, h=3, w=3]) {\n"
      "  %y = conv %x, %w {pad = 1, x_zero_point = 3}\n  return %y\n}",
      "program @p(%x: bf16[n=1, c=8, h=9, w=40], %w: bf16[o=20, i=8, h=3, w=3]) {\n"
      "  %y = conv %x, %w {pad = 1}\n  return %y\n}",
      "program @p(%x: f32[n=1, c=3, h=40, w=67]) {\n"
      "  %0, %1 = max_pool %x {kernel = 3, stride = 2, pad = 1}\n  return %0, %1\n}",
      "program @p(%x: f32[n=1, c=70, h=6, w=6], %w: f32[i=70, o=20, h=4, w=4]) {\n"
      "  %y = conv_transpose %x, %w {stride = 2, pad = 1}\n  return %y\n}"};
  for (const std::string& text : texts) {
    INFO(text);
    const ir::Program program = ir::parse(text).value();
    Dice dice(3);
    const Tensors inputs = arbitrary_numbers(program, dice, 1000);
    for (const char* target : {"haswell", "x86-64-v2"})
      CHECK(differs(program, plain_for(program, target, true), inputs, dice) == "");
  }
}
