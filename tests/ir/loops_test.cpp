#include "ir/loops.h"
#include "tests/ir/loops_small_conv.h"
#include "tests/support/catch.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <limits>

using namespace volute;
using namespace volute::ir;
using small_conv::buffer;

namespace {

constexpr ElementType f32 = ElementType::f32;
constexpr auto serial = For::Kind::serial, unrolled = For::Kind::unrolled;

Expr lanes_of(int32_t view, Index index, int32_t lanes, int32_t lane_dim = 0, int64_t step = 1) {
  Load l{view, std::move(index)};
  l.lane_dim = lane_dim;
  l.lane_step = step;
  l.count = lanes;
  return load(f32, lanes, std::move(l));
}

Stmt store_lanes(int32_t view, Index index, int32_t count, Expr value, int32_t lane_dim = 0) {
  Store s;
  s.view = view;
  s.index = std::move(index);
  s.lane_dim = count > 1 ? lane_dim : -1;
  s.count = count;
  s.value = std::move(value);
  return stmt(std::move(s));
}

// A step from x[16] to y[16] with registers t: f32x4 and rows[4]: f32x4.
Step step_over(Stmt body) {
  Step step;
  step.name = "test";
  step.vars = {"h", "r", "v", "k"};
  step.views = {{"x", 0, f32, contiguous({16})}, {"y", 1, f32, contiguous({16})}};
  step.arrays = {{"t", f32, 4, {}}, {"a", f32, 4, {3}}, {"rows", f32, 4, {4}}};
  step.body = std::move(body);
  return step;
}

LoopProgram program_of(Step step) {
  return {"test",
          {buffer("x", Buffer::Role::input, 16), buffer("y", Buffer::Role::output, 16)},
          {},
          {std::move(step)}};
}

std::vector<float> run(const Step& step) {
  const LoopProgram program = program_of(step);
  for (const Diagnostic& d : verify(program)) FAIL(to_string(d));
  Memory memory = allocate(program.buffers);
  for (int i = 0; i < 16; ++i) small_conv::floats(memory, 0)[i] = static_cast<float>(i + 1);
  evaluate(program, memory);
  return {small_conv::floats(memory, 1), small_conv::floats(memory, 1) + 16};
}

std::string body_text(Stmt body) {
  const LoopProgram program = program_of(step_over(std::move(body)));
  const std::string text = to_string(program.steps[0], program.buffers);
  const std::string last_header = "  registers rows[4]: f32x4\n";
  return text.substr(text.find(last_header) + last_header.size());
}

const Var h{0}, r{1}, v{2}, k{3};
const Stmt leaf = stmt(Set{0, {}, imm(0, f32, 4)});

} // namespace

TEST_CASE("a convolution step prints its registers, its loops and every access") {
  CHECK(to_string(small_conv::loop_program()) == R"(loops small

input x: f32[84]
input k: f32[72]
input b: f32[4]
output y: f32[168]

// conv %0, relu %y
step conv: 6 items of h
  x: input f32[2][6][7]
  k: input f32[2][3][3][4]
  b: input f32[4]
  y: output f32[6][7][4]
  registers acc[7]: f32x4
  unroll r in 0..7:  acc[r] = load b[0] x4
  // sum over taps
  for i in 0..2:
    for kh in max(0, 1 - h)..min(3, 7 - h):
      unroll kw in 0..3, r in max(0, 1 - kw)..min(7, 8 - kw):
        acc[r] = fma(splat x[i, h + kh - 1, r + kw - 1], load k[i, kh, kw, 0] x4, acc[r])
  unroll r in 0..7:  store y[h, r, 0] x4 = max(0, acc[r])
)");
}

TEST_CASE("a convolution step agrees with the nest that it is made from, bit for bit") {
  const NestProgram nest = small_conv::nest_program();
  const LoopProgram loops = small_conv::loop_program();
  CHECK(verify(nest).empty());
  CHECK(verify(loops).empty());
  Memory expected = small_conv::filled(nest.buffers), actual = small_conv::filled(loops.buffers);
  evaluate(nest, expected);
  evaluate(loops, actual);
  CHECK(expected == actual);
}

