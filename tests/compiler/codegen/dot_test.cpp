// Dot products as code: bytes exactly on every target, bf16 bit for bit without vdpbf16ps and
// within the stated rule with it.

#include "compiler/target/target.h"
#include "ir/number.h"
#include "tests/support/catch.h"
#include "tests/support/loop_kernel.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace volute;
using namespace volute::ir;
using namespace volute::tests;

namespace {

constexpr ElementType f32 = ElementType::f32, f64 = ElementType::f64, f16 = ElementType::f16,
                      bf16 = ElementType::bf16, i8 = ElementType::i8, u8 = ElementType::u8,
                      i32 = ElementType::i32, i64 = ElementType::i64;
constexpr int64_t groups = 960; // a multiple of every number of lanes below

struct Kinds {
  ElementType wide, a, b;
  int32_t ways;
};

enum class Repeated : uint8_t { none, a, b };

/// y = acc + the dot products of a and b, `lanes` at a time; or with one group of a or b for all.
LoopProgram dots(const Kinds& kinds, int32_t lanes, Repeated repeated = Repeated::none) {
  LoopProgram program;
  program.name = "dot";
  const int64_t narrow = groups * kinds.ways;
  program.buffers = {plain_buffer("acc", Buffer::Role::input, kinds.wide, groups),
                     plain_buffer("a", Buffer::Role::input, kinds.a, narrow),
                     plain_buffer("b", Buffer::Role::input, kinds.b, narrow),
                     plain_buffer("y", Buffer::Role::output, kinds.wide, groups)};
  Step step;
  step.name = "dot";
  step.vars = {"i"};
  const Affine i = Var{0};
  step.items = {{Var{0}, groups / lanes}};
  step.views = {{"acc", 0, kinds.wide, contiguous({groups})},
                {"a", 1, kinds.a, contiguous({narrow})},
                {"b", 2, kinds.b, contiguous({narrow})},
                {"y", 3, kinds.wide, contiguous({groups})}};
  const int32_t lane_dim = lanes > 1 ? 0 : -1, all = lanes * kinds.ways;
  const auto operand = [&](ElementType type, int32_t view, bool is_repeated) {
    const int32_t read = is_repeated ? kinds.ways : all;
    return splat_to(all, load(type, read, Load{view, {read * i}, 0, 1, 0, read}));
  };
  const Expr acc = load(kinds.wide, lanes, Load{0, {lanes * i}, lane_dim, 1, 0, lanes});
  const Expr value = dot(kinds.ways, acc, operand(kinds.a, 1, repeated == Repeated::a),
                         operand(kinds.b, 2, repeated == Repeated::b));
  step.body = stmt(Store{3, {lanes * i}, lane_dim, 1, lanes, value});
  program.steps = {std::move(step)};
  return program;
}

Memory filled(const LoopProgram& program, uint64_t seed) {
  Dice dice(seed);
  Memory memory = allocate(program.buffers);
  for (size_t i = 0; i < 3; ++i) fill_randomly(memory[i], program.buffers[i].element, dice);
  return memory;
}

bool has_bf16_instruction(const std::string& target) {
  return compiler::parse_target(target).value().has("avx512bf16");
}

int64_t count(const std::string& text, const std::string& part) {
  int64_t found = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++found;
  return found;
}

} // namespace

TEST_CASE("dot products of bytes are exact and wrap, of any signs and number of lanes") {
  for (const ElementType a : {u8, i8})
    for (const ElementType b : {u8, i8})
      for (const int32_t lanes : {1, 2, 3, 4, 8, 12, 16}) {
        const LoopProgram program = dots({i32, a, b, 4}, lanes);
        INFO(to_string(a) << " by " << to_string(b) << " x" << lanes);
        CHECK(disagreement(program, filled(program, 3)) == "");
      }
}

TEST_CASE("the largest bytes do not saturate on the way") {
  for (const auto& [first, second] : {std::pair(255, -128), std::pair(255, 127)}) {
    const LoopProgram program = dots({i32, u8, i8, 4}, 16);
    Memory memory = filled(program, 5);
    std::fill(memory[1].begin(), memory[1].end(), static_cast<std::byte>(first));
    std::fill(memory[2].begin(), memory[2].end(), static_cast<std::byte>(second));
    CHECK(disagreement(program, memory) == "");
  }
}

