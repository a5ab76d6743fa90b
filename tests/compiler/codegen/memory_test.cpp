// Accesses of every element type: parts of vectors, lanes apart, transposed tiles, tables, scratch
// and scattered writes, as code and on the evaluator.

#include "compiler/target/target.h"
#include "tests/support/catch.h"
#include "tests/support/loop_kernel.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

using namespace volute;
using namespace volute::ir;
using namespace volute::tests;

namespace {

constexpr ElementType f32 = ElementType::f32, i64 = ElementType::i64;
constexpr auto serial = For::Kind::serial, unrolled = For::Kind::unrolled;

/// One step over x and y, of one type, between walls.
LoopProgram copy_program(ElementType type, int64_t x, int64_t y) {
  LoopProgram program;
  program.name = "copy";
  program.buffers = {plain_buffer("x", Buffer::Role::input, type, x),
                     plain_buffer("y", Buffer::Role::output, type, y)};
  Step step;
  step.name = "copy";
  step.vars = {"h", "k", "r", "u"};
  step.views = {{"x", 0, type, contiguous({x})}, {"y", 1, type, contiguous({y})}};
  program.steps = {std::move(step)};
  return program;
}
const Var h{0}, k{1}, r{2}, u{3};

// Masks of every element, of wide ones, of none; and the shuffles that each of these has.
const std::vector<std::string> few_targets = {"native", "native-avx512bw", "x86-64-v3", "x86-64"};

std::string disagreement_of(const LoopProgram& program, uint64_t seed,
                            const std::vector<std::string>& targets = runnable_targets()) {
  Dice dice(seed);
  Memory memory = allocate(program.buffers);
  for (size_t i = 0; i < memory.size(); ++i)
    if (program.buffers[i].role == Buffer::Role::input ||
        program.buffers[i].role == Buffer::Role::output)
      fill_randomly(memory[i], program.buffers[i].element, dice);
  std::vector<std::string> here;
  for (const std::string& target : targets)
    if (const auto parsed = compiler::parse_target(target);
        parsed && compiler::runs_on(*parsed, compiler::host()))
      here.push_back(target);
  return disagreement(program, memory, here);
}

} // namespace

TEST_CASE("parts of vectors and lanes apart touch what they say and nothing else") {
  for (const ElementType type : all_types) {
    for (const int32_t lanes : {2, 7, 16, 64}) {
      // Every access ends at the wall behind its buffer.
      LoopProgram program = copy_program(type, 0, 0);
      program.buffers.clear();
      program.steps.clear();
      for (const int64_t step : {1, 2, 3, 5, -1, 0}) {
        for (const auto& [first, count] : {std::pair(0, lanes), std::pair(0, lanes - 1),
                                           std::pair(1, lanes / 2), std::pair(lanes - 1, 1)}) {
          const int64_t last = step * (first + count - 1);
          const int64_t size = std::max<int64_t>(step < 0 ? 1 + lanes : last + 1, 1);
          const Affine at = step < 0 ? int64_t{lanes} : int64_t{0};
          const auto x = static_cast<int32_t>(program.buffers.size());
          const int64_t stored = step == 0 ? lanes : std::abs(step) * (lanes - 1) + 1;
          program.buffers.push_back(
              plain_buffer(fmt::format("x{}", x), Buffer::Role::input, type, size));
          program.buffers.push_back(
              plain_buffer(fmt::format("y{}", x), Buffer::Role::output, type, lanes));
          program.buffers.push_back(
              plain_buffer(fmt::format("z{}", x), Buffer::Role::output, type, stored));
          Step one;
          one.name = fmt::format("step {} lanes {} at {}", step, count, first);
          one.views = {{"x", x, type, contiguous({size})},
                       {"y", x + 1, type, contiguous({lanes})},
                       {"z", x + 2, type, contiguous({stored})}};
          const Expr value = load(type, lanes, Load{0, {at}, 0, step, first, count, 3.5});
          std::vector<Stmt> stores = {stmt(Store{1, {0}, 0, 1, lanes, value})};
          if (step != 0)
            stores.push_back(stmt(Store{2, {step < 0 ? stored - 1 : 0}, 0, step, count, value}));
          one.body = block(std::move(stores));
          program.steps.push_back(std::move(one));
        }
      }
      INFO(to_string(type) << " x" << lanes);
      CHECK(disagreement_of(program, 5, few_targets) == "");
    }
  }
}