TEST_CASE("masked lanes are not read and give the fill value") {
  Load l{0, {Affine(-2)}};
  l.lane_dim = 0;
  l.first = 2;
  l.count = 2;
  l.fill = -1.5;
  const Expr masked = load(f32, 4, l);
  const Stmt body = block({stmt(Set{0, {}, masked}), store_lanes(1, {0}, 4, reg(f32, 4, 0, {}))});
  CHECK(body_text(body) == "  t = load x[-2] x4 lanes 2..4 else -1.5\n"
                           "  store y[0] x4 = t\n");
  const auto y = run(step_over(body));
  CHECK(std::vector<float>(y.begin(), y.begin() + 4) == std::vector<float>{-1.5, -1.5, 1, 2});
}

TEST_CASE("lanes may lie apart, run along any dimension, and be stored in part") {
  Step step = step_over(block({store_lanes(1, {1, 0}, 3, lanes_of(0, {0}, 4, 0, 5), 1)}));
  step.views[1].dims = contiguous({4, 4});
  CHECK(
      to_string(step, program_of(step).buffers).find("store y[1, 0] x3 = load x[0] x4 step 5\n") !=
      std::string::npos);
  CHECK(run(step)[4] == 1);
  CHECK(run(step)[6] == 11);
  CHECK(run(step)[7] == 0);
  step.body = store_lanes(1, {0, 1}, 4, lanes_of(0, {0}, 4), 0);
  CHECK(to_string(step, program_of(step).buffers).find("store y[0, 1] x4 along dim 0 = load") !=
        std::string::npos);
  CHECK(run(step)[1] == 1);
  CHECK(run(step)[13] == 4);
}

TEST_CASE("a transpose turns columns of lanes into rows") {
  std::vector<Stmt> stmts;
  for (int64_t i = 0; i < 3; ++i) stmts.push_back(stmt(Set{1, {i}, lanes_of(0, {4 * i}, 4)}));
  stmts.push_back(stmt(Transpose{2, 1, {0}, 0, 3}));
  stmts.push_back(for_loop(r, Range::of(0, 4), unrolled,
                           store_lanes(1, {4 * Affine(r)}, 3, reg(f32, 4, 2, {r}))));
  const Stmt body = block(stmts);
  CHECK(body_text(body).find("  rows = transpose a[0..3]\n") != std::string::npos);
  CHECK(run(step_over(body)) ==
        std::vector<float>{1, 5, 9, 0, 2, 6, 10, 0, 3, 7, 11, 0, 4, 8, 12, 0});
}

TEST_CASE(
    "a scatter writes behind its place, the last of several stays, and an index outside throws") {
  // y[8 + offset] = x[k] for offsets that a table in memory gives.
  LoopProgram program = program_of(step_over(block({})));
  Buffer offsets = buffer("p", Buffer::Role::input, 4);
  offsets.element = ElementType::i64;
  program.buffers.push_back(offsets);
  Step& step = program.steps[0];
  step.views.push_back({"p", 2, ElementType::i64, contiguous({4})});
  const Expr value = lanes_of(0, {k}, 1), offset = load(ElementType::i64, 1, Load{2, {k}});
  const Stmt scatter = stmt(Scatter{1, {8}, offset, 5, value});
  step.body = for_loop(k, Range::of(0, 4), serial, scatter);
  CHECK(
      to_string(step, program.buffers).find("    scatter p[k] behind y[8], 0 <= it < 5: x[k]\n") !=
      std::string::npos);
  CHECK(verify(program).empty());
  Step second = step;
  second.body = substitute(scatter, k, 2);
  CHECK(
      to_string(second, program.buffers).find("  scatter p[2] behind y[8], 0 <= it < 5: x[2]\n") !=
      std::string::npos);

  const auto run_with = [&](std::vector<int64_t> numbers) {
    Memory memory = allocate(program.buffers);
    for (int i = 0; i < 16; ++i) small_conv::floats(memory, 0)[i] = static_cast<float>(i + 1);
    std::memcpy(memory[2].data(), numbers.data(), memory[2].size());
    evaluate(program, memory);
    return std::vector<float>(small_conv::floats(memory, 1) + 8,
                              small_conv::floats(memory, 1) + 13);
  };
  CHECK(run_with({4, 0, 2, 0}) == std::vector<float>{4, 0, 3, 0, 1});
  for (const int64_t outside : {int64_t{-1}, int64_t{5}, std::numeric_limits<int64_t>::min()}) {
    const std::string words = fmt::format("step test: index {} is outside 0..5", outside);
    try {
      run_with({0, outside, 0, 0});
      FAIL("the index was taken");
    } catch (const InternalError&) {
      FAIL("an index in the data is no bug of ours");
    } catch (const Error& error) {
      CHECK(error.what() == words);
    }
  }
}

