// Chains of functions, whose expressions are graphs that stand for exponentially large trees: what
// they cost is proportional to their length, counted in nodes that walks meet and in bytes of code.

#include "compiler/compile.h"
#include "ir/parse.h"
#include "ir/walk.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"
#include "tests/support/stages.h"

#include <fmt/format.h>

#include <string>
#include <vector>

using namespace volute;
using namespace volute::tests;

namespace {

/// A convolution and functions after it, one of the list after the other, again and again.
std::string chain(const std::vector<std::string>& functions, int length, bool channels_first) {
  std::string text = fmt::format(
      "program @chain(%x: f32[{}], %w: f32[o=16, i=16, h=3, w=3]) {{\n  %0 = conv %x, %w\n",
      channels_first ? "n=1, c=16, h=8, w=8" : "n=1, h=8, w=8, c=16");
  for (int i = 0; i < length; ++i)
    text += fmt::format("  %{} = {} %{}\n", i + 1,
                        functions[static_cast<size_t>(i) % functions.size()], i);
  return text + fmt::format("  return %{}\n}}\n", length);
}

struct Cost {
  int64_t nodes = 0, code_bytes = 0, text_bytes = 0;
};

Cost cost_of(const std::string& text) {
  compiler::CompileRequest request = tests::request_for("x86-64-v3");
  const int64_t before = ir::nodes_walked();
  const compiler::Compiled compiled = compiler::compile(ir::parse(text).value(), request).value();
  Cost cost;
  cost.nodes = ir::nodes_walked() - before;
  cost.code_bytes = compiled.report.text_bytes;
  cost.text_bytes = static_cast<int64_t>(to_string(compiled.stages.nests).size() +
                                         to_string(compiled.stages.loops).size());
  return cost;
}

/// Twice the chain costs twice as much, give or take where it is cut into nests.
void check_linear(const std::vector<std::string>& functions, bool channels_first) {
  INFO(fmt::format("{} and so on, channels {}", functions.front(),
                   channels_first ? "first" : "last"));
  const Cost half = cost_of(chain(functions, 32, channels_first));
  const Cost whole = cost_of(chain(functions, 64, channels_first));
  CHECK(whole.nodes < half.nodes * 5 / 2);
  CHECK(whole.code_bytes < half.code_bytes * 5 / 2);
  CHECK(whole.text_bytes < half.text_bytes * 5 / 2);
}

} // namespace

TEST_CASE("a chain of 64 functions, any mix, costs twice as much as one of 32") {
  const std::vector<std::string> all = {"sigmoid", "tanh",  "softplus", "mish",       "gelu",
                                        "silu",    "elu",   "relu",     "hardswish",  "exp",
                                        "abs",     "relu6", "sqrt",     "hardsigmoid"};
  check_linear({"sigmoid", "tanh"}, false);
  check_linear({"softplus"}, false);
  check_linear({"tanh"}, true);
  check_linear({"gelu", "silu"}, false);
  Dice dice(3);
  for (int mix = 0; mix < 4; ++mix) {
    std::vector<std::string> functions;
    for (int i = 0; i < 16; ++i) functions.push_back(dice.one_of(all));
    check_linear(functions, mix % 2 == 1);
  }
}
