#include "compiler/pipeline.h"
#include "ir/parse.h"
#include "ir/verify.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <map>
#include <set>

using namespace volute;
using namespace volute::compiler;

namespace {

// A program for each kind of thing that passes do: chains that fuse, bands, a filter of rank one, a
// batch_norm that folds, padding that is copied, bytes that are staged, phases, split channels.
const std::map<std::string, std::string> programs = {
    {"chain", R"(program @chain(%x: f32[n=1, c=3, h=9, w=9], %w: f32[o=8, i=3, h=3, w=3]) {
      %0 = conv %x, %w {pad = 1}
      %1 = gelu %0
      %y = add %1, %0
      return %y
    })"},
    {"stem", R"(program @stem(%x: f32[n=1, c=3, h=64, w=64], %w: f32[o=32, i=3, h=7, w=7]) {
      %0 = conv %x, %w {stride = 2, pad = 3}
      %1 = relu %0
      %y = max_pool %1 {kernel = 3, stride = 2, pad = 1}
      return %y
    })"},
    {"blur", R"(program @blur(%x: f32[n=1, c=1, h=64, w=64]) {
      %k = const [1, 4, 6, 4, 1, 4, 16, 24, 16, 4, 6, 24, 36, 24, 6, 4, 16, 24, 16, 4, 1, 4, 6, 4, 1]
          : f32[o=1, i=1, h=5, w=5]
      %y = conv %x, %k {pad = 2}
      return %y
    })"},
    {"normal", R"(program @normal(%x: f32[n=1, c=2, h=6, w=6], %m: f32[c=2]) {
      %k = const [1, 2, 3, 4] : f32[o=2, i=2, h=1, w=1]
      %v = const [1, 4] : f32[c=2]
      %0 = conv %x, %k
      %y = batch_norm %0, %v, %v, %v, %v
      %z = batch_norm %x, %m, %m, %m, %m
      return %y, %z
    })"},
    {"mirror", R"(program @mirror(%x: f32[n=1, h=9, w=9, c=4], %w: f32[o=4, i=4, h=3, w=3]) {
      %y = conv %x, %w {pad = 1, padding_mode = reflect}
      return %y
    })"},
    {"bytes", R"(program @bytes(%x: u8[n=1, c=8, h=7, w=7], %w: i8[o=8, i=8, h=3, w=3]) {
      %y = conv %x, %w {pad = 1, x_zero_point = 3, w_zero_point = 2}
      return %y
    })"},
    {"phases", R"(program @phases(%x: f32[n=1, c=4, h=5, w=5], %w: f32[i=4, o=8, h=3, w=3]) {
      %y = conv_transpose %x, %w {stride = 2}
      return %y
    })"},
    {"split", R"(program @split(%x: f32[n=1, c=2, h=6, w=6, c=8], %w: f32[o=16, i=16, h=1, w=1]) {
      %y = conv %x, %w : f32[n=1, c=4, h=6, w=6, c=4]
      return %y
    })"},
};

CompileRequest request_for(const std::string& target, const std::string& schedule = "auto") {
  CompileRequest request;
  request.target = parse_target(target).value();
  request.schedule = schedule;
  return request;
}

} // namespace

TEST_CASE("every pass has a name of its own, and a sentence", "[pipeline]") {
  std::set<std::string_view> names;
  for (const Pass& pass : passes_to_loops()) {
    INFO(pass.name);
    CHECK(names.insert(pass.name).second);
    CHECK(pass.sentence.size() > 20);
    CHECK(std::islower(static_cast<unsigned char>(pass.sentence.front())));
    CHECK(pass.sentence.back() != '.');
  }
  CHECK(names.size() > 10);
}

TEST_CASE("every pass runs once, in the table's order, and what it made is seen", "[pipeline]") {
  for (const auto& [name, text] : programs)
    for (const std::string schedule : {"auto", "naive"}) {
      INFO(name << " " << schedule);
      CompileRequest request = request_for("skylake-avx512", schedule);
      std::vector<std::string_view> seen;
      request.watch = [&](const Pass& pass, const Stages& value) {
        seen.push_back(pass.name);
        CHECK(pass.makes.verify(value).empty());
        const std::vector<Section> sections = pass.makes.text(value);
        CHECK_FALSE(sections.empty());
        for (const Section& section : sections) CHECK_FALSE(section.text.empty());
      };
      const Stages made = specialise_program(ir::parse(text).value(), request).value();
      std::vector<std::string_view> table;
      for (const Pass& pass : passes_to_loops()) table.push_back(pass.name);
      CHECK(seen == table);

      CHECK(made.report.passes.size() == table.size());
      double sum = 0;
      for (size_t i = 0; i < table.size(); ++i) {
        const PassTime& time = made.report.passes.at(i);
        CHECK(time.pass == table[i]);
        CHECK(time.ms >= 0);
        CHECK(time.verify_ms >= 0);
        sum += time.total_ms();
      }
      CHECK(made.report.lower_ms == Approx(sum));
    }
}

