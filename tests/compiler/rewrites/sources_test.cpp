#include "compiler/pipeline.h"
#include "compiler/rewrites/sources.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/walk.h"
#include "tests/support/catch.h"
#include "tests/support/stages.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>

using namespace volute;

namespace {

/// "%y: %0 %y": what each statement of the program that is lowered comes from, constants left out.
std::map<std::string, std::string> sources_of(const std::string& text,
                                              const std::string& schedule = "auto") {
  compiler::CompileRequest request = tests::request_for("x86-64-v4", schedule);
  const ir::Program program = ir::parse(text).value();
  const compiler::Stages stages = compiler::specialise_program(program, request).value();
  std::map<std::string, std::string> found;
  for (const ir::Statement& statement : stages.program.statements) {
    std::string names;
    for (const int32_t id : statement.sources.statements)
      names +=
          fmt::format("{}%{}", names.empty() ? "" : " ",
                      program.name_of(program.statements.at(static_cast<size_t>(id)).results[0]));
    found[stages.program.name_of(statement.results[0])] = names;
  }
  // Nests, steps and their nodes name statements of that program, and nothing else.
  const auto count = static_cast<ir::SourceId>(stages.program.statements.size());
  CHECK(stages.nests.sources.size() == stages.program.statements.size());
  CHECK(stages.loops.sources.size() == stages.program.statements.size());
  for (size_t s = 0; s < stages.program.statements.size(); ++s)
    CHECK(stages.loops.sources[s].statements == stages.program.statements[s].sources.statements);
  for (const ir::Step& step : stages.loops.steps) {
    for (const size_t statement : step.statements) CHECK(statement < static_cast<size_t>(count));
    ir::for_each_expression(step.body, [&](const ir::Expr& value) {
      ir::visit(value, [&](const ir::ExprNode& node) { CHECK(node.source < count); });
    });
  }
  return found;
}

} // namespace

TEST_CASE("statements that stay are their own sources") {
  const auto found = sources_of("program @p(%x: f32[n=1, c=4, w=20], %w: f32[o=4, i=4, w=3]) {\n"
                                "  %0 = conv %x, %w\n  %1 = relu %0\n"
                                "  %y = max_pool %1 {kernel = 2}\n  return %y\n}\n");
  CHECK(found == std::map<std::string, std::string>{{"0", "%0"}, {"1", "%1"}, {"y", "%y"}});
}

TEST_CASE("a convolution that takes a batch_norm in comes from both") {
  const auto found = sources_of("program @p(%x: f32[n=1, c=1, w=4]) {\n"
                                "  %w = const [1, 2, 3, 4] : f32[o=2, i=1, w=2]\n"
                                "  %c = const [1, 1] : f32[c=2]\n"
                                "  %0 = conv %x, %w\n"
                                "  %1 = batch_norm %0, %c, %c, %c, %c\n"
                                "  %y = relu %1\n  return %y\n}\n");
  CHECK(found.at("1") == "%0 %1");
  CHECK(found.at("y") == "%y");
  CHECK(found.at("w_scaled") == "%0 %1"); // a constant that was put in, for who reads it
}

TEST_CASE("a constant that was computed comes from what computed it") {
  const auto found = sources_of("program @p(%x: f32[n=1, c=2, w=4]) {\n"
                                "  %k = const [1, 2] : f32[c=2]\n"
                                "  %0 = neg %k\n  %1 = exp %0\n"
                                "  %y = mul %x, %1\n  return %y\n}\n");
  CHECK(found.at("1") == "%0 %1");
  CHECK(found.at("y") == "%y");
}

TEST_CASE("copies that are put in come from the statement that needs them") {
  const auto padded = sources_of("program @p(%x: f32[n=1, c=4, w=20], %w: f32[o=4, i=4, w=3]) {\n"
                                 "  %0 = relu %x\n"
                                 "  %y = conv %0, %w {pad = 1, padding_mode = reflect}\n"
                                 "  return %y\n}\n");
  CHECK(padded.at("0_padded") == "%y");
  CHECK(padded.at("y") == "%y");
  CHECK(padded.at("0") == "%0");
}

TEST_CASE("the two passes of a separable filter come from the convolution") {
  const auto found =
      sources_of("program @p(%x: f32[n=1, c=1, h=30, w=30]) {\n"
                 "  %k = const [1, 2, 1, 2, 4, 2, 1, 2, 1] : f32[o=1, i=1, h=3, w=3]\n"
                 "  %y = conv %x, %k\n  return %y\n}\n",
                 "form conv_y separable\n");
  CHECK(found.at("y_rows") == "%y");
  CHECK(found.at("y") == "%y");
  CHECK(found.at("k_row") == "%y");
}

TEST_CASE("sources are part of nothing that a program says") {
  const ir::Program program = ir::parse("program @p(%x: f32[n=1, c=2, w=4]) {\n"
                                        "  %y = relu %x\n  return %y\n}\n")
                                  .value();
  const ir::Program own = compiler::with_own_sources(program);
  REQUIRE(own.statements[0].sources.statements == std::vector<int32_t>{0});
  CHECK(own == program);
  CHECK(to_string(own) == to_string(program));
}
