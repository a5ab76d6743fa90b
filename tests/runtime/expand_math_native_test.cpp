// The expansions as machine code: over all of f32, and in every lane what the evaluators say.

#include "compiler/codegen/codegen.h"
#include "compiler/image.h"
#include "ir/tape.h"
#include "runtime/executable_memory.h"
#include "tests/compiler/stated_errors.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

using namespace volute;
using ir::Expr;
using tests::Stated;

namespace {

constexpr int64_t block = 1 << 14;

template <class Float>
constexpr ir::ElementType element =
    std::is_same_v<Float, float> ? ir::ElementType::f32 : ir::ElementType::f64;

/// y[i] = f(x[i]) for blocks of arguments, compiled for a target.
template <class Float>
class Compiled {
public:
  Compiled(const Stated& stated, const compiler::Target& target) {
    const int32_t lanes = target.lanes(sizeof(Float));
    ir::LoopProgram program;
    program.name = "function";
    ir::Step step;
    step.name = "function";
    step.vars = {"v"};
    const ir::Var v{0};
    step.items = {{v, block / lanes}};
    for (int32_t b = 0; b < 2; ++b) {
      ir::Buffer buffer;
      buffer.name = b == 0 ? "x" : "y";
      buffer.role = b == 0 ? ir::Buffer::Role::input : ir::Buffer::Role::output;
      buffer.element = element<Float>;
      buffer.elements = block;
      program.buffers.push_back(buffer);
      step.views.push_back(ir::View{buffer.name, b, element<Float>, ir::contiguous({block})});
    }
    const ir::Index at = {ir::Affine(v) * lanes};
    const Expr x = ir::load(element<Float>, lanes, {0, at, 0, 1, 0, lanes, 0});
    step.body = ir::stmt(ir::Store{1, at, 0, 1, lanes, compiled_form(stated, x, target.has_fma)});
    program.steps = {step};
    REQUIRE(ir::verify(program).empty());
    const compiler::Code code = compiler::generate(program, target).value();
    memory_ = runtime::ExecutableMemory::map(code.bytes, code.text_bytes, stated.name).value();
    entry_ = reinterpret_cast<compiler::StepEntry>(
        const_cast<std::byte*>(memory_->data() + code.entries.at(0)));
    work_ = block / lanes;
  }

  void operator()(const std::vector<Float>& x, std::vector<Float>& y) const {
    std::byte* buffers[] = {reinterpret_cast<std::byte*>(const_cast<Float*>(x.data())),
                            reinterpret_cast<std::byte*>(y.data())};
    const compiler::StepArguments arguments = {buffers, nullptr};
    REQUIRE(entry_(&arguments, nullptr, 0, work_) == 0);
  }

private:
  std::shared_ptr<const runtime::ExecutableMemory> memory_;
  compiler::StepEntry entry_ = nullptr;
  int64_t work_ = 0;
};

const compiler::Target& without_fma() {
  static const compiler::Target target = compiler::parse_target("x86-64").value();
  return target;
}

/// Every f32, or every `stride`-th block of them, against double.
void measure(const Stated& stated, int64_t stride) {
  const Compiled<float> with(stated, compiler::host()), split(stated, without_fma());
  std::vector<float> x(block), y(block), z(block);
  tests::Bound worst = {0, 0};
  float at[2] = {};
  for (int64_t first = 0; first < int64_t{1} << 32; first += block * stride) {
    for (int64_t i = 0; i < block; ++i)
      x[static_cast<size_t>(i)] = std::bit_cast<float>(static_cast<uint32_t>(first + i));
    with(x, y);
    split(x, z);
    for (size_t i = 0; i < x.size(); ++i) {
      const double exact = stated.exact(x[i]);
      const double error = tests::ulps(y[i], exact), split_error = tests::ulps(z[i], exact);
      if (error > worst.with_fma) worst.with_fma = error, at[0] = x[i];
      if (split_error > worst.split) worst.split = split_error, at[1] = x[i];
    }
  }
  std::cout << stated.name << ": " << worst.with_fma << " at " << at[0] << ", split " << worst.split
            << " at " << at[1] << std::endl;
  INFO(stated.name << " at " << at[0] << " and " << at[1]);
  CHECK(worst.with_fma <= stated.f32.with_fma);
  CHECK(worst.split <= stated.f32.split);
}

} // namespace

// Twenty minutes a run: VOLUTE_EXHAUSTIVE is not needed, only the tag.
TEST_CASE("every f32 is within the stated errors", "[.exhaustive]") {
  if (!compiler::host().has_fma) return;
  for (const Stated& stated : tests::stated_functions()) measure(stated, 1);
  for (const Stated& stated : tests::stated_activations()) measure(stated, 1);
}

TEST_CASE("every seventeenth block of f32 is within the stated errors", "[.exhaustive_quick]") {
  for (const Stated& stated : tests::stated_functions()) measure(stated, 17);
  for (const Stated& stated : tests::stated_activations()) measure(stated, 17);
}
