// What verify proves of nests and steps whose sizes are parameters: for every value, or not at all.
#include "ir/loops.h"
#include "ir/nest.h"
#include "ir/parameter.h"
#include "tests/support/catch.h"
#include "tests/support/findings.h"
#include "tests/support/named_batch.h"

#include <functional>

using namespace volute;
using namespace volute::ir;
using tests::NamedBatch;

namespace {

const Var n{0}, N{7}, S{8}, T{9}; // of the nest
const Var N_of_program{0};

// What is found in the convolution of a named batch after something in it is spoilt.
std::string found(const std::function<void(NestProgram&, Nest&)>& spoil, bool strided = false) {
  NestProgram program = NamedBatch{true, {1, 64, 1}, strided}.nests();
  spoil(program, program.nests[0]);
  return tests::text_of(verify(program));
}
using P = NestProgram;

void set_range(NestProgram& program, size_t parameter, ParameterRange range) {
  program.parameters[parameter].range = range;
  for (Nest& nest : program.nests) nest.parameters[parameter].range = range;
  for (Buffer& buffer : program.buffers)
    if (!buffer.dims.empty())
      buffer.elements = most_elements(buffer.dims, program.parameters).value();
}

} // namespace

TEST_CASE("a range is what it says, and a value outside is named with it") {
  const Parameter fours{"N", {1, 64, 4}};
  CHECK(fault_in(fours, 4) == std::nullopt);
  CHECK(fault_in(fours, 64) == std::nullopt);
  CHECK(fault_in(fours, 0) == "N is 0, not 1 to 64, a multiple of 4");
  CHECK(fault_in(fours, 6) == "N is 6, not 1 to 64, a multiple of 4");
  CHECK(fault_in(fours, 68) == "N is 68, not 1 to 64, a multiple of 4");
  const std::vector<Parameter> all = {fours, {"S", {10, 20, 1}}};
  CHECK(to_string(all) == "parameter N from 1 to 64, a multiple of 4\nparameter S from 10 to 20\n");
  const auto span = span_of(3 * Affine(Var{0}) - 2 * Affine(Var{1}) + 1, all);
  CHECK(span->least == 3 - 40 + 1);
  CHECK(span->most == 192 - 20 + 1);
  CHECK_FALSE(span_of(Var{2}, all));
  CHECK(most_elements({{Var{0}, Var{1}}, {7, 1}}, all) == 63 * 20 + 6 + 1);
  CHECK_FALSE(most_elements({{Var{0}, int64_t{1} << 60}}, all));
}

TEST_CASE("shapes fit buffers whose size is a parameter for every value, or are refused") {
  CHECK(found([](P&, Nest&) {}) == "");
  CHECK(found([](P&, Nest&) {}, true) == "");
  CHECK(found([](P&, Nest& nest) { nest.operands[0].dims[0].extent += 1; }) ==
        "nest conv: view x: elements 0..231*N + 231 of buffer x, which may hold 231*N");
  CHECK(found([](P& program, Nest&) {
          program.buffers[3].dims[0].extent = 64 - Affine(N_of_program) + 1;
        }) == "nest conv: view y: elements 0..1540*N of buffer y, which may hold -1540*N + 100100");
  CHECK(found([](P& program, Nest& nest) { // as large for every value, but not the same for each
          program.buffers[0].dims.clear();
          nest.operands[0].dims[0].extent = 64;
        }) == "");
  CHECK(found([](P& program, Nest& nest) {
          program.buffers[0].dims.clear();
          program.buffers[0].elements -= 1;
          nest.operands[0].dims[0].extent = Affine(N);
        }) == "nest conv: view x: elements 0..231*N of buffer x, which may hold 14783");
  CHECK(found([](P&, Nest& nest) { nest.operands[0].dims[0].stride += 1; }, true) ==
        "nest conv: view x: elements 0..231 + (N - 1)*(S + 1) of buffer x, which may hold 231 + (N "
        "- 1)*(S)");
  CHECK(found([](P& program, Nest& nest) { // rows of images that lie one after the other
          nest.operands[0].dims = {{7 * Affine(N), 33}, {33, 1}};
          program.nests.resize(1);
          nest.accumulators[0].update = imm(0);
        }) == "");
  CHECK(found([](P& program, Nest& nest) {
          program.parameters.clear(), nest.parameters.clear();
        }).find("buffer x: its shape depends on more than the program's parameters") !=
        std::string::npos);
  CHECK(found([](P& program, Nest&) { program.buffers[0].elements += 1; }) ==
        "named_batch: buffer x: 14785 elements, but its shape has up to 14784");
  CHECK(found([](P& program, Nest&) { program.buffers[3].role = Buffer::Role::scratch; }) ==
        "named_batch: buffer y: its size is a parameter, and it is scratch");
}

