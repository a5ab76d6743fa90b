// Products of matrices as code, on the processor where it has them and else on the emulator: the
// evaluator of loops must agree with both to the last bit.

#include "compiler/target/target.h"
#include "ir/normal.h"
#include "ir/number.h"
#include "tests/support/catch.h"
#include "tests/support/loop_kernel.h"
#include "tests/support/tile_emulator.h"

#include <fmt/format.h>

#include <cstring>

using namespace volute;
using namespace volute::ir;
using namespace volute::tests;

namespace {

constexpr ElementType f32 = ElementType::f32, bf16 = ElementType::bf16, i8 = ElementType::i8,
                      u8 = ElementType::u8, i32 = ElementType::i32;
constexpr auto unrolled = For::Kind::unrolled, serial = For::Kind::serial;

struct Shape {
  ElementType a, b;
  int32_t rows, lanes, steps;
  int64_t apart = 1;     // elements from row to row of a, in rows
  int64_t trips = 3;     // of products
  bool bypasses = false; // L1, of b
  ElementType sum() const { return a == bf16 ? f32 : i32; }
  int32_t ways() const { return a == bf16 ? 2 : 4; }
};

/// y = the sum over `trips` of products of matrices, two side by side, each of another b.
LoopProgram products(const Shape& s) {
  LoopProgram program;
  program.name = "tiles";
  const int32_t in_a = s.steps * s.ways(), in_b = s.lanes * s.ways();
  const int64_t rows_of_a = (s.rows - 1) * s.apart + 1;
  program.buffers = {
      plain_buffer("a", Buffer::Role::input, s.a, rows_of_a * s.trips * in_a),
      plain_buffer("b", Buffer::Role::input, s.b, s.trips * 2 * s.steps * in_b),
      plain_buffer("y", Buffer::Role::output, s.sum(), int64_t{s.rows} * 2 * s.lanes)};
  Step step;
  step.name = "tiles";
  step.vars = {"k", "v"};
  const Affine k = Var{0}, v = Var{1};
  step.views = {{"a", 0, s.a, contiguous({rows_of_a, s.trips * in_a})},
                {"b", 1, s.b, contiguous({s.trips, 2, s.steps, in_b})},
                {"y", 2, s.sum(), contiguous({s.rows, 2 * s.lanes})}};
  step.arrays = {{"acc", s.sum(), s.lanes, {2}, s.rows},
                 {"a_", s.a, in_a, {}, s.rows},
                 {"b_", s.b, in_b, {2}, s.steps}};
  const auto each = [&](Stmt body) { return for_loop(Var{1}, Range::of(0, 2), unrolled, body); };
  const TileRegister acc{0, {v}}, a{1, {}}, b{2, {v}};
  Tile multiply{Tile::Kind::multiply, acc};
  multiply.a = a, multiply.b = b;
  Tile load_b{Tile::Kind::load, b, 1, {k, v, 0, 0}, 2, 1};
  load_b.bypasses = s.bypasses;
  step.body = block({each(stmt(Tile{Tile::Kind::zero, acc})),
                     for_loop(Var{0}, Range::of(0, s.trips), serial,
                              block({stmt(Tile{Tile::Kind::load, a, 0, {0, k * in_a}, 0, s.apart}),
                                     each(stmt(std::move(load_b))), each(stmt(multiply))})),
                     each(stmt(Tile{Tile::Kind::store, acc, 2, {0, v * s.lanes}, 0, 1}))});
  program.steps = {std::move(step)};
  return program;
}

Memory filled(const LoopProgram& program, Dice& dice) {
  Memory memory = allocate(program.buffers);
  for (size_t i = 0; i < 2; ++i) fill_randomly(memory[i], program.buffers[i].element, dice);
  return memory;
}

} // namespace

TEST_CASE("a step's tiles are configured, used by their numbers, and released") {
  const LoopProgram program = products({bf16, bf16, 14, 16, 16});
  const LoopKernel kernel(program, "sapphirerapids", true);
  const std::string& text = kernel.code().assembly;
  size_t at = 0;
  for (const char* next : {"ldtilecfg", "tilezero\t%tmm0", "tilezero\t%tmm1", "tileloadd\t",
                           "%tmm2", "tileloadd\t", "%tmm3", "tileloadd\t", "%tmm4",
                           "tdpbf16ps\t%tmm3, %tmm2, %tmm0", "tdpbf16ps\t%tmm4, %tmm2, %tmm1",
                           "tilestored\t%tmm0", "tilestored\t%tmm1", "tilerelease"}) {
    CAPTURE(text, next);
    at = text.find(next, at);
    REQUIRE(at != std::string::npos);
  }
  for (const auto& [a, b, name] : {std::tuple{i8, i8, "tdpbssd"},
                                   {i8, u8, "tdpbsud"},
                                   {u8, i8, "tdpbusd"},
                                   {u8, u8, "tdpbuud"}}) {
    const LoopKernel bytes(products({a, b, 16, 16, 16}), "sapphirerapids", true);
    CHECK(bytes.code().assembly.find(name) != std::string::npos);
  }
}