namespace {

const Level faulty = {"program",
                      [](const Stages&) {
                        return std::vector<Diagnostic>{{{}, "%y", "is not what it was", ""}};
                      },
                      [](const Stages&) { return std::vector<Section>(); }};

} // namespace

TEST_CASE("a pass that makes something unsound is named", "[pipeline]") {
  const Pass table[] = {{"break", faulty, "breaks what it is given",
                         [](Stages s, const CompileRequest&) -> Expected<Stages> { return s; }}};
  CHECK_THROWS_MATCHES(run(table, {}, {}), InternalError,
                       Catch::Matchers::Message("%y: after break: is not what it was"));
}

TEST_CASE("a pass that refuses is the last", "[pipeline]") {
  static int ran = 0;
  ran = 0;
  const Pass refuse = {"refuse", faulty, "refuses everything",
                       [](Stages, const CompileRequest&) -> Expected<Stages> {
                         ++ran;
                         return fail("%y", "is too much");
                       }};
  const Pass table[] = {refuse, refuse};
  const Expected<Stages> made = run(table, {}, {});
  REQUIRE_FALSE(made);
  CHECK(made.diagnostics().front().message == "is too much");
  CHECK(ran == 1);
}

TEST_CASE("a program that was built wrong reaches no pass", "[pipeline]") {
  ir::Program program = ir::parse(programs.at("chain")).value();
  program.outputs.push_back(99);
  CompileRequest request = request_for("haswell");
  request.watch = [](const Pass& pass, const Stages&) { FAIL(pass.name); };
  CHECK_FALSE(specialise_program(program, request));
}

TEST_CASE("nests that were lowered before go on to the same loops", "[pipeline]") {
  for (const auto& [name, text] : programs) {
    if (name == "bytes") continue; // whose form is not told by its nests
    INFO(name);
    CompileRequest request = request_for("skylake-avx512");
    const Stages all = specialise_program(ir::parse(text).value(), request).value();
    ir::NestProgram lowered;
    request.watch = [&](const Pass& pass, const Stages& value) {
      if (pass.name == "fold_tables") lowered = value.nests;
    };
    specialise_program(ir::parse(text).value(), request).value();
    request.watch = nullptr;
    const Stages rest = specialise_nests(lowered, request).value();
    CHECK(to_string(rest.loops) == to_string(all.loops));
    lowered.nests.front().writes.clear();
    CHECK_FALSE(specialise_nests(lowered, request));
  }
}

TEST_CASE("the table prints a line a pass", "[pipeline]") {
  const std::string text = to_string(passes_to_loops());
  CHECK(static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) ==
        passes_to_loops().size());
  for (const Pass& pass : passes_to_loops()) CHECK(text.find(pass.sentence) != std::string::npos);
}

TEST_CASE("what a pass calls unchanged is as it was, and so still verified", "[pipeline]") {
  int unchanged = 0;
  for (const auto& [name, text] : programs)
    for (const char* target : {"haswell", "x86-64"}) {
      struct Texts {
        std::string nests, pieces, loops;
      } before;
      CompileRequest request = request_for(target);
      request.watch = [&](const Pass& pass, const Stages& stages) {
        const Texts now = {to_string(stages.nests), to_string(stages.pieces),
                           to_string(stages.loops)};
        INFO(name << ": " << pass.name);
        if (stages.unchanged) {
          ++unchanged;
          CHECK(now.nests == before.nests);
          CHECK(now.pieces == (pass.name == "cut_bands" ? now.nests : before.pieces));
          CHECK(now.loops == before.loops);
        }
        before = now;
      };
      REQUIRE(specialise_program(ir::parse(text).value(), request));
    }
  CHECK(unchanged > 60);
}