TEST_CASE("subscripts and writes are proven for every value of a parameter") {
  CHECK(found([](P&, Nest& nest) { nest.writes[0].index[0] = Affine(n) + 1; }) ==
        "nest conv: y[n + 1, h, w, o]: n + 1 lies in 1..65, outside 0..N of dimension 0");
  CHECK(found([](P&, Nest& nest) { nest.writes[0].index[0] = Affine(N) - 1 - n; }) == "");
  // From the end, and so many from it as only a multiple is sure to have.
  const auto last_fours = [](ParameterRange range) {
    return found([&](P& program, Nest& nest) {
      set_range(program, 0, range);
      nest.axes[0].extent = 4;
      nest.writes[0].index[0] = Affine(N) - 4 + n;
      nest.operands[0].dims[0].extent = Affine(N);
      nest.accumulators[0].update = imm(0);
    });
  };
  CHECK(last_fours({1, 64, 4}) == "");
  CHECK(last_fours({4, 64, 1}) == "");
  CHECK(last_fours({1, 64, 1}) ==
        "nest conv: y[n + N - 4, h, w, o]: n + N - 4 lies in -3..64, outside 0..N of dimension 0");
  CHECK(found([](P& program, Nest&) {
          set_range(program, 0, {0, 64, 1});
        }) == "named_batch: buffer x: an extent of its shape may be 0, or a stride negative\n"
              "named_batch: buffer y: an extent of its shape may be 0, or a stride negative\n"
              "nest conv: view x: dimension 0 has extent N, which may be less than 1\n"
              "nest conv: view y: dimension 0 has extent N, which may be less than 1\n"
              "nest conv: axis n has extent N, which may be less than 1");
  CHECK(found(
            [](P& program, Nest&) {
              set_range(program, 2, {1539, 2000, 1});
            },
            true) ==
        "nest conv: y: two points write one element: one step of n moves it by T, and the axes "
        "inside by up to 1539");
  CHECK(found([](P& program, Nest&) { set_range(program, 2, {1539, 2000, 4}); }, true) == "");
}

TEST_CASE("parameters have ranges with something in them, the same everywhere") {
  CHECK(found([](P& program, Nest&) {
          set_range(program, 0, {65, 64, 1});
        }).find("named_batch: parameter N: there is nothing in 65 to 64") == 0);
  CHECK(found([](P& program, Nest&) {
          set_range(program, 0, {61, 63, 4});
        }).find("named_batch: parameter N: there is nothing in 61 to 63, a multiple of 4") == 0);
  CHECK(found([](P& program, Nest& nest) {
          program.parameters[0].range.multiple = nest.parameters[0].range.multiple = 0;
        }).find("named_batch: parameter N: a multiple of 0") == 0);
  CHECK(found([](P&, Nest& nest) { nest.parameters[0].range.most = 63; }) ==
        "nest conv: parameter N is 1 to 63, and to the program 1 to 64");
  CHECK(found([](P&, Nest& nest) { nest.parameters.push_back(nest.parameters[0]); }) ==
        "nest conv: parameter N is declared twice");
  CHECK(found([](P& program, Nest&) { program.parameters.push_back(program.parameters[0]); }) ==
        "named_batch: parameter N is there twice");
}

TEST_CASE("items whose number is a parameter are counted, and there is at least one") {
  Step step;
  step.name = "fill";
  step.vars = {"n", "i", "N"};
  step.parameters = {{Var{2}, {1, 64, 1}}};
  step.items = {{n, Var{2}}, {Var{1}, 5}};
  step.views = {{"y", 0, ElementType::f32, {{Var{2}, 5}, {5, 1}}}};
  Store store{0, {n, Var{1}}, -1, 1, 1, imm(1)};
  step.body = stmt(store);
  Buffer y;
  y.name = "y", y.role = Buffer::Role::output, y.elements = 320;
  y.dims = {{N_of_program, 5}, {5, 1}};
  LoopProgram program{"fill", {y}, {{"N", {1, 64, 1}}}, {step}};
  CHECK(tests::text_of(verify(program)) == "");
  CHECK(to_string(program).find("step fill: N x 5 items of n, i, for any N\n") !=
        std::string::npos);
  CHECK(step.work([](Var) { return 3; }) == 15);
  CHECK_THROWS_AS(step.work(), InternalError);
  Memory memory = allocate(program.buffers, {3});
  CHECK(memory[0].size() == 15 * sizeof(float));
  evaluate(program, memory, {3});
  for (size_t i = 0; i < 15; ++i) CHECK(reinterpret_cast<float*>(memory[0].data())[i] == 1);
  CHECK_THROWS_WITH(evaluate(program, memory, {65}), "evaluate: parameter N is 65, not 1 to 64");

  program.steps[0].items[0].count = Affine(Var{2}) - 1;
  CHECK(tests::text_of(verify(program)) ==
        "step fill: items: n has N - 1 of them, which may be less than 1");
  program.steps[0].items[0].count = Affine(Var{2}) + 1;
  CHECK(tests::text_of(verify(program)) ==
        "step fill: y[n, i]: n lies in 0..65, outside 0..N of dimension 0");
  program.steps[0].items[0].count = n;
  CHECK(tests::text_of(verify(program)) == "step fill: items: n has no value here");
}
