// What a program of many statements costs to compile is proportional to how many there are: nothing
// is searched for by a walk over all statements, nests or buffers for each of them. Counted in
// nodes that walks and searches meet, and in bytes that are asked of memory, at n statements and at
// 2 n.

#include "compiler/compile.h"
#include "compiler/image/workspace.h"
#include "compiler/pipeline.h"
#include "ir/parse.h"
#include "ir/walk.h"
#include "tests/support/catch.h"
#include "tests/support/counted_memory.h"
#include "tests/support/stages.h"

#include <fmt/format.h>

#include <cstdlib>
#include <functional>
#include <string>

using namespace volute;

namespace {

/// Statements by their number, each with its line; the last one's value is %y{n}.
using Body = std::function<std::string(int)>;

std::string program_of(const std::string& inputs, int n, const Body& line,
                       bool returns_all = false) {
  std::string text = "program @p(" + inputs + ") {\n", returned;
  for (int i = 1; i <= n; ++i) {
    text += line(i);
    if (returns_all || i == n) returned += fmt::format("{}%y{}", returned.empty() ? "" : ", ", i);
  }
  return text + "return " + returned + " }";
}

struct Cost {
  int64_t nodes = 0, bytes = 0;
};

Cost cost_of(const std::string& text, bool to_code) {
  compiler::CompileRequest request = tests::request_for("x86-64-v3");
  const ir::Program program = ir::parse(text).value();
  const int64_t nodes = ir::nodes_walked(), bytes = tests::bytes_asked_for;
  if (to_code)
    REQUIRE(compiler::compile(program, request));
  else
    REQUIRE(compiler::specialise_program(program, request));
  return {ir::nodes_walked() - nodes, tests::bytes_asked_for - bytes};
}

void check_linear(const std::string& inputs, int n, const Body& line, bool returns_all = false,
                  bool to_code = false) {
  INFO(line(2));
  const Cost half = cost_of(program_of(inputs, n, line, returns_all), to_code);
  const Cost whole = cost_of(program_of(inputs, 2 * n, line, returns_all), to_code);
  CAPTURE(half.nodes, whole.nodes, half.bytes, whole.bytes);
  CHECK(half.nodes > n);
  CHECK(whole.nodes * 10 < half.nodes * 22);
  CHECK(whole.bytes * 10 < half.bytes * 22);
}

const std::string x = "%y0: f32[n=1, c=1, w=8]";

} // namespace

TEST_CASE("a program twice as long costs twice as much until its loops are there") {
  check_linear(
      x, 500, [](int i) { return fmt::format("%y{} = relu %y0\n", i); }, true);
  check_linear(x, 2000, [](int i) { return fmt::format("%y{} = relu %y{}\n", i, i - 1); });
  check_linear(x + ", %w: f32[o=1, i=1, w=3]", 150,
               [](int i) { return fmt::format("%y{} = conv %y{}, %w {{pad = 1}}\n", i, i - 1); });
  // With copies between that are put in, all of one name.
  check_linear(
      x + ", %w: f32[o=1, i=1, w=3]", 150,
      [](int i) {
        return fmt::format("%y{} = conv %y0, %w {{pad = 1, padding_mode = replicate}}\n", i);
      },
      true);
  // Constants, which are folded, packed and looked up.
  check_linear("%y0: f32[n=1, c=2, w=8]", 150, [](int i) {
    return fmt::format("%w{0} = const [{0}, 2, 3, 4] : f32[o=2, i=2, w=1]\n"
                       "%k{0} = const [1, 2] : f32[c=2]\n%s{0} = abs %k{0}\n"
                       "%a{0} = conv %y{1}, %w{0}\n"
                       "%y{0} = batch_norm %a{0}, %s{0}, %k{0}, %k{0}, %k{0}\n",
                       i, i - 1);
  });
  check_linear("%y0: f32[n=1, c=1, h=8, w=8]", 100, [](int i) {
    return fmt::format("%w{0} = const [1, 2, 1, 2, 4, 2, 1, 2, {1}] : f32[o=1, i=1, h=3, w=3]\n"
                       "%y{0} = conv %y{2}, %w{0} {{pad = 1}}\n",
                       i, i % 2 ? 1 : 5, i - 1);
  });
  // Bands of rows, one step inside the next.
  check_linear("%y0: f32[n=1, h=64, w=8, c=8], %w: f32[o=8, i=8, h=3, w=3]", 60, [](int i) {
    return fmt::format("%a{0} = conv %y{1}, %w {{pad = 1}}\n"
                       "%y{0} = max_pool %a{0} {{kernel = 3, stride = 1, pad = 1}}\n",
                       i, i - 1);
  });
  // Sums of bytes, whose bounds and images are told of.
  check_linear(
      "%x: u8[n=1, c=4, w=8], %y0: u8[n=1, c=4, w=8]", 100,
      [](int i) {
        return fmt::format(
            "%w{0} = const [1, 2, 3, {1}] : i8[o=1, i=4, w=1]\n%y{0} = conv %x, %w{0} "
            "{{pad = 1, x_zero_point = 3}}\n",
            i, i % 100);
      },
      true);
}

TEST_CASE("a program twice as long costs twice as much until its code is there") {
  check_linear(
      x, 60, [](int i) { return fmt::format("%y{} = relu %y0\n", i); }, true, true);
  check_linear(
      x + ", %w: f32[o=1, i=1, w=3]", 40,
      [](int i) {
        return fmt::format("%y{} = conv %y{}, %w\n%z{} = abs %y0\n", i, i > 1 ? 0 : i - 1, i);
      },
      true, true);
}

TEST_CASE("the workspace of a long chain is planned without a look at all of it for each part") {
  std::vector<compiler::Resident> chain;
  for (int32_t i = 0; i < 200'000; ++i) chain.push_back({64 + i % 7 * 64, {i, i + 1 + i % 3}});
  chain.push_back({640, {0, 200'000}});
  const int64_t before = tests::bytes_asked_for;
  const compiler::WorkspacePlan plan = plan_workspace(chain);
  CHECK(tests::bytes_asked_for - before < 200'000 * 2000); // what is in the way of each is few
  CHECK(plan.bytes >= busiest_step_bytes(chain));
  CHECK(plan.bytes < 3 * busiest_step_bytes(chain));
}
