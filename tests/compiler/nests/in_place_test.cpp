#include "compiler/nests/in_place.h"
#include "tests/support/catch.h"
#include "tests/support/lowered.h"

#include <set>

using namespace volute;
using namespace volute::compiler;

namespace {

using Pairs = std::set<std::string>;

Pairs pairs(const ir::NestProgram& nests) {
  Pairs names;
  for (const auto& [input, output] : in_place_pairs(nests))
    names.insert(nests.buffers[static_cast<size_t>(input)].name + " " +
                 nests.buffers[static_cast<size_t>(output)].name);
  return names;
}

Pairs pairs(const std::string& text) { return pairs(tests::lowered(text)); }

} // namespace

TEST_CASE("element-wise operators run in place on any operand of the result's type") {
  CHECK(pairs("program @p(%x: f32[n=2, c=3, w=7]) { %y = relu %x return %y }") == Pairs{"x y"});
  CHECK(pairs("program @p(%a: f32[n=2, c=3, w=7], %b: f32[n=2, c=3, w=7]) {"
              "  %y = add %a, %b return %y }") == Pairs{"a y", "b y"});
  CHECK(pairs("program @p(%x: f32[n=2, c=3, w=7]) {"
              "  %0 = sigmoid %x %1 = relu %0 %y = mul %1, %x return %y }") == Pairs{"x y"});
}

TEST_CASE("a residual runs in place on what is added, and not on what is convolved") {
  const std::string residual =
      "program @p(%x: f32[n=1, c=4, h=6, w=6], %w: f32[o=4, i=4, h=3, w=3],"
      "           %r: f32[n=1, c=4, h=6, w=6]) {"
      "  %0 = conv %x, %w {pad = 1} %1 = add %0, %r %y = relu %1 return %y }";
  CHECK(pairs(residual) == Pairs{"r y"});
  const std::string self = "program @p(%x: f32[n=1, c=4, h=6, w=6], %w: f32[o=4, i=4, h=3, w=3]) {"
                           "  %0 = conv %x, %w {pad = 1} %y = add %0, %x return %y }";
  CHECK(pairs(self) == Pairs{});
}

TEST_CASE("windows, other layouts and per-channel operands are not in place") {
  CHECK(pairs("program @p(%x: f32[n=1, c=4, h=6, w=6]) {"
              "  %y = max_pool %x {kernel = 3, stride = 1, pad = 1} return %y }") == Pairs{});
  CHECK(pairs("program @p(%x: f32[n=1, c=4, h=4, w=4]) {"
              "  %y = relu %x : f32[n=1, h=4, w=4, c=4] return %y }") == Pairs{});
  CHECK(pairs("program @p(%a: f32[n=1, c=4, w=4], %b: f32[c=4]) {"
              "  %y = add %a, %b return %y }") == Pairs{"a y"});
}

TEST_CASE("an input that is read after the output is written is not in place") {
  ir::NestProgram nests =
      tests::lowered("program @p(%x: f32[n=1, c=3, w=7]) { %y = relu %x return %y }");
  REQUIRE(pairs(nests) == Pairs{"x y"});
  ir::NestProgram twice = nests; // the same nest again: it reads x where y was written
  twice.nests.push_back(nests.nests.front());
  CHECK(pairs(twice) == Pairs{});
  ir::NestProgram later = nests;
  ir::Buffer other = nests.buffers.back();
  other.name = "z";
  later.buffers.push_back(other);
  later.nests.push_back(nests.nests.front());
  for (ir::View& view : later.nests.back().operands)
    if (nests.buffers[static_cast<size_t>(view.buffer)].name == "y") view.buffer = 2;
  CHECK(pairs(later) == Pairs{"x z"}); // y is written first, then x is read for z
}

TEST_CASE("a nest that is computed inside another, or writes twice, or scatters, is not in place") {
  const ir::NestProgram nests =
      tests::lowered("program @p(%x: f32[n=1, c=3, w=7]) { %y = relu %x return %y }");
  ir::NestProgram placed = nests;
  placed.nests.front().placement = ir::Placement{0, nests.nests.front().axis("w")->var};
  CHECK(pairs(placed) == Pairs{});
  ir::NestProgram doubled = nests;
  doubled.nests.front().writes.push_back(nests.nests.front().writes.front());
  CHECK(pairs(doubled) == Pairs{});
  ir::NestProgram scattered = nests;
  scattered.nests.front().writes.front().offset = ir::imm_integer(0, ir::ElementType::i64);
  CHECK(pairs(scattered) == Pairs{});
  ir::NestProgram looked_up = nests;
  for (ir::Subscript& subscript : looked_up.nests.front().writes.front().index) subscript.table = 0;
  CHECK(pairs(looked_up) == Pairs{});
}