TEST_CASE("lanes of a position may count upwards, and groups of lanes are repeated") {
  Step step = step_over(block({}));
  step.vars.push_back("w");
  step.items = {{h, 2}};
  Position position{8 * Affine(h) + 1, -3};
  const auto counted = std::make_shared<const ExprNode>(ExprNode{ElementType::u8, 4, position});
  const Expr pair = lanes_of(0, {h}, 2);
  step.body = block({store_lanes(1, {8 * Affine(h)}, 4, convert_to(f32, counted)),
                     store_lanes(1, {8 * Affine(h) + 4}, 4, splat_to(4, pair))});
  CHECK(to_string(step, program_of(step).buffers)
            .find("  store y[8*h] x4 = f32(u8[8*h - 3*lane + 1])\n"
                  "  store y[8*h + 4] x4 = splat load x[h] x2\n") != std::string::npos);
  CHECK(run(step) == std::vector<float>{1, 254, 251, 248, 1, 2, 1, 2, 9, 6, 3, 0, 2, 3, 2, 3});
}

TEST_CASE("what an item leaves in scratch is not there for the next") {
  LoopProgram program = program_of(step_over(block({})));
  program.buffers.push_back(buffer("s", Buffer::Role::scratch, 4));
  Step& step = program.steps[0];
  step.views.push_back({"s", 2, f32, contiguous({4})});
  step.scratch_bytes = 64;
  step.items = {{h, 2}};
  const auto write = [&](Index to) {
    return store_lanes(2, std::move(to), 1, lanes_of(0, {h}, 1));
  };
  const Stmt out = store_lanes(1, {h}, 1, lanes_of(2, {1}, 1));
  step.body = block({write({1}), out});
  REQUIRE(verify(program).empty());
  Memory memory = allocate(program.buffers);
  evaluate(program, memory);
  CHECK(small_conv::floats(memory, 1)[1] == 0);
  step.body = block({stmt(When{h, 0, 1, write({1})}), out});
  evaluate(program, memory);
  CHECK(small_conv::floats(memory, 1)[0] == 0);
  CHECK(std::isnan(small_conv::floats(memory, 1)[1]));
}

TEST_CASE("when runs its body for the items between its limits") {
  Step step = step_over(
      block({stmt(When{2 * Affine(h), 2, 5, store_lanes(1, {h}, 1, imm(7))}, "the middle items")}));
  step.items = {{h, 5}};
  CHECK(to_string(step, program_of(step).buffers)
            .find("  // the middle items\n"
                  "  when 2 <= 2*h < 5:\n"
                  "    store y[h] = 7\n") != std::string::npos);
  const auto y = run(step);
  CHECK(std::vector<float>(y.begin(), y.begin() + 5) == std::vector<float>{0, 7, 7, 0, 0});
}

TEST_CASE("items are numbered with the last one fastest, and a step without items is one item") {
  Step step = step_over(store_lanes(1, {4 * Affine(h) + r}, 1, imm(1)));
  step.items = {{h, 3}, {r, 4}};
  CHECK(step.work() == 12);
  CHECK(to_string(step, program_of(step).buffers).find("step test: 3 x 4 items of h, r\n") == 0);
  CHECK(run(step)[11] == 1);
  CHECK(run(step)[12] == 0);
  const Step single = step_over(block({}));
  CHECK(single.work() == 1);
  CHECK(to_string(single, program_of(single).buffers).find("step test: 1 item\n") == 0);
}

TEST_CASE("unrolled loops that directly nest share a line with a short statement") {
  CHECK(body_text(
            for_loop(r, Range::of(0, 3), unrolled, for_loop(v, Range::of(0, 2), unrolled, leaf))) ==
        "  unroll r in 0..3, v in 0..2:  t = 0\n");
  CHECK(body_text(for_loop(r, Range::of(0, 3), unrolled, block({leaf, stmt(Fence{})}))) ==
        "  unroll r in 0..3:\n"
        "    t = 0\n"
        "    fence\n");
  CHECK(body_text(for_loop(r, Range::of(0, 3), serial, leaf)) == "  for r in 0..3:\n"
                                                                 "    t = 0\n");
  CHECK(body_text(for_loop(r, Range::of(0, 3), unrolled,
                           for_loop(v, Range::of(0, 2), unrolled, leaf, "both vectors"),
                           "three rows")) == "  // three rows\n"
                                             "  unroll r in 0..3:\n"
                                             "    // both vectors\n"
                                             "    unroll v in 0..2:  t = 0\n");
}