TEST_CASE("dot products of every other pair of types are the evaluator's") {
  std::vector<std::string> exact;
  for (const std::string& target : runnable_targets())
    if (!has_bf16_instruction(target)) exact.push_back(target);
  for (const Kinds& kinds :
       {Kinds{f32, bf16, bf16, 2}, Kinds{f32, f16, f16, 2}, Kinds{f32, f16, bf16, 2},
        Kinds{f64, f32, f32, 2}, Kinds{f64, bf16, f16, 4}, Kinds{i64, i32, i32, 2},
        Kinds{i64, u8, i8, 8}})
    for (const int32_t lanes : {1, 4, 8, 16}) {
      if (lanes * kinds.ways > 64) continue;
      const LoopProgram program = dots(kinds, lanes);
      const bool is_bf16 = kinds.a == bf16 && kinds.b == bf16;
      INFO(kinds.ways << " of " << to_string(kinds.a) << " x" << lanes);
      CHECK(disagreement(program, filled(program, 4), is_bf16 ? exact : runnable_targets()) == "");
    }
}

TEST_CASE("vdpbf16ps is as close to two fused multiply-adds as is said") {
  const auto is_denormal = [](double x) { return x != 0 && std::fabs(x) < 0x1p-126; };
  int64_t compared = 0, plain = 0;
  for (const std::string& target : runnable_targets()) {
    if (!has_bf16_instruction(target)) continue;
    for (const int32_t lanes : {1, 4, 8, 16})
      for (uint64_t seed = 0; seed < 20; ++seed) {
        const LoopProgram program = dots({f32, bf16, bf16, 2}, lanes);
        Memory wanted = filled(program, seed);
        // Half of them around 1, where sums cancel, the others anywhere.
        Dice dice(seed);
        for (size_t i = 0; i < 3; ++i)
          for (size_t at = 0; seed % 2 == 0 && at < wanted[i].size();
               at += static_cast<size_t>(size_of(program.buffers[i].element)))
            write_real(&wanted[i][at], program.buffers[i].element, dice.normal());
        Memory found = wanted;
        evaluate(program, wanted);
        REQUIRE(LoopKernel(program, target).run(found) == 0);
        for (size_t l = 0; l < groups; ++l) {
          const double acc = read_real(&wanted[0][4 * l], f32);
          const double x = read_real(&found[3][4 * l], f32), y = read_real(&wanted[3][4 * l], f32);
          double sum = std::fabs(acc), flushed = 0;
          bool any_denormal = is_denormal(acc) || is_denormal(y);
          double odd = 0;
          for (size_t k = 0; k < 2; ++k) {
            const double a = read_real(&wanted[1][4 * l + 2 * k], bf16);
            const double b = read_real(&wanted[2][4 * l + 2 * k], bf16);
            sum += std::fabs(a * b);
            if (is_denormal(a) || is_denormal(b)) flushed += std::fabs(a * b), any_denormal = true;
            if (k == 1) odd = acc + a * b;
          }
          if (!(sum < 0x1p127)) continue;
          ++compared;
          any_denormal |= is_denormal(odd);
          INFO(target << ": " << x << ", not " << y);
          CHECK(std::fabs(x - y) <= 0x1p-21 * sum + 0x1p-124 + flushed);
          // Measured there; other makers may add in another order.
          if (any_denormal || compiler::host().name != "sapphirerapids") continue;
          ++plain;
          CHECK((x == y && std::signbit(x) == std::signbit(y)));
        }
      }
  }
  if (has_bf16_instruction("native")) CHECK(compared > 10000);
  if (compiler::host().name == "sapphirerapids") CHECK(plain > 1000);
}

TEST_CASE("targets use the instruction that they have, with its broadcast") {
  const auto assembly = [](const LoopProgram& program, const std::string& target) {
    return compiler::generate(program, compiler::parse_target(target).value(), {.assembly = true})
        .value()
        .assembly;
  };
  const LoopProgram bytes = dots({i32, u8, i8, 4}, 16),
                    same = dots({i32, u8, i8, 4}, 16, Repeated::b);
  for (const auto& [target, instruction, times] :
       {std::tuple("znver4", "\tvpdpbusd", 1), std::tuple("alderlake", "\tvpdpbusd", 2),
        std::tuple("x86-64-v4", "\tvpmaddwd", 2), std::tuple("x86-64-v3", "\tvpmaddwd", 4),
        std::tuple("x86-64", "\tpmaddwd", 8)}) {
    const std::string text = assembly(bytes, target);
    INFO(target << "\n" << text);
    CHECK(count(text, instruction) == times);
    CHECK(count(text, "pmaddubsw") == 0);
  }
  CHECK(count(assembly(same, "znver4"), "{1to16}") == 1);
  for (const Repeated repeated : {Repeated::a, Repeated::b}) {
    const std::string text = assembly(dots({f32, bf16, bf16, 2}, 16, repeated), "znver4");
    INFO(text);
    CHECK(count(text, "\tvdpbf16ps") == 1);
    CHECK(count(text, "{1to16}") == 1);
    CHECK(count(text, "vcvtneps2bf16") == 0);
  }
}
