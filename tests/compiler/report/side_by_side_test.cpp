// The texts of all stages, and what their lines come from: programs as far as the loops. Of code:
// tests/tools/inspect_page_test.cpp, codegen/lines_test.
#include "compiler/pipeline.h"
#include "compiler/report/side_by_side.h"
#include "ir/nests_text.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tests/support/catch.h"
#include "tests/support/random_program.h"
#include "tests/support/stages.h"

#include <algorithm>
#include <string_view>

using namespace volute;
using namespace volute::compiler;

namespace {

using Statements = std::vector<int32_t>;

const StageText& stage(const std::vector<StageText>& all, std::string_view name) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const StageText& s) { return s.stage == name; });
  REQUIRE(found != all.end());
  return *found;
}

std::string joined(const StageText& stage) {
  std::string text;
  for (const StageLine& line : stage.lines) text += line.text + '\n';
  return text;
}

/// The first line that has the words.
const StageLine& line_with(const StageText& stage, const std::string& words) {
  const auto found = std::find_if(stage.lines.begin(), stage.lines.end(), [&](const StageLine& l) {
    return l.text.find(words) != std::string::npos;
  });
  INFO("no line of " << stage.stage << " has '" << words << "':\n" << joined(stage));
  REQUIRE(found != stage.lines.end());
  return *found;
}

constexpr const char* layer = R"(
  program @layer(%x: f32[n=1, h=10, w=10, c=4], %w: f32[o=16, i=4, h=3, w=3], %b: f32[o=16]) {
    %0 = conv %x, %w, %b
    %1 = relu %0
    %y = max_pool %1 {kernel = 2}
    return %y
  })";

} // namespace

TEST_CASE("the texts are those that each stage has by itself", "[side_by_side]") {
  const Stages stages = tests::stages_of(layer, "haswell");
  const std::vector<StageText> all = side_by_side(stages);
  REQUIRE(all.size() == 4);
  CHECK(joined(stage(all, "program")) == ir::to_string(stages.written));
  CHECK(joined(stage(all, "nest")) == ir::to_string(stages.nests));
  CHECK(joined(stage(all, "schedule")) == to_string(stages.schedules));
  CHECK(joined(stage(all, "loops")) == ir::to_string(stages.loops));
}

TEST_CASE("a line is for the statements that its values come from", "[side_by_side]") {
  const std::vector<StageText> all = side_by_side(tests::stages_of(layer, "haswell", "naive"));
  const StageText& program = stage(all, "program");
  CHECK(line_with(program, "%0 = conv").statements == Statements{0});
  CHECK(line_with(program, "%1 = relu").statements == Statements{1});
  CHECK(line_with(program, "%y = max_pool").statements == Statements{2});
  CHECK(line_with(program, "return").statements.empty());
  CHECK(line_with(program, "program @layer").statements.empty());

  const StageText& nests = stage(all, "nest");
  CHECK(line_with(nests, "acc <- fma(").statements == Statements{0});
  CHECK(line_with(nests, "= max(0, acc)").statements == Statements{0, 1});
  CHECK(line_with(nests, "nest conv_1 {").statements == Statements{0, 1});
  CHECK(line_with(nests, "nest max_pool_y {").statements == Statements{2});
  CHECK(line_with(nests, "input x:").statements.empty());
  CHECK(line_with(nests, "acc <- fma(").nest == "conv_1");

  const StageText& schedules = stage(all, "schedule");
  for (const StageLine& line : schedules.lines)
    CHECK(line.statements == (line.nest == "conv_1" ? Statements{0, 1} : Statements{2}));

  const StageText& loops = stage(all, "loops");
  CHECK(line_with(loops, "acc = fma(").statements == Statements{0});
  CHECK(line_with(loops, "= max(0, acc)").statements == Statements{0, 1});
  CHECK(line_with(loops, "// conv %0, relu %1").statements == Statements{0, 1});
  CHECK(line_with(loops, "step max_pool_y").statements == Statements{2});
  CHECK(line_with(loops, "step max_pool_y").nest == "max_pool_y");
  for (size_t i = 0; i < loops.lines.size(); ++i)
    if (loops.lines[i].loops_line != 0) CHECK(loops.lines[i].loops_line == static_cast<int>(i) + 1);
}

TEST_CASE("a constant's lines are its statement's, as many as there are", "[side_by_side]") {
  const std::vector<StageText> all = side_by_side(tests::stages_of(R"(
    program @k(%x: f32[n=1, c=1, h=9, w=9]) {
      %k = const [1, 2, 1, 0, 1, 0, 2, 1, 0] : f32[o=1, i=1, h=3, w=3]
      %y = conv %x, %k
      return %y
    })",
                                                                   "haswell"));
  const StageText& program = stage(all, "program");
  CHECK(program.lines.at(1).statements == Statements{0});
  CHECK(line_with(program, "%y = conv").statements == Statements{1});
  CHECK(line_with(program, "return").statements.empty());
  CHECK(program.lines.back().statements.empty());
}

TEST_CASE("every line of every stage of random programs has statements that there are",
          "[side_by_side]") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    tests::Dice dice(seed);
    const ir::Program program = ir::parse(tests::random_program(dice).text()).value();
    const Expected<Stages> made = specialise_program(program, {});
    if (!made) continue; // what is refused has no stages
    const std::vector<StageText> all = side_by_side(*made);
    const auto count = static_cast<int32_t>(made->written.statements.size());
    CHECK(ir::text_of(made->nests).text == ir::to_string(made->nests));
    const std::vector<int> places = statement_lines(made->written);
    CHECK(places.size() == made->written.statements.size());
    CHECK(std::is_sorted(places.begin(), places.end()));
    for (const StageText& text : all)
      for (const StageLine& line : text.lines) {
        CHECK(std::all_of(line.statements.begin(), line.statements.end(),
                          [&](int32_t s) { return s >= 0 && s < count; }));
        CAPTURE(line.text);
        if (text.stage != "loops" || line.loops_line == 0) continue;
        const auto step = std::find_if(made->loops.steps.begin(), made->loops.steps.end(),
                                       [&](const ir::Step& s) { return s.name == line.nest; });
        REQUIRE(step != made->loops.steps.end());
        // An input that is returned is copied for no statement.
        CHECK(line.statements.empty() == step->statements.empty());
      }
  }
}
