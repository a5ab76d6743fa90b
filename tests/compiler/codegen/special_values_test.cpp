// Every function of one number at the numbers that are special: both zeros, infinities, NaN, the
// largest, the smallest and the smallest normal ones of a type, those where e^ ends. From the
// reference down to the kernel on every target, of every element type; and what is done with a
// result in the same statement, before it is rounded.

#include "ir/number.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/every_stage.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace volute;
using namespace volute::tests;
using ir::ElementType;

namespace {

const std::vector<std::string> functions = {"relu",
                                            "relu6",
                                            "clamp {min = -0.3, max = 0.7}",
                                            "clamp {min = -inf, max = inf}",
                                            "clamp {min = 1}",
                                            "leaky_relu",
                                            "leaky_relu {slope = -1.5}",
                                            "elu",
                                            "elu {alpha = 0.7}",
                                            "sigmoid",
                                            "tanh",
                                            "silu",
                                            "hardsigmoid",
                                            "hardswish",
                                            "mish",
                                            "gelu",
                                            "gelu {approximate = tanh}",
                                            "softplus",
                                            "abs",
                                            "neg",
                                            "sqrt",
                                            "exp"};
struct Ends {
  double largest, normal, smallest;
};
Ends ends(ElementType type) {
  switch (type) {
  case ElementType::f32: return {0x1.fffffep127, 0x1p-126, 0x1p-149};
  case ElementType::bf16: return {0x1.fep127, 0x1p-126, 0x1p-133};
  case ElementType::f16: return {65504, 0x1p-14, 0x1p-24};
  default: return {std::numeric_limits<double>::max(), 0x1p-1022, 0x1p-1074};
  }
}

/// The numbers of a type, and some between them, of both signs.
std::vector<double> numbers(ElementType type) {
  const auto [largest, normal, smallest] = ends(type);
  std::vector<double> all = {0,
                             std::numeric_limits<double>::infinity(),
                             std::nan(""),
                             largest,
                             largest / 2,
                             std::sqrt(largest),
                             std::cbrt(largest),
                             smallest,
                             normal,
                             normal / 2,
                             std::sqrt(normal)};
  for (const double x :
       {0.3,  0.5,  0.7,  1.0,  2.0,  3.0,  4.0,  5.0,  6.0,  7.0,   8.0,   9.0,   10.0, 11.0,
        12.0, 13.0, 15.0, 17.0, 20.0, 21.0, 40.0, 80.0, 90.0, 110.0, 700.0, 720.0, 760.0})
    all.push_back(x);
  const size_t positive = all.size();
  for (size_t i = 0; i < positive; ++i) all.push_back(-all[i]);
  return all;
}

std::string statement(const std::string& result, const std::string& function,
                      const std::string& operands) {
  const size_t space = function.find(' ');
  const std::string attributes = space == std::string::npos ? "" : function.substr(space);
  return fmt::format("  %{} = {} {}{}\n", result, function.substr(0, space), operands, attributes);
}

/// The numbers through every function; those results through one thing more.
std::string program(ElementType type, size_t numbers, const std::string& more) {
  const std::string name(ir::to_string(type));
  std::string text = fmt::format("program @p(%x: {}[n=1, c={}], %z: {}[c={}]) {{\n", name, numbers,
                                 name, numbers),
              results;
  for (size_t i = 0; i < functions.size(); ++i) {
    text += statement(fmt::format("{}{}", more.empty() ? "y" : "t", i), functions[i], "%x");
    if (!more.empty()) text += statement(fmt::format("y{}", i), more, fmt::format("%t{}, %z", i));
    results += fmt::format("{}%y{}", i ? ", " : "", i);
  }
  return text + "  return " + results + "\n}";
}

/// Whether a result is the reference's: infinite or NaN where that is, 0 of its sign, and else as
/// close as a type has digits, or its smallest numbers are apart.
bool agrees(ElementType type, double value, double wanted) {
  if (std::isnan(wanted) || std::isnan(value)) return std::isnan(wanted) && std::isnan(value);
  if (value == wanted) return std::signbit(value) == std::signbit(wanted);
  const double digits = type == ElementType::f64   ? 0x1p-40
                        : type == ElementType::f32 ? 0x1p-15
                        : type == ElementType::f16 ? 0x1p-10
                                                   : 0x1p-7;
  const double apart = type == ElementType::f64   ? 0x1p-1064
                       : type == ElementType::f16 ? 0x1p-24
                                                  : 0x1p-133;
  return std::fabs(value - wanted) <= std::fabs(wanted) * digits + apart;
}

void compare(const std::string& what, const ir::Program& program, const ir::Memory& found,
             const ir::Memory& wanted, const std::vector<double>& x) {
  const ElementType type = program.type(program.inputs.front()).element;
  for (size_t i = 0; i < program.outputs.size(); ++i)
    for (size_t at = 0; at < x.size(); ++at) {
      const auto element = [&](const ir::Memory& memory) {
        return ir::read_real(memory[program.inputs.size() + i].data() +
                                 static_cast<int64_t>(at) * ir::size_of(type),
                             type);
      };
      const double value = element(found), right = element(wanted);
      INFO(what << ": " << functions[i] << " of " << ir::to_string(type) << " at " << x[at] << ": "
                << value << ", not " << right);
      if (!agrees(type, value, right)) CHECK(value == right);
    }
}

void check(ElementType type, const std::string& more, double second) {
  std::vector<double> x = numbers(type);
  // Half of the smallest number is 0 or that, as it is rounded.
  if (!more.empty())
    std::erase_if(x, [&](double value) { return std::fabs(value) == ends(type).smallest; });
  const ir::Program made = ir::parse(program(type, x.size(), more)).value();
  Tensors inputs;
  inputs["x"] = ir::tensor_of(made.type(made.inputs[0]), x);
  inputs["z"] = ir::tensor_of(made.type(made.inputs[1]), std::vector<double>(x.size(), second));
  const ir::Memory wanted = reference_memory(made, inputs);
  for (const std::string& target : targets_of_users()) {
    CAPTURE(target, more, second);
    const compiler::Compiled compiled = compiler::compile(made, request_for(target)).value();
    compare("nests", made, evaluate_nests(compiled.stages.nests, made, inputs), wanted, x);
    const ir::Memory loops = evaluate_loops(compiled.stages.loops, made, inputs);
    compare("loops", made, loops, wanted, x);
    Dice dice(3);
    CHECK(fault_of_kernel(compiled, made, inputs, loops, dice) == "");
  }
}

} // namespace

TEST_CASE("functions of special numbers are the reference's, of every type on every target") {
  for (const ElementType type :
       {ElementType::f32, ElementType::f64, ElementType::f16, ElementType::bf16})
    check(type, "", 0);
}

TEST_CASE("so are those of results that are not rounded in between") {
  const double infinity = std::numeric_limits<double>::infinity();
  // By these it is seen whether a result was 0 or infinite.
  for (const ElementType type : {ElementType::f32, ElementType::f16, ElementType::bf16}) {
    check(type, "mul", infinity);
    check(type, "add", -infinity);
  }
}
