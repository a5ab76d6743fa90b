// Conversions between every two element types: code against ir::apply, on every target.

#include "ir/number.h"
#include "tests/support/catch.h"
#include "tests/support/loop_kernel.h"

#include <fmt/format.h>

#include <cstring>

using namespace volute;
using namespace volute::ir;
using namespace volute::tests;

namespace {

constexpr size_t type_count = std::size(all_types);

/// y[from][to][i] = x[from][i] as `to`, for every two types, in registers of `lanes`.
LoopProgram all_conversions(int64_t elements, int32_t lanes) {
  LoopProgram program;
  program.name = "convert";
  for (const ElementType from : all_types)
    program.buffers.push_back(
        plain_buffer(fmt::format("x_{}", to_string(from)), Buffer::Role::input, from, elements));
  for (size_t from = 0; from < type_count; ++from) {
    for (const ElementType to : all_types) {
      const std::string name = fmt::format("{}_from_{}", to_string(to), to_string(all_types[from]));
      const auto result = static_cast<int32_t>(program.buffers.size());
      program.buffers.push_back(plain_buffer(name, Buffer::Role::output, to, elements));
      Step step;
      step.name = name;
      step.vars = {"i"};
      const Var i{0};
      step.items = {{i, elements / lanes}};
      step.views = {{"x", static_cast<int32_t>(from), all_types[from], contiguous({elements})},
                    {"y", result, to, contiguous({elements})}};
      const int32_t lane_dim = lanes > 1 ? 0 : -1;
      Load load{0, {lanes * Affine(i)}, lane_dim, 1, 0, lanes, 0};
      step.body = stmt(Store{1,
                             {lanes * Affine(i)},
                             lane_dim,
                             1,
                             lanes,
                             convert_to(to, ir::load(all_types[from], lanes, load))});
      program.steps.push_back(std::move(step));
    }
  }
  return program;
}

void check_all(const Memory& given, int64_t elements) {
  Memory wanted = given;
  evaluate(all_conversions(elements, 1), wanted);
  for (const int32_t lanes : {1, 4, 8, 16, 32}) {
    const LoopProgram program = all_conversions(elements, lanes);
    REQUIRE(verify(program).empty());
    for (const std::string& target : runnable_targets()) {
      Memory found = given;
      REQUIRE(LoopKernel(program, target).run(found) == 0);
      for (size_t i = type_count; i < found.size(); ++i) {
        INFO(target << ", " << lanes << " lanes");
        const auto words = first_difference(program.buffers[i], found[i], wanted[i]);
        CHECK(words.value_or("") == "");
      }
    }
  }
}

} // namespace

TEST_CASE("every conversion is that of the evaluator on limits, middles and random bits") {
  constexpr int64_t elements = 8192;
  Dice dice(3);
  Memory memory = allocate(all_conversions(elements, 1).buffers);
  for (size_t i = 0; i < type_count; ++i) fill_randomly(memory[i], all_types[i], dice);
  check_all(memory, elements);
}

TEST_CASE("every conversion is that of the evaluator on all numbers of 8 and 16 bits") {
  constexpr int64_t elements = 65536;
  Memory memory = allocate(all_conversions(elements, 1).buffers);
  for (size_t i = 0; i < type_count; ++i) {
    const auto size = static_cast<size_t>(size_of(all_types[i]));
    // The wide types hold the numbers around those of a narrow one.
    for (size_t n = 0; n < elements; ++n) {
      std::byte* at = &memory[i][n * size];
      const auto bits = static_cast<uint16_t>(n);
      if (size <= 2)
        std::memcpy(at, &bits, size);
      else if (is_float(all_types[i]))
        write_real(at, all_types[i],
                   f16_to_float(bits) * (1 + (n % 3 == 0   ? 0
                                              : n % 3 == 1 ? 0x1p-11
                                                           : 0x1.00001p-11)));
      else
        write_integer(at, all_types[i], static_cast<int64_t>(n) * 65537);
    }
  }
  check_all(memory, elements);
}