TEST_CASE("a prefetch prints its place, follows its variables, and computes nothing") {
  const Stmt body = stmt(Prefetch{0, 4 * Affine(h) + 64});
  CHECK(body_text(body) == "  prefetch x + 4*h + 64\n");
  CHECK(body_text(substitute(body, h, 2)) == "  prefetch x + 72\n");
  CHECK(run(step_over(substitute(body, h, 2))) == std::vector<float>(16));
}

TEST_CASE("clipped bounds print as the larger and smaller of their quotients") {
  const Range range = {{{0, 1}, {3 - 2 * Affine(h), 2}}, {{Affine(r) - h, 1}, {Affine(h), 3}}};
  Step step = step_over(for_loop(k, range, serial, leaf));
  CHECK(to_string(step, program_of(step).buffers)
            .find("for k in max(0, ceil((3 - 2*h)/2))..min(-h + r, ceil((h)/3)):") !=
        std::string::npos);
}

TEST_CASE("a step prints its parameters, tables and scratch") {
  Step step = step_over(block({}));
  step.parameters = {{r, {1, 4}}};
  step.tables = {{2, 1, 0}};
  step.scratch_bytes = 256;
  const std::string text = to_string(step, program_of(step).buffers);
  CHECK(text.find("step test: 1 item, for any r\n") == 0);
  CHECK(text.find("  table0 = [2, 1, 0]\n") != std::string::npos);
  CHECK(text.find("  scratch 256 bytes\n") != std::string::npos);
}

TEST_CASE("blocks dissolve into the block around them unless a note holds them together") {
  const Stmt fence = stmt(Fence{});
  CHECK(block({leaf}) == leaf);
  CHECK(block({block({}), leaf}) == leaf);
  const Stmt flat = block({block({leaf, fence}), fence});
  CHECK(std::get<Block>(flat->is).stmts == std::vector<Stmt>{leaf, fence, fence});
  const Stmt noted = block({block({leaf, fence}, "left border"), fence});
  CHECK(body_text(noted) == "  // left border\n  t = 0\n  fence\n  fence\n");
  CHECK(block({leaf}, "start")->note == "start");
}

TEST_CASE("a loop over nothing is nothing and a loop over one value is its body") {
  const Stmt body = store_lanes(1, {k}, 1, imm(0));
  CHECK(std::get<Block>(for_loop(k, Range::of(3, 3), serial, body)->is).stmts.empty());
  CHECK(body_text(for_loop(k, Range::of(3, 4), serial, body)) == "  store y[3] = 0\n");
  CHECK(body_text(for_loop(k, Range::of(3, 4), serial, body, "last")) ==
        "  // last\n  store y[3] = 0\n");
  // Bounds of several constants are one constant, of quotients too.
  const Range range = {{{0, 1}, {5, 2}}, {{9, 1}, {7, 2}}};
  CHECK(body_text(for_loop(k, range, serial, body)) == "  store y[3] = 0\n");
}

TEST_CASE("substitution reaches ranges, conditions, subscripts and positions, and simplifies") {
  const Expr value = lanes_of(0, {Affine(h) + k}, 1) + reg(f32, 1, 1, {Affine(h)}) +
                     convert_to(f32, position(Affine(h) * 3, ElementType::i32));
  const Stmt inner = stmt(Set{1, {Affine(h)}, value});
  const Range clipped = {{{0, 1}, {1 - Affine(h), 1}}, {{3, 1}, {4 - Affine(h), 1}}};
  const Stmt body =
      block({for_loop(k, clipped, serial, inner), stmt(When{Affine(h) + r, 0, 2, inner}),
             stmt(Transpose{2, 1, {Affine(h)}, 0, 1}), store_lanes(1, {h}, 1, value)});
  CHECK(body_text(substitute(body, h, 2)) == "  for k in 0..2:\n"
                                             "    a[2] = x[k + 2] + a[2] + f32(i32[6])\n"
                                             "  when 0 <= r + 2 < 2:\n"
                                             "    a[2] = x[k + 2] + a[2] + f32(i32[6])\n"
                                             "  rows = transpose a[2..3]\n"
                                             "  store y[2] = x[k + 2] + a[2] + f32(i32[6])\n");
  CHECK(std::get<Block>(substitute(stmt(When{h, 0, 2, leaf}), h, 2)->is).stmts.empty());
  CHECK(body_text(substitute(stmt(When{h, 0, 2, leaf}), h, 1)) == "  t = 0\n");
  CHECK(body_text(substitute(for_loop(k, clipped, serial, leaf), h, Affine(r) + 2)) ==
        "  for k in max(0, -r - 1)..min(3, 2 - r):\n    t = 0\n");
}

