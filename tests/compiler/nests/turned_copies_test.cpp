#include "compiler/nests/turned_copies.h"
#include "tests/support/catch.h"
#include "tests/support/evaluate_nests.h"
#include "tests/support/lowered.h"
#include "tests/support/stages.h"

#include <string>

using namespace volute;
using compiler::with_turned_copy;

namespace {

ir::NestProgram lowered(const std::string& text) { return tests::lowered("program @p" + text); }

bool is_turned(const std::string& text) {
  const ir::NestProgram program = lowered(text);
  REQUIRE(program.nests.size() == 1);
  REQUIRE(program.nests.front().accumulators.empty());
  return !with_turned_copy(program.nests.front()).accumulators.empty();
}

std::vector<std::byte> result(const ir::NestProgram& program) {
  const ir::Memory memory = tests::evaluated(program);
  for (size_t b = 0; b < program.buffers.size(); ++b)
    if (program.buffers[b].role == ir::Buffer::Role::output) return memory[b];
  FAIL("no output");
  return {};
}

compiler::Stages stages(const std::string& text, const std::string& target) {
  return tests::stages_of("program @p" + text, target);
}

const std::string to_first = R"((%x: f32[n=1, h=20, w=21, c=19]) {
  %0 = relu %x
  %y = reorder %0 : f32[n=1, c=19, h=20, w=21]
  return %y })";

} // namespace

TEST_CASE("copies whose result lies along another axis than what they read are turned") {
  CHECK(is_turned(to_first));
  CHECK(is_turned("(%x: u8[n=1, c=19, h=2, w=3]) { %y = reorder %x : u8[n=1, h=2, w=3, c=19] "
                  "return %y }"));
  CHECK(is_turned("(%x: f32[n=1, c=32, h=2, w=3]) { "
                  "%y = reorder %x : f32[n=1, c=2, h=2, w=3, c=16] return %y }"));
}

TEST_CASE("copies along memory stay as they are") {
  CHECK_FALSE(is_turned("(%x: f32[n=1, c=4, w=5]) { %y = relu %x return %y }"));
  // The innermost axis has one element: rows are neighbours on both sides.
  CHECK_FALSE(is_turned("(%x: f32[n=1, c=1, w=5]) { %y = reorder %x : f32[n=1, w=5, c=1] "
                        "return %y }"));
  // One operand lies as the result does; it would be gathered if the tile ran along the other.
  CHECK_FALSE(is_turned("(%x: f32[n=1, w=5, c=4], %z: f32[n=1, c=4, w=5]) { %0 = reorder %x : "
                        "f32[n=1, c=4, w=5] %y = add %0, %z return %y }"));
}

TEST_CASE("a turned copy computes what the copy did") {
  ir::NestProgram program = lowered(to_first);
  const std::vector<std::byte> wanted = result(program);
  program.nests.front() = with_turned_copy(program.nests.front());
  CHECK(result(program) == wanted);
}

TEST_CASE("copies across memory load and store vectors on every target") {
  for (const std::string target : {"znver4", "haswell", "x86-64"}) {
    CAPTURE(target);
    const compiler::Stages made = stages(to_first, target);
    const compiler::Plan& plan = made.plans.begin()->second;
    CHECK(plan.store.kind == compiler::PlannedStore::Kind::transposed);
    REQUIRE(plan.reads.size() == 1);
    CHECK(plan.reads.front().arrival == compiler::Arrival::loaded);
  }
}