TEST_CASE("tiles of every type and shape are transposed") {
  for (const ElementType type : all_types) {
    LoopProgram program = copy_program(type, 64 * 64, 64 * 64);
    const Step empty = program.steps[0];
    program.steps.clear();
    for (const auto& [lanes, to_lanes, count] : std::vector<std::array<int32_t, 3>>{{2, 2, 2},
                                                                                    {4, 4, 3},
                                                                                    {4, 8, 6},
                                                                                    {8, 4, 4},
                                                                                    {8, 8, 8},
                                                                                    {3, 5, 5},
                                                                                    {16, 16, 14},
                                                                                    {6, 16, 9},
                                                                                    {32, 16, 13},
                                                                                    {64, 8, 7},
                                                                                    {64, 64, 64}}) {
      if (lanes >= 32 && size_of(type) > 2) continue; // beyond any register file
      program.buffers.push_back(plain_buffer(fmt::format("y{}", program.steps.size()),
                                             Buffer::Role::output, type, lanes * count));
      Step step = empty;
      step.name = fmt::format("{} rows of {} lanes", count, lanes);
      step.views[1] = {"y", static_cast<int32_t>(program.buffers.size()) - 1, type,
                       contiguous({lanes, count})};
      step.arrays = {{"a", type, lanes, {count}}, {"t", type, to_lanes, {lanes}}};
      step.body = block(
          {for_loop(
               r, Range::of(0, count), unrolled,
               stmt(Set{0, {r}, load(type, lanes, Load{0, {lanes * Affine(r)}, 0, 1, 0, lanes})})),
           stmt(Transpose{1, 0, {0}, 0, count}),
           for_loop(u, Range::of(0, lanes), unrolled,
                    stmt(Store{1, {u, 0}, 1, 1, count, reg(type, to_lanes, 1, {u})}))});
      program.steps.push_back(std::move(step));
    }
    INFO(to_string(type));
    CHECK(disagreement_of(program, 6, few_targets) == "");
  }
}

TEST_CASE("subscripts through tables are looked up in the image") {
  LoopProgram program = copy_program(f32, 48, 64);
  Step& step = program.steps[0];
  step.views[0].dims = contiguous({6, 8});
  step.views[1].dims = contiguous({2, 4, 8});
  // Reflected rows, and one table whose entries need 64 bits (it is never used for them).
  step.tables = {{2, 1, 0, 1, 2, 3, 4, 5, 4}, {0, 3, 1, int64_t{1} << 40}};
  step.items = {{h, 2}};
  const Expr row = load(f32, 8, Load{0, {{2 * Affine(h) + k + 1, 0}, 0}, 1, 1, 0, 8});
  const Expr both = load(f32, 1, Load{0, {{Affine(k) + r, 0}, {Affine(h) + r, 1}}});
  step.body = for_loop(k, Range::of(0, 4), serial,
                       block({stmt(Store{1, {h, k, 0}, 2, 1, 8, row}),
                              for_loop(r, Range::of(0, 2), unrolled,
                                       stmt(Store{1, {h, k, 3 * Affine(r)}, -1, 1, 1, both}))}));
  CHECK(disagreement_of(program, 8) == "");
  // Twice the same entry is loaded once.
  step.body = for_loop(k, Range::of(0, 4), serial, stmt(Store{1, {h, k, 0}, 2, 1, 8, row + row}));
  CHECK(disagreement_of(program, 8) == "");
}

TEST_CASE("scratch is read back where it was written") {
  LoopProgram program = copy_program(f32, 32, 32);
  for (const auto& [name, offset] : {std::pair("s", 64), std::pair("t", 0)}) {
    Buffer scratch = plain_buffer(name, Buffer::Role::scratch, f32, 16);
    scratch.scratch_offset = offset;
    program.buffers.push_back(scratch);
  }
  Step& step = program.steps[0];
  step.scratch_bytes = 128;
  step.items = {{h, 2}};
  step.views.push_back({"s", 2, f32, contiguous({16})});
  step.views.push_back({"t", 3, f32, contiguous({16})});
  const auto rows = [](int32_t view, Affine at) {
    return load(f32, 8, Load{view, {std::move(at)}, 0, 1, 0, 8});
  };
  const auto store = [](int32_t view, Affine at, Expr value) {
    return stmt(Store{view, {std::move(at)}, 0, 1, 8, std::move(value)});
  };
  step.body = block(
      {for_loop(
           k, Range::of(0, 2), serial,
           block({store(2, 8 * Affine(k), rows(0, 16 * Affine(h) + 8 * Affine(k))),
                  store(3, 8 - 8 * Affine(k), rows(2, 8 * Affine(k)) + rows(2, 8 * Affine(k)))})),
       for_loop(k, Range::of(0, 2), serial,
                store(1, 16 * Affine(h) + 8 * Affine(k),
                      rows(2, 8 * Affine(k)) - rows(3, 8 * Affine(k))))});
  CHECK(disagreement_of(program, 10) == "");
}