TEST_CASE("multiply-adds are counted over clipped loops, lanes and unrolled copies") {
  using namespace small_conv;
  // Taps inside the image: (3*6 - 2) rows of taps and (3*7 - 2) columns of them.
  CHECK(count_fmas(loop_program().steps[0]) == I * O * (K * H - 2) * (K * W - 2));

  const Expr one = imm(1, f32, 4);
  const Stmt multiply = stmt(Set{0, {}, fma(one, one, reg(f32, 4, 0, {}))});
  Step step = step_over(block(
      {for_loop(k, Range::of(0, 1'000'000'000), serial, multiply), stmt(When{h, 1, 3, multiply})}));
  step.items = {{h, 4}, {r, 1000}};
  CHECK(count_fmas(step) == 4 * 1000 * 4'000'000'000 + 2 * 1000 * 4);
  step.body = for_loop(k, Range::of(0, INT64_MAX), serial, multiply);
  CHECK(count_fmas(step) == INT64_MAX);
  step.items.clear();
  step.body =
      stmt(Set{0,
               {},
               dot(4, imm_integer(0, ElementType::i32, 4), imm_integer(0, ElementType::u8, 16),
                   imm_integer(0, ElementType::i8, 16))});
  CHECK(count_fmas(step) == 16);
}

TEST_CASE("a register that was never set shows in the result") {
  const LoopProgram program = program_of(step_over(store_lanes(1, {0}, 4, reg(f32, 4, 0, {}))));
  Memory memory = allocate(program.buffers);
  evaluate(program, memory);
  CHECK(std::isnan(small_conv::floats(memory, 1)[0]));
}

TEST_CASE("evaluating a step that refers to what does not exist is refused") {
  const auto refused = [](Stmt body) {
    const LoopProgram program = program_of(step_over(std::move(body)));
    Memory memory = allocate(program.buffers);
    try {
      evaluate(program, memory);
    } catch (const InternalError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(refused(stmt(Set{7, {}, imm(0)})) == "evaluate: register array 7 of 3 does not exist");
  CHECK(refused(stmt(Set{0, {}, imm(0)})) == "evaluate: t: set with 1 lanes");
  CHECK(refused(stmt(Set{0, {}, reg(f32, 4, 1, {5})})) == "evaluate: a: register 5 of 3");
  CHECK(refused(stmt(Set{0, {}, reg(f32, 4, 1, {})})) ==
        "evaluate: a: 0 subscripts for 1 dimensions");
  CHECK(refused(stmt(Set{0, {}, splat_to(4, reg(f32, 1, 1, {0}))})) ==
        "evaluate: a: read with 1 lanes");
  CHECK(refused(store_lanes(1, {14}, 4, imm(0, f32, 4))) ==
        "evaluate: y: element 16 of a buffer of 16");
  CHECK(refused(store_lanes(1, {0}, 5, imm(0, f32, 4))) == "evaluate: a store of 5 lanes out of 4");
  CHECK(refused(store_lanes(1, {0}, 4, lanes_of(0, {0}, 4, 3))) ==
        "evaluate: x: lanes along dimension 3 of 1");
  CHECK(refused(store_lanes(1, {0}, 1, read(f32, 0, {0}))) ==
        "evaluate: a step reads views and registers, not operands and accumulators");
  CHECK(refused(stmt(Transpose{0, 1, {0}, 0, 3})) == "evaluate: t cannot hold the transpose of a");
  CHECK(refused(stmt(For{k, {{}, {{1, 1}}}, serial, leaf})) == "evaluate: a loop without a bound");
  CHECK(refused(stmt(For{k, {{{0, 1}}, {{1, 0}}}, serial, leaf})) ==
        "evaluate: a loop bound divided by 0");
  CHECK(refused(stmt(Set{0, {}, imm(0, f32, 0)})) == "evaluate: a value of 0 lanes");
  CHECK(refused(stmt(Set{0, {}, dot(99, imm(0, f32, 4), imm(0, f32, 4), imm(0, f32, 4))})) ==
        "evaluate: a dot product of 99 ways");
}
