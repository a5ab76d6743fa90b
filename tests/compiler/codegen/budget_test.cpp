// A compilation that would take more than its budget ends in an error that says so, wherever it is
// at that moment, and leaves nothing behind that the next one stumbles over.

#include "compiler/compile.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

#include <fmt/format.h>

using namespace volute;

namespace {

ir::Program chain(int convolutions) {
  std::string text =
      "program @long(%y0: f32[n=1, h=32, w=32, c=16], %w: f32[o=16, i=16, h=3, w=3]) {";
  for (int i = 1; i <= convolutions; ++i)
    text += fmt::format("%y{} = conv %y{}, %w {{pad = 1}}\n", i, i - 1);
  return ir::parse(text + fmt::format("return %y{} }}", convolutions)).value();
}

std::string refusal(const ir::Program& program, double seconds) {
  compiler::CompileRequest request;
  request.budget.seconds = seconds;
  const Expected<compiler::Compiled> compiled = compiler::compile(program, request);
  return compiled ? "" : to_string(compiled.diagnostics().front());
}

} // namespace

TEST_CASE("compiling that takes more than its budget is refused, and the next is as ever") {
  const ir::Program program = chain(40);
  using Catch::Matchers::ContainsSubstring;
  for (const double seconds : {1e-6, 1e-3, 1e-2})
    CHECK_THAT(refusal(program, seconds),
               ContainsSubstring(fmt::format("compiling it takes more than {} s of processor time, "
                                             "and was given up",
                                             seconds)) &&
                   ContainsSubstring("--compile-seconds"));
  CHECK(refusal(chain(1), 60).empty());
}

TEST_CASE("code that there is no time to generate is refused with its number of instructions") {
  compiler::CompileRequest request;
  request.budget.seconds = 1;
  request.watch = [](const compiler::Pass& pass, const compiler::Stages&) {
    while (pass.name == "emit" && ir::seconds_left() > 5e-3) {
    } // the time is nearly spent
  };
  const auto refused = compiler::compile(chain(3), request);
  REQUIRE(!refused);
  CHECK_THAT(to_string(refused.diagnostics().front()),
             Catch::Matchers::ContainsSubstring("1 s of processor time: it has ") &&
                 Catch::Matchers::ContainsSubstring(" instructions"));
}