TEST_CASE("a scatter writes in order and ends the step at an index outside") {
  for (const ElementType type : all_types) {
    LoopProgram program = copy_program(type, 12, 40);
    program.buffers.push_back(plain_buffer("p", Buffer::Role::input, i64, 12));
    Step& step = program.steps[0];
    step.items = {{h, 2}};
    step.views.push_back({"p", 2, i64, contiguous({12})});
    const Affine at = 6 * Affine(h) + k;
    step.body = for_loop(
        k, Range::of(0, 6), serial,
        stmt(Scatter{
            1, {20 * Affine(h)}, load(i64, 1, Load{2, {at}}), 20, load(type, 1, Load{0, {at}})}));
    REQUIRE(verify(program).empty());
    Dice dice(12);
    Memory memory = allocate(program.buffers);
    fill_randomly(memory[0], type, dice);
    std::vector<int64_t> offsets;
    for (int i = 0; i < 12; ++i) offsets.push_back(dice.between(0, 19));
    offsets[3] = offsets[1];
    const auto set_offsets = [&] {
      std::memcpy(memory[2].data(), offsets.data(), memory[2].size());
    };
    set_offsets();
    INFO(to_string(type));
    CHECK(disagreement(program, memory) == "");
    for (const int64_t outside : {int64_t{20}, int64_t{-1}, INT64_MIN, INT64_MAX}) {
      offsets[5] = outside;
      set_offsets();
      for (const std::string& target : {std::string("native"), std::string("x86-64")}) {
        Memory found = memory;
        CHECK(LoopKernel(program, target).run(found) == 1);
      }
      Memory wanted = memory;
      CHECK_THROWS_AS(evaluate(program, wanted), Error);
    }
  }
}

TEST_CASE("clipped loops and conditions hold stores and registers, whatever decides them") {
  LoopProgram program = copy_program(f32, 64, 64);
  Step& step = program.steps[0];
  step.views[0].dims = step.views[1].dims = contiguous({8, 8});
  step.items = {{h, 8}};
  step.arrays = {{"a", f32, 8, {2}}, {"t", f32, 8, {}}};
  const auto row = [](Affine at) { return load(f32, 8, Load{0, {std::move(at), 0}, 1, 1, 0, 8}); };
  const auto store = [](Affine at, Expr value, int32_t count = 8) {
    return stmt(Store{1, {std::move(at), 0}, 1, 1, count, std::move(value)});
  };
  const Expr t = reg(f32, 8, 1, {});
  // Sums over the rows around h that exist, and over those with k even or h + k in the middle.
  const Range clipped = {{{0, 1}, {1 - Affine(h), 1}}, {{3, 1}, {9 - Affine(h), 1}}};
  const Stmt add = stmt(Set{1, {}, t + row(Affine(h) + k - 1)});
  step.body = block(
      {stmt(Set{1, {}, imm(0, f32, 8)}),
       for_loop(k, clipped, serial, block({add, stmt(When{Affine(h) + 2 * Affine(k), 3, 9, add})})),
       stmt(When{h, 1, 7, store(h, t)}), stmt(When{h, 0, 1, store(h, t, 3)}),
       stmt(When{h, 7, 8, store(h, t, 5)})});
  CHECK(disagreement_of(program, 14) == "");

  // A loop carries what is only sometimes set, and each register of an array by itself.
  const Expr a0 = reg(f32, 8, 0, {0}), a1 = reg(f32, 8, 0, {1});
  step.body = block({stmt(Set{1, {}, row(h)}), stmt(Set{0, {1}, row(0)}),
                     for_loop(k, Range::of(0, 8), serial,
                              block({stmt(When{Affine(h) + k, 3, 6, stmt(Set{1, {}, row(k)})}),
                                     stmt(Set{0, {0}, t + t}), stmt(Set{0, {1}, a1 + a0})})),
                     store(h, a1)});
  CHECK(disagreement_of(program, 18) == "");

  // What verify knows to run may set what is read behind it.
  const Range certain = {{{0, 1}, {1 - Affine(h), 1}}, {{3, 1}, {10 - Affine(h), 1}}};
  const auto set_row = [&](Affine at) { return stmt(Set{1, {}, row(std::move(at))}); };
  step.body = block({for_loop(k, certain, serial, stmt(When{h, -1, 9, set_row(h)})), store(h, t)});
  CHECK(disagreement_of(program, 15) == "");
  step.body = block(
      {stmt(When{2 * Affine(h), 0, 16, block({set_row(h), stmt(Set{0, {0}, row(h) + row(0)})})}),
       stmt(When{h, 2, 5, stmt(Set{0, {1}, t})}), stmt(When{h, 2, 5, store(0, t)}),
       store(h, t + reg(f32, 8, 0, {0}))});
  step.items = {{h, 6}};
  step.views[0].dims = step.views[1].dims = contiguous({6, 8});
  step.body = block({for_loop(r, Range::of(0, 2), unrolled,
                              block({stmt(When{r, 0, 1, set_row(h)}),
                                     stmt(When{r, 1, 2, stmt(Set{0, {r}, t + t})})})),
                     store(h, reg(f32, 8, 0, {1}))});
  CHECK(disagreement_of(program, 16) == "");

  // Unrolled loops may be clipped by unrolled loops around them.
  const Range inner = {{{0, 1}, {1 - Affine(u), 1}}, {{2, 1}, {3 - Affine(u), 1}}};
  step.body =
      for_loop(u, Range::of(0, 3), unrolled,
               for_loop(r, inner, unrolled, store(Affine(u) + r, row(Affine(u) + 2 * Affine(r)))));
  step.items = {};
  CHECK(disagreement_of(program, 17) == "");
}