TEST_CASE("what passes L1 by is loaded with that hint, and is the same numbers") {
  const LoopProgram program = products({u8, i8, 13, 12, 9, 2, 3, true});
  const LoopKernel kernel(program, "sapphirerapids", true);
  CHECK(kernel.code().assembly.find("tileloaddt1\t") != std::string::npos);
  CHECK(kernel.code().assembly.find("tileloadd\t") != std::string::npos); // of the other factor
  const TileEmulator emulator;
  Dice dice(13);
  const Memory memory = filled(program, dice);
  CHECK(disagreement(program, memory, {native_with_tiles()}) == "");
}

TEST_CASE("a target without a matrix unit refuses loops with tiles") {
  const auto refusal = [](const LoopProgram& program, const char* target) {
    const auto code = compiler::generate(program, compiler::parse_target(target).value());
    REQUIRE_FALSE(code.has_value());
    return to_string(code.diagnostics().front());
  };
  const LoopProgram program = products({bf16, bf16, 14, 16, 16});
  CHECK(refusal(program, "znver4") ==
        "step tiles: its registers have rows, and znver4 has no matrix unit (amx-tile)");
  CHECK(refusal(program, "sapphirerapids-amx-bf16") ==
        "step tiles: sapphirerapids-amx-bf16 does not multiply tiles of bf16");
}

TEST_CASE("the evaluator, the emulator and the processor agree on products of matrices") {
  const TileEmulator emulator;
  const int64_t before = TileEmulator::executed();
  Dice dice(11);
  for (const auto& [a, b] :
       {std::pair{bf16, bf16}, {u8, i8}, {i8, u8}, {i8, i8}, {u8, u8}, {bf16, bf16}})
    for (int i = 0; i < 12; ++i) {
      Shape shape{a, b, static_cast<int32_t>(dice.between(1, 16)),
                  static_cast<int32_t>(dice.between(1, 16)),
                  static_cast<int32_t>(dice.between(1, 16))};
      shape.apart = dice.between(1, 3);
      shape.trips = dice.between(1, 4);
      CAPTURE(to_string(a), to_string(b), shape.rows, shape.lanes, shape.steps, shape.apart);
      const LoopProgram program = products(shape);
      CHECK(disagreement(program, filled(program, dice), {native_with_tiles()}) == "");
    }
  if (!has_tiles()) CHECK(TileEmulator::executed() > before);
}

TEST_CASE("numbers of six scales, subnormal ones too, are summed up alike") {
  const TileEmulator emulator;
  Dice dice(12);
  for (const double scale : {1e-38, 1e-30, 1e-19, 1.0, 1e19, 1e30}) {
    const LoopProgram program = products({bf16, bf16, 16, 16, 16});
    Memory memory = allocate(program.buffers);
    for (size_t b = 0; b < 2; ++b)
      for (size_t at = 0; at + 2 <= memory[b].size(); at += 2)
        write_real(&memory[b][at], bf16, round_to(bf16, scale * dice.normal()));
    CAPTURE(scale);
    CHECK(disagreement(program, memory, {native_with_tiles()}) == "");
  }
}

TEST_CASE("loops with tiles are read as they are printed") {
  const LoopProgram program = normal_form(products({u8, i8, 13, 12, 9, 2}));
  const std::string text = to_string(program.steps.front(), program.buffers);
  CHECK(text.find("registers acc[2]: i32x12 rows 13") != std::string::npos);
  CHECK(text.find("tile a_ = load a[0, 36*k] rows along dim 0 step 2") != std::string::npos);
  CHECK(text.find("tile acc[v] += a_ * b_[v]") != std::string::npos);
  CHECK(text.find("tile store y[0, 12*v] rows along dim 0 = acc[v]") != std::string::npos);
  const LoopProgram past = normal_form(products({u8, i8, 13, 12, 9, 2, 3, true}));
  const std::string all = to_string(past);
  CHECK(all.find("tile b_[v] = load b[k, v, 0, 0] rows along dim 2 bypass\n") != std::string::npos);
  CHECK(to_string(parse_loops(all).value()) == all);
}
