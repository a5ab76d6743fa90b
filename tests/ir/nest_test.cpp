#include "ir/nest.h"
#include "ir/number.h"
#include "tests/ir/loops_small_conv.h"
#include "tests/support/catch.h"

#include <algorithm>

using namespace volute;
using namespace volute::ir;

namespace {

constexpr ElementType f32 = ElementType::f32, i64 = ElementType::i64;

NestProgram one_nest(Nest nest, std::vector<Buffer> buffers) {
  return {"test", std::move(buffers), {}, {std::move(nest)}};
}

Buffer typed(std::string name, Buffer::Role role, ElementType element, int64_t elements) {
  Buffer buffer = small_conv::buffer(std::move(name), role, elements);
  buffer.element = element;
  return buffer;
}

} // namespace

TEST_CASE("a convolution nest prints as its operands, its domain, and what it computes") {
  CHECK(to_string(small_conv::nest_program()) == R"(nests small

input x: f32[84]
input k: f32[72]
input b: f32[4]
output y: f32[168]

// conv %0, relu %y
nest conv {
  x: input f32[2][6][7]
  k: input f32[2][3][3][4]
  b: input f32[4]
  y: output f32[6][7][4]
  parallel h in 0..6, w in 0..7, o in 0..4
  reduce i in 0..2, kh in 0..3, kw in 0..3
  where 0 <= h + kh - 1 < 6, 0 <= w + kw - 1 < 7
  acc = b[o]
  acc <- fma(x[i, h + kh - 1, w + kw - 1], k[i, kh, kw, o], acc)
  y[h, w, o] = max(0, acc)
}
)");
}

TEST_CASE("a nest prints its tables, roles, parameters, strides and placement") {
  const Var n{0}, size{1};
  Nest copy;
  copy.name = "pad";
  copy.vars = {"n", "N"};
  const ParameterRange range{1, 6};
  copy.parameters = {{size, range}};
  copy.axes = {{n, Affine(size), false, AxisRole::batch}};
  copy.operands = {{"x", 0, f32, {{4, 2}}}, {"p", 1, f32, {{Affine(size), 1}}}};
  copy.tables = {{1, 0, 1, 2, 3, 2}};
  copy.writes = {{1, {Affine(n)}, read(f32, 0, {{Affine(n), 0}})}};
  copy.placement = Placement{1, Var{0}};
  Nest consumer;
  consumer.name = "conv";
  consumer.vars = {"tile"};
  NestProgram program{"test",
                      {small_conv::buffer("x0", Buffer::Role::input, 8),
                       small_conv::buffer("p", Buffer::Role::intermediate, 6)},
                      {{"N", range}},
                      {copy, consumer}};
  const std::string expected = R"(nests test
parameter N from 1 to 6

input x0: f32[8]
intermediate p: f32[6]

nest pad {
  for any N
  x: input f32[4] strides [2] of x0
  p: intermediate f32[N]
  table0 = [1, 0, 1, 2, 3, 2]
  computed for every 1 of tile of conv
  parallel n in 0..N
  p[n] = x[table0[n]]
}
)";
  CHECK(to_string(program).find(expected) == 0);
  CHECK(to_string(program.nests[0], program.buffers)
            .find("computed for every 1 of axis 0 of nest 1\n") != std::string::npos);
}

TEST_CASE("a convolution nest computes what seven plain loops compute") {
  using namespace small_conv;
  const NestProgram program = nest_program();
  Memory memory = filled(program.buffers);
  evaluate(program, memory);
  const float *x = floats(memory, 0), *k = floats(memory, 1), *b = floats(memory, 2);
  for (int64_t h = 0; h < H; ++h)
    for (int64_t w = 0; w < W; ++w)
      for (int64_t o = 0; o < O; ++o) {
        float sum = b[o];
        for (int64_t i = 0; i < I; ++i)
          for (int64_t kh = 0; kh < K; ++kh)
            for (int64_t kw = 0; kw < K; ++kw) {
              const int64_t row = h + kh - 1, column = w + kw - 1;
              if (row < 0 || row >= H || column < 0 || column >= W) continue;
              sum =
                  std::fma(x[(i * H + row) * W + column], k[((i * K + kh) * K + kw) * O + o], sum);
            }
        REQUIRE(floats(memory, 3)[(h * W + w) * O + o] == std::max(0.0f, sum));
      }
}

