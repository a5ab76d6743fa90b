// Every operation on every element type and number of lanes: code against the evaluator of the
// loops, bit for bit, on every target.

#include "compiler/target/target.h"
#include "tests/support/catch.h"
#include "tests/support/loop_kernel.h"

#include <fmt/format.h>

using namespace volute;
using namespace volute::ir;
using namespace volute::tests;

namespace {

constexpr ElementType f32 = ElementType::f32, f16 = ElementType::f16, bf16 = ElementType::bf16,
                      i32 = ElementType::i32, i64 = ElementType::i64;
constexpr int64_t elements = 1536; // a multiple of every number of lanes below

Load part_of(int32_t view, Affine at, int32_t lanes) {
  return {view, {std::move(at)}, lanes > 1 ? 0 : -1, 1, 0, lanes, 0};
}

/// Steps that compute one value each from a, b and c, inputs of one type, into an output of theirs.
class Operations {
public:
  Operations(ElementType type, int32_t lanes) : type_(type), lanes_(lanes) {
    program_.name = "operations";
    for (const char* name : {"a", "b", "c"})
      program_.buffers.push_back(plain_buffer(name, Buffer::Role::input, type, elements));
  }

  Expr operand(int32_t view) const {
    return load(type_, lanes_, part_of(view, lanes_ * Affine(Var{0}), lanes_));
  }

  void add(std::string name, const Expr& value) {
    const auto result = static_cast<int32_t>(program_.buffers.size());
    const int64_t size = elements / lanes_ * value->lanes;
    program_.buffers.push_back(plain_buffer(name, Buffer::Role::output, value->type, size));
    Step step;
    step.name = std::move(name);
    step.vars = {"i"};
    step.items = {{Var{0}, elements / lanes_}};
    for (int32_t v = 0; v < 3; ++v)
      step.views.push_back(
          {std::string(1, static_cast<char>('a' + v)), v, type_, contiguous({elements})});
    step.views.push_back({"y", result, value->type, contiguous({size})});
    step.body = stmt(Store{
        3, {value->lanes * Affine(Var{0})}, value->lanes > 1 ? 0 : -1, 1, value->lanes, value});
    program_.steps.push_back(std::move(step));
  }

  std::string disagreement(uint64_t seed,
                           const std::vector<std::string>& targets = runnable_targets()) const {
    Dice dice(seed);
    Memory memory = allocate(program_.buffers);
    for (size_t i = 0; i < 3; ++i) fill_randomly(memory[i], type_, dice);
    return tests::disagreement(program_, memory, targets);
  }

  const LoopProgram& program() const { return program_; }

private:
  ElementType type_;
  int32_t lanes_;
  LoopProgram program_;
};

constexpr BinaryFn arithmetic[] = {BinaryFn::add, BinaryFn::sub, BinaryFn::mul,
                                   BinaryFn::div, BinaryFn::max, BinaryFn::min};
constexpr BinaryFn on_integers[] = {BinaryFn::bit_and, BinaryFn::bit_or, BinaryFn::bit_xor,
                                    BinaryFn::shift_left, BinaryFn::shift_right};
constexpr Compare comparisons[] = {Compare::lt, Compare::le, Compare::gt,       Compare::ge,
                                   Compare::eq, Compare::ne, Compare::unordered};

Operations all_operations(ElementType type, int32_t lanes) {
  Operations all(type, lanes);
  const Expr a = all.operand(0), b = all.operand(1), c = all.operand(2);
  for (const BinaryFn fn : arithmetic)
    all.add(fmt::format("binary {}", to_string(fn)), binary(fn, a, b));
  for (const Compare compare : comparisons)
    all.add(fmt::format("select {}", to_string(compare)), select(compare, a, b, b, c));
  all.add("neg", unary(UnaryFn::neg, a));
  all.add("abs", unary(UnaryFn::abs, a));
  if (is_float(type)) {
    all.add("sqrt", unary(UnaryFn::sqrt, a));
    all.add("rint", unary(UnaryFn::rint, a));
    if (type == ElementType::f32) {
      all.add("flushed", convert_to(type, flushed_bf16(a)));
      all.add("cut", convert_to(type, cut_bf16(a)));
    }
    return all;
  }
  for (const BinaryFn fn : on_integers)
    all.add(fmt::format("binary {}", to_string(fn)), binary(fn, a, b));
  const Expr few = binary(BinaryFn::bit_and, b, imm_integer(7, type, lanes));
  all.add("short shift left", binary(BinaryFn::shift_left, a, few));
  all.add("short shift right", binary(BinaryFn::shift_right, a, few));
  for (const int64_t amount : {0, 3, 7, 63})
    for (const BinaryFn fn : {BinaryFn::shift_left, BinaryFn::shift_right})
      all.add(fmt::format("{} {}", to_string(fn), amount),
              binary(fn, a, imm_integer(amount, type, lanes)));
  for (const int64_t divisor : {0, -1, 3})
    all.add(fmt::format("by {}", divisor), a / imm_integer(divisor, type, lanes));
  all.add("fma", fma(a, b, c));
  return all;
}

} // namespace

