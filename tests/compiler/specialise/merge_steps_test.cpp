// Two steps as one: it does, item by item, what the two did.

#include "compiler/specialise/merge_steps.h"
#include "tests/support/catch.h"

#include <cstring>
#include <string>
#include <vector>

using namespace volute;
using namespace volute::ir;

namespace {

constexpr int64_t rows = 3, columns = 5;
constexpr ElementType f32 = ElementType::f32;

/// to[h, w] = 2 * from[h, table[w]] + w, a row an item, by a register of its own.
Step doubled(const std::string& name, int32_t from, int32_t to, std::vector<int64_t> table,
             int64_t items = rows) {
  const Var h{0}, w{1};
  Step step;
  step.name = name;
  step.origin = name + " %" + name;
  step.vars = {"h", "w"};
  step.items = {{h, items}};
  step.views = {{"from", from, f32, contiguous({rows, columns})},
                {"to", to, f32, contiguous({rows, columns})}};
  step.tables = {std::move(table)};
  step.arrays = {{"value", f32, 1, {}}};
  Subscript looked_up(w);
  looked_up.table = 0;
  const Expr element = load(f32, 1, Load{0, {Affine(h), looked_up}});
  const Expr place = convert_to(f32, position(Affine(w), ElementType::i32));
  Store store;
  store.view = 1;
  store.index = {h, w};
  store.value = reg(f32, 1, 0, {});
  step.body = for_loop(w, Range::of(0, columns), For::Kind::serial,
                       block({stmt(Set{0, {}, fma(imm(2), element, place)}), stmt(store)}));
  return step;
}

std::vector<Buffer> buffers() {
  std::vector<Buffer> all(3);
  const Buffer::Role roles[] = {Buffer::Role::input, Buffer::Role::intermediate,
                                Buffer::Role::output};
  for (size_t i = 0; i < 3; ++i) {
    all[i].name = std::string(1, static_cast<char>('a' + i));
    all[i].role = roles[i];
    all[i].elements = rows * columns;
  }
  return all;
}

std::vector<float> result_of(const std::vector<Step>& steps) {
  const LoopProgram program{"p", buffers(), {}, steps};
  for (const Diagnostic& d : verify(program)) FAIL(to_string(d));
  Memory memory = allocate(program.buffers);
  for (int64_t i = 0; i < rows * columns; ++i) {
    const auto number = static_cast<float>(i * i % 17);
    std::memcpy(memory[0].data() + 4 * i, &number, 4);
  }
  evaluate(program, memory);
  std::vector<float> result(rows * columns);
  std::memcpy(result.data(), memory[2].data(), memory[2].size());
  return result;
}

} // namespace

TEST_CASE("a merged step gives what its two steps give, tables, registers and variables apart") {
  const Step first = doubled("first", 0, 1, {4, 0, 3, 1, 2});
  const Step second = doubled("second", 1, 2, {1, 1, 0, 4, 3});
  const Step merged = compiler::merge_steps(first, second);
  CHECK(merged.name == "second");
  CHECK(merged.origin == "first %first, second %second");
  CHECK(merged.items.size() == 1);
  CHECK(merged.work() == rows);
  CHECK(merged.tables.size() == 2);
  REQUIRE(merged.arrays.size() == 2);
  CHECK(merged.arrays[0].name != merged.arrays[1].name); // people want to tell them apart
  CHECK(result_of({merged}) == result_of({first, second}));
  // The order is that of the arguments: the other way round, the second reads what is not there.
  CHECK(result_of({compiler::merge_steps(second, first)}) != result_of({first, second}));
}

TEST_CASE("three steps are merged like two") {
  std::vector<Step> steps = {doubled("a", 0, 1, {4, 0, 3, 1, 2}),
                             doubled("b", 1, 1, {0, 1, 2, 3, 4}),
                             doubled("c", 1, 2, {1, 1, 0, 4, 3})};
  const Step merged = compiler::merge_steps(compiler::merge_steps(steps[0], steps[1]), steps[2]);
  CHECK(merged.arrays.size() == 3);
  CHECK(merged.views.size() == 6);
  CHECK(result_of({merged}) == result_of(steps));
}

TEST_CASE("the scratch of a merged step serves either part") {
  Step first = doubled("first", 0, 1, {4, 0, 3, 1, 2});
  Step second = doubled("second", 1, 2, {1, 1, 0, 4, 3});
  first.scratch_bytes = 128;
  second.scratch_bytes = 64;
  CHECK(compiler::merge_steps(first, second).scratch_bytes == 128);
  CHECK(compiler::merge_steps(second, first).scratch_bytes == 128);
}

TEST_CASE("steps over other work items are not merged") {
  const Step first = doubled("first", 0, 1, {4, 0, 3, 1, 2});
  const Step fewer = doubled("fewer", 1, 2, {1, 1, 0, 4, 3}, rows - 1);
  CHECK_THROWS_AS(compiler::merge_steps(first, fewer), InternalError);
  Step none = doubled("none", 1, 2, {1, 1, 0, 4, 3});
  none.items.clear();
  CHECK_THROWS_AS(compiler::merge_steps(first, none), InternalError);
}