TEST_CASE("accumulators take their updates at once: arg-max carries value and index") {
  const Var w{0}, k{1};
  Nest nest;
  nest.name = "arg_max";
  nest.vars = {"w", "k"};
  nest.axes = {{w, 3, false}, {k, 2, true}};
  nest.operands = {{"x", 0, f32, contiguous({4})}, {"at", 1, i64, contiguous({3})}};
  const Affine column = Affine(w) + k;
  const Expr x = read(f32, 0, {column}), best = acc(f32, 0), at = acc(i64, 1);
  nest.accumulators = {
      {"best", f32, imm(-1e30), select(Compare::gt, x, best, x, best)},
      {"at", i64, imm_integer(-1, i64), select(Compare::gt, x, best, position(column, i64), at)}};
  nest.writes = {{1, {Affine(w)}, at}};
  const NestProgram program = one_nest(nest, {small_conv::buffer("x", Buffer::Role::input, 4),
                                              typed("at", Buffer::Role::output, i64, 3)});
  CHECK(verify(program).empty());
  CHECK(to_string(program.nests[0], program.buffers).find("  at: i64 = -1\n") != std::string::npos);
  Memory memory = allocate(program.buffers);
  const float values[] = {5, 7, 7, 1};
  std::memcpy(memory[0].data(), values, sizeof values);
  evaluate(program, memory);
  const int64_t expected[] = {1, 1, 2};
  CHECK(std::memcmp(memory[1].data(), expected, sizeof expected) == 0);
}

TEST_CASE("a staging nest reads through a table, and a table buffer brings its data") {
  const Var w{0};
  Nest nest;
  nest.name = "reflect";
  nest.vars = {"w"};
  nest.axes = {{w, 5, false}};
  nest.operands = {{"x", 0, f32, contiguous({3})}, {"y", 1, f32, contiguous({5})}};
  nest.tables = {{1, 0, 1, 2, 1}};
  nest.writes = {{1, {Affine(w)}, read(f32, 0, {{Affine(w), 0}})}};
  NestProgram program = one_nest(nest, {small_conv::buffer("x", Buffer::Role::table, 3),
                                        small_conv::buffer("y", Buffer::Role::output, 5)});
  std::vector<std::byte> data(12);
  for (int i = 0; i < 3; ++i) write_real(data.data() + 4 * i, f32, 10 * i);
  program.buffers[0].data = std::make_shared<const std::vector<std::byte>>(data);
  CHECK(verify(program).empty());
  Memory memory = allocate(program.buffers);
  evaluate(program, memory);
  const float expected[] = {10, 0, 10, 20, 10};
  CHECK(std::memcmp(memory[1].data(), expected, sizeof expected) == 0);
}