TEST_CASE("arithmetic, comparisons and shifts are the evaluator's for every type") {
  for (const ElementType type : all_types)
    for (const int32_t lanes : {1, 2, 16}) {
      INFO(to_string(type) << " x" << lanes);
      CHECK(all_operations(type, lanes).disagreement(7) == "");
    }
}

TEST_CASE("values may have up to 64 lanes, and any number of them") {
  for (const ElementType type : all_types)
    for (const int32_t lanes : {3, 8, 12, 64}) {
      Operations some(type, lanes);
      const Expr a = some.operand(0), b = some.operand(1);
      some.add("sum", a + b);
      some.add("max", binary(BinaryFn::max, a, b));
      some.add("less", select(Compare::lt, a, b, b, a));
      some.add("as f32", convert_to(f32, a));
      some.add("as i8", convert_to(ElementType::i8, a));
      INFO(to_string(type) << " x" << lanes);
      CHECK(some.disagreement(9) == "");
    }
}

TEST_CASE("fma rounds once in every float type") {
  std::vector<std::string> with_fma;
  for (const std::string& target : runnable_targets())
    if (compiler::parse_target(target).value().has_fma) with_fma.push_back(target);
  for (const ElementType type : {f32, ElementType::f64, f16, bf16})
    for (const int32_t lanes : {1, 8}) {
      Operations one(type, lanes);
      one.add("fma", fma(one.operand(0), one.operand(1), one.operand(2)));
      INFO(to_string(type) << " x" << lanes);
      // In f32 and f64 it is an instruction; without it, split_fma leaves none.
      const bool everywhere = type == f16 || type == bf16;
      CHECK(one.disagreement(11, everywhere ? runnable_targets() : with_fma) == "");
    }
}

TEST_CASE("groups of lanes are repeated, and lanes of a position count") {
  for (const ElementType type : all_types)
    for (const int32_t group : {1, 2, 3, 4, 8}) {
      Operations all(type, group);
      for (const int32_t times : {1, 2, 4, 8})
        all.add(fmt::format("x{}", times), splat_to(group * times, all.operand(0)));
      for (const ElementType counted : {ElementType::u8, i32, i64})
        all.add(fmt::format("position {}", to_string(counted)),
                std::make_shared<const ExprNode>(
                    ExprNode{counted, group, Position{70000 * Affine(Var{0}) - 5, -3}}));
      INFO(to_string(type) << " x" << group);
      CHECK(all.disagreement(13) == "");
    }
}

TEST_CASE("a broadcast group is one instruction with its load") {
  Operations bytes(ElementType::i8, 4);
  bytes.add("y", splat_to(64, bytes.operand(0)));
  CHECK(bytes.disagreement(17) == "");
  const std::string text =
      compiler::generate(bytes.program(), compiler::parse_target("x86-64-v4").value(),
                         {.assembly = true})
          .value()
          .assembly;
  INFO(text);
  CHECK((text.find("vpbroadcastd\t(") != std::string::npos ||
         text.find("vbroadcastss\t(") != std::string::npos));
}
