// The expansions as machine code: over all of f32, and in every lane what the evaluators say.

#include "compiler/codegen/codegen.h"
#include "compiler/image/image.h"
#include "runtime/executable_memory.h"
#include "tests/compiler/nests/function_of_one.h"
#include "tests/compiler/nests/stated_errors.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
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

const compiler::Target& with_fma() { return compiler::host(); }
const compiler::Target& without_fma() {
  static const compiler::Target target = compiler::parse_target("x86-64").value();
  return target;
}

/// The largest errors over a set of arguments, and where they are.
struct Worst {
  tests::Bound error = {0, 0};
  double at = 0, split_at = 0;

  template <class Float, class Exact>
  void see(Float x, Float value, Float split_value, Exact exact) {
    const auto nearest = static_cast<Float>(exact); // no error above a half, the usual case
    if (value != nearest)
      if (const double found = tests::ulps(value, exact); found > error.with_fma)
        error.with_fma = found, at = x;
    if (split_value != nearest)
      if (const double found = tests::ulps(split_value, exact); found > error.split)
        error.split = found, split_at = x;
  }
  std::string text() const {
    return fmt::format("{:.3f} at {}, split {:.3f} at {}", error.with_fma, at, error.split,
                       split_at);
  }
  void check(const tests::Bound& bound) const {
    CHECK(error.with_fma <= bound.with_fma);
    CHECK(error.split <= bound.split);
  }
};

/// Measures a function over the blocks of arguments that `next` makes until it says false.
template <class Float, class Exact, class Next>
std::string measure(const Stated& stated, Exact exact, const tests::Bound& bound,
                    const tests::Tail& tail_bound, Next next) {
  const Compiled<Float> with(stated, with_fma()), split(stated, without_fma());
  std::vector<Float> x(block), y(block), z(block);
  Worst main, tail;
  while (next(x)) {
    with(x, y);
    split(x, z);
    for (size_t i = 0; i < x.size(); ++i) {
      const auto value = exact(x[i]);
      Worst& worst = x[i] < tail_bound.from ? tail : main;
      worst.see(x[i], y[i], z[i], value);
    }
  }
  INFO(stated.name << ": " << main.text() << "; below " << tail_bound.from << ": " << tail.text());
  main.check(bound);
  tail.check(tail_bound.bound);
  CHECK(main.error.with_fma > 0.5); // less would mean that nothing was expanded
  return fmt::format("{} of {}: {}; below {}: {}", stated.name, to_string(element<Float>),
                     main.text(), tail_bound.from, tail.text());
}

/// Every f32, or every `stride`-th of them, against double.
std::string measure_single(const Stated& stated, uint64_t stride) {
  uint64_t bits = 0;
  return measure<float>(stated, stated.exact, stated.f32, stated.f32_tail,
                        [&](std::vector<float>& x) {
                          if (bits >> 32 != 0) return false;
                          for (float& value : x) {
                            value = std::bit_cast<float>(static_cast<uint32_t>(bits));
                            bits += stride;
                          }
                          return true;
                        });
}

/// Random f64 against long double: of any exponent, of those where functions bend, and evenly over
/// the range that is neither all zero nor all infinity.
std::string measure_double(const Stated& stated, int64_t blocks) {
  tests::Dice dice(20);
  return measure<double>(
      stated, stated.exact_wide, stated.f64, stated.f64_tail, [&](std::vector<double>& x) {
        for (double& value : x) {
          const auto bits = dice.bits();
          const auto of_exponent = [&](uint64_t lowest, uint64_t count) {
            const uint64_t exponent = lowest + (bits >> 52 & 2047) % count;
            return std::bit_cast<double>((bits & 0x800fffffffffffff) | exponent << 52);
          };
          switch (bits % 4) {
          case 0: value = of_exponent(0, 2048); break;
          case 1: value = of_exponent(1023 - 8, 12); break;
          case 2: value = of_exponent(1023 - 3, 6); break;
          case 3:
            value = std::ldexp(static_cast<double>(static_cast<int64_t>(bits)), -63) *
                    (bits & 4 ? 50 : 750);
          }
        }
        return blocks-- > 0;
      });
}

const std::vector<Stated>& all_stated() {
  static const std::vector<Stated> all = [] {
    std::vector<Stated> list = tests::stated_functions();
    for (const Stated& stated : tests::stated_activations()) list.push_back(stated);
    return list;
  }();
  return all;
}

bool runs_here(const compiler::Target& target) {
  const auto here = [](const std::string& feature) { return compiler::host().has(feature); };
  return std::all_of(target.features.begin(), target.features.end(), here);
}

template <class Float>
std::vector<Float> sample() {
  using Limits = std::numeric_limits<Float>;
  std::vector<Float> x = {Limits::quiet_NaN(), Limits::infinity(),   Limits::max(),
                          Limits::min(),       Limits::denorm_min(), 0};
  tests::Dice dice(7);
  while (x.size() < block / 32) x.push_back(static_cast<Float>(dice.normal() * 8));
  for (Float magnitude = 1; magnitude > 0; magnitude /= 8) x.push_back(magnitude);
  const size_t positive = x.size();
  for (size_t i = 0; i < positive; ++i) x.push_back(-x[i]);
  x.resize(block);
  return x;
}

template <class Float>
void compare_with_evaluator(const Stated& stated, const compiler::Target& target) {
  const std::vector<Float> x = sample<Float>();
  std::vector<Float> y(block);
  Compiled<Float>(stated, target)(x, y);
  tests::FunctionOfOne evaluator(element<Float>, [&](const Expr& argument) {
    return compiled_form(stated, argument, target.has_fma);
  });
  for (size_t i = 0; i < block / 8; ++i) {
    const auto wanted = static_cast<Float>(evaluator(x[i]));
    const bool same = std::isnan(wanted)
                          ? std::isnan(y[i])
                          : y[i] == wanted && std::signbit(y[i]) == std::signbit(wanted);
    INFO(stated.name << " on " << target.name << " at " << x[i] << ": " << y[i] << ", not "
                     << wanted);
    if (!same) CHECK(same);
  }
}

} // namespace

TEST_CASE("compiled functions are as accurate as their headers say") {
  if (!compiler::host().has_fma) return;
  for (const Stated& stated : all_stated()) {
    measure_single(stated, 2003);
    measure_double(stated, 16);
  }
}

TEST_CASE("every f32 is within the stated errors", "[.exhaustive]") { // most of an hour
  if (!compiler::host().has_fma) return;
  for (const Stated& stated : all_stated()) {
    fmt::print("{}\n{}\n", measure_single(stated, 1), measure_double(stated, 1 << 13));
    std::fflush(stdout);
  }
}

TEST_CASE("compiled functions give the evaluator's bits on every width of vector") {
  for (const char* name : {"x86-64", "sandybridge", "haswell", "native"}) {
    const compiler::Target target = compiler::parse_target(name).value();
    if (!runs_here(target)) continue;
    for (const Stated& stated : all_stated()) {
      compare_with_evaluator<float>(stated, target);
      compare_with_evaluator<double>(stated, target);
    }
  }
}