TEST_CASE("a nest over named parameters runs over the sizes that it is given") {
  const Var w{0}, size{1}, pitch{2};
  Nest nest;
  nest.name = "twice";
  nest.vars = {"w", "W", "pitch"};
  nest.parameters = {{size, {1, 4}}, {pitch, {0, 2}}};
  nest.axes = {{w, Affine(size), false}};
  nest.operands = {{"x", 0, f32, {{Affine(size), Affine(pitch)}}},
                   {"y", 1, f32, {{Affine(size), 1}}}};
  const Expr x = read(f32, 0, {Affine(w)});
  nest.writes = {{1, {Affine(w)}, x + x}};
  NestProgram program = one_nest(nest, {small_conv::buffer("x", Buffer::Role::input, 7),
                                        small_conv::buffer("y", Buffer::Role::output, 4)});
  const Var pitch_of_program{0}, size_of_program{1}; // by name, not by order
  program.parameters = {{"pitch", {0, 2}}, {"W", {1, 4}}};
  program.buffers[0].dims = {{Affine(size_of_program), Affine(pitch_of_program)}};
  program.buffers[1].dims = {{Affine(size_of_program), 1}};
  CHECK(verify(program).empty());
  Memory memory = allocate(program.buffers, {2, 3});
  CHECK(memory[0].size() == 5 * sizeof(float));
  CHECK(memory[1].size() == 3 * sizeof(float));
  for (int i = 0; i < 5; ++i) small_conv::floats(memory, 0)[i] = static_cast<float>(i);
  evaluate(program, memory, {2, 3});
  const float expected[] = {0, 4, 8};
  CHECK(std::memcmp(memory[1].data(), expected, sizeof expected) == 0);
  CHECK_THROWS_WITH(evaluate(program, memory, {2}),
                    "evaluate: parameter W has no value (1 values were given)");
  CHECK_THROWS_WITH(evaluate(program, memory, {2, 4}), "evaluate: x: element 6 of a buffer of 5");
  CHECK_THROWS_WITH(evaluate(program, memory, {2, 5}), "evaluate: parameter W is 5, not 1 to 4");
  CHECK_THROWS_WITH(evaluate(program, memory, {3, 4}),
                    "evaluate: parameter pitch is 3, not 0 to 2");
}

TEST_CASE("evaluating a nest that refers to what does not exist is refused") {
  const auto refused = [](const std::function<void(NestProgram&)>& spoil) {
    NestProgram program = small_conv::nest_program();
    Memory memory = small_conv::filled(program.buffers);
    spoil(program);
    try {
      evaluate(program, memory);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  using P = NestProgram;
  CHECK(refused([](P& p) { p.nests[0].operands[0].buffer = 9; }) ==
        "evaluate: x: buffer 9 of 4 does not exist");
  CHECK(refused([](P& p) { p.nests[0].writes[0].operand = 4; }) ==
        "evaluate: view 4 of 4 does not exist");
  CHECK(refused([](P& p) { p.nests[0].writes[0].index.pop_back(); }) ==
        "evaluate: y: 2 subscripts for 3 dimensions");
  CHECK(refused([](P& p) {
          p.nests[0].writes[0].index[0] = {Affine(Var{0}), 0};
        }) == "evaluate: y: table 0 of 0 does not exist");
  CHECK(refused([](P& p) {
          p.nests[0].tables = {{0, 1}};
          p.nests[0].writes[0].index[0] = {Affine(Var{0}), 0};
        }) == "evaluate: y: entry 2 of a table of 2");
  CHECK(refused([](P& p) { p.nests[0].axes[0].var.id = 17; }) ==
        "evaluate: variable 17 of 6 does not exist");
  CHECK(refused([](P& p) { p.nests[0].accumulators[0].update = acc(f32, 3); }) ==
        "evaluate: accumulator 3 of 1 does not exist");
  CHECK(refused([](P& p) { p.nests[0].accumulators[0].update = reg(f32, 1, 0, {}); }) ==
        "evaluate: a nest reads operands and accumulators, not views and registers");
  CHECK(refused([](P& p) {
          p.nests[0].parameters = {{Var{-1}, {}}};
        }) == "evaluate: parameter -1 of 6 variables does not exist");
  CHECK(refused([](P& p) {
          p.nests[0].accumulators[0].update = imm(0, f32, 2) + imm(0, f32, 3);
        }) == "evaluate: an operand of 3 lanes where 2 are needed");
  CHECK_THROWS_WITH(allocate({small_conv::buffer("x", Buffer::Role::input, int64_t{1} << 62)}),
                    "x: 4611686018427387904 elements of f32 cannot be allocated");
}
