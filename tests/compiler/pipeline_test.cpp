#include "compiler/pipeline.h"
#include "ir/parse.h"
#include "ir/verify.h"
#include "tests/support/catch.h"
#include "tests/support/stages.h"
#include "tests/support/text.h"

#include <algorithm>
#include <map>
#include <set>

using namespace volute;
using namespace volute::compiler;
using tests::request_for;
using tests::with;

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
        CHECK_FALSE(pass.makes.text(value).empty());
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
                      [](const Stages&) { return std::string(); }};

} // namespace

TEST_CASE("a pass that makes something unsound is named", "[pipeline]") {
  const Pass table[] = {{"break", "program", faulty, "breaks what it is given",
                         [](Stages s, const CompileRequest&) -> Expected<Stages> { return s; }}};
  CHECK_THROWS_MATCHES(run(table, {}, {}), InternalError,
                       Catch::Matchers::Message("%y: after break: is not what it was"));
}

TEST_CASE("a pass that refuses is the last", "[pipeline]") {
  static int ran = 0;
  ran = 0;
  const Pass refuse = {"refuse", "program", faulty, "refuses everything",
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

namespace {

Stages made_of(const std::string& text, const CompileRequest& request) {
  return specialise_program(ir::parse(text).value(), request).value();
}

} // namespace

TEST_CASE("texts go on to what their programs become", "[pipeline]") {
  for (const auto& [name, text] : programs)
    for (const std::string schedule : {"auto", "naive"})
      for (const std::string target : {"x86-64-v3", "sapphirerapids"}) {
        INFO(name << " " << schedule << " " << target);
        CompileRequest request = request_for(target, schedule);
        const Stages all = made_of(text, request);
        const ir::NestProgram nests = ir::parse_nests(to_string(all.nests)).value();
        const Stages rest = specialise_nests(nests, request).value();
        CHECK(to_string(rest.nests) == to_string(all.nests));
        CHECK(to_string(rest.schedules) == to_string(all.schedules));
        CHECK(to_string(rest.loops) == to_string(all.loops));
        CHECK(rest.report.bands == all.report.bands);

        request.schedule = to_string(all.schedules);
        if (schedule == "auto")
          CHECK(to_string(specialise_nests(nests, request).value().loops) == to_string(all.loops));

        request.schedule = "auto";
        const ir::LoopProgram loops = ir::parse_loops(to_string(all.loops)).value();
        CHECK(to_string(finish_loops(loops, request).value().loops) == to_string(all.loops));
      }
}

TEST_CASE("what a pass makes of a program is what it makes of the nests before it", "[pipeline]") {
  for (const auto& [name, text] : programs) {
    CompileRequest request = request_for("skylake-avx512");
    std::map<std::string_view, std::string> nests;
    const std::string loops = [&] {
      CompileRequest watched = request;
      watched.watch = [&](const Pass& pass, const Stages& value) {
        if (pass.makes.name == "nests") nests[pass.name] = pass.makes.text(value);
      };
      return to_string(made_of(text, watched).loops);
    }();
    CHECK(nests.size() == 5);
    for (const auto& [pass, nest_text] : nests) {
      INFO(name << " after " << pass);
      const ir::NestProgram read = ir::parse_nests(nest_text).value();
      CHECK(to_string(specialise_nests(read, request).value().loops) == loops);
    }
  }
}

namespace {

const char* const two_nests = R"(nests p

input x: f32[n=1, c=2, h=6, w=4]
output y: f32[n=1, c=2, h=4, w=4]
intermediate t: f32[48]

nest double_x {
  x: input f32[1][2][6][4]
  t: intermediate f32[1][2][6][4]
  parallel n in 0..1, c in 0..2, h in 0..6, w in 0..4
  t[n, c, h, w] = x[n, c, h, w] + x[n, c, h, w]
}

nest sum_y {
  t: intermediate f32[1][2][6][4]
  y: output f32[1][2][4][4]
  parallel n in 0..1, c in 0..2, h in 0..4, w in 0..4
  reduce kh in 0..3
  acc = 0
  acc <- acc + t[n, c, h + kh, w]
  y[n, c, h, w] = acc
}
)";

std::string refusal_of(const std::string& nests, const std::string& schedule = "auto") {
  const Expected<Stages> made =
      specialise_nests(ir::parse_nests(nests).value(), request_for("haswell", schedule));
  REQUIRE_FALSE(made);
  return Error(made.diagnostics()).what();
}

} // namespace

TEST_CASE("a place that a text gives a nest is kept, unless a schedule is given", "[pipeline]") {
  const std::string placed =
      with(two_nests, "  parallel n in 0..1, c in 0..2, h in 0..6",
           "  computed for every 2 of h of sum_y\n  parallel n in 0..1, c in 0..2, h in 0..6");
  const ir::NestProgram nests = ir::parse_nests(placed).value();
  const Stages kept = specialise_nests(nests, request_for("haswell")).value();
  CHECK(kept.loops.steps.size() == 1);
  CHECK(to_string(kept.nests) == placed);
  // A schedule says itself what is computed inside what.
  for (const std::string schedule : {"naive", "nest sum_y:\nfor c, h, w, kh"}) {
    INFO(schedule);
    const Stages given = specialise_nests(nests, request_for("haswell", schedule)).value();
    CHECK(to_string(given.nests) == two_nests);
  }
}

TEST_CASE("nests that are sound one by one and no program are refused", "[pipeline]") {
  const auto placed = [](const std::string& at) {
    return with(two_nests, "  parallel n in 0..1, c in 0..2, h in 0..6",
                "  computed for every " + at +
                    " of sum_y\n  parallel n in 0..1, c in 0..2, h in 0..6");
  };
  CHECK(refusal_of(placed("5 of h")) ==
        "nest double_x: computed for every 5 of h of sum_y: there are no bands of 5 in the 4 of h");
  CHECK(refusal_of(placed("1 of n")) == "nest double_x: computed for every 1 of n of sum_y: images "
                                        "are work items of their own already");
  CHECK(refusal_of(placed("0 of h")) ==
        "nest double_x: computed for every 0 of h of sum_y: there are no bands of 0 in the 4 of h");
  const auto in_scratch = [](const std::string& text) {
    return with(with(with(text, "intermediate t: f32[48]", "scratch t: f32[48] at 0"),
                     "t: intermediate", "t: scratch"),
                "t: intermediate", "t: scratch");
  };
  CHECK_THAT(refusal_of(in_scratch(two_nests)),
             Catch::Matchers::StartsWith("nest double_x: t is scratch memory, which is laid out "
                                         "when bands are cut (before that it is intermediate)"));
  CHECK(
      refusal_of(with(two_nests, "  parallel n", "  form winograd\n  parallel n")) ==
      "nest double_x: there is no form winograd (the forms are direct, dot, tile, separable, "
      "winograd2x2, winograd2x4, winograd4x4, winograd4x1, winograd1x4, winograd4, winograd4x1x1, "
      "winograd1x2x2, winograd1x4x4, bf16x6, bf16x4, bf16x3)");
  CHECK_THAT(
      refusal_of(two_nests, "form sum_y separable"),
      Catch::Matchers::ContainsSubstring("schedule: form sum_y separable: the nest was made in its "
                                         "form, which is direct"));
  CHECK(refusal_of(two_nests, "form none dot") ==
        "schedule:1:1: schedule: form none dot: there is no nest none");
}

TEST_CASE("memory that nothing writes is not read, and not returned", "[pipeline]") {
  ir::NestProgram nests = ir::parse_nests(two_nests).value();
  std::swap(nests.nests[0], nests.nests[1]);
  CHECK(Error(specialise_nests(nests, request_for("haswell")).diagnostics()).what() ==
        std::string("nest sum_y: reads intermediate t, which nothing before it writes"));
  nests.nests.erase(nests.nests.begin());
  CHECK(Error(specialise_nests(nests, request_for("haswell")).diagnostics()).what() ==
        std::string("p: nothing writes output y"));
  nests.nests.front().writes.clear();
  CHECK(Error(specialise_nests(nests, request_for("haswell")).diagnostics()).what() ==
        std::string("nest double_x: writes nothing"));

  ir::LoopProgram loops =
      specialise_nests(ir::parse_nests(two_nests).value(), request_for("haswell", "naive"))
          .value()
          .loops;
  std::swap(loops.steps[0], loops.steps[1]);
  CHECK(Error(finish_loops(loops, request_for("haswell")).diagnostics()).what() ==
        std::string("step sum_y: reads intermediate t, which nothing before it writes"));
  loops.steps.erase(loops.steps.begin());
  CHECK(Error(finish_loops(loops, request_for("haswell")).diagnostics()).what() ==
        std::string("p: nothing writes output y"));
}

TEST_CASE("loops take no schedule", "[pipeline]") {
  const ir::LoopProgram loops = made_of(programs.at("chain"), request_for("haswell")).loops;
  CHECK(Error(finish_loops(loops, request_for("haswell", "naive")).diagnostics()).what() ==
        std::string("schedule: loops have every decision taken: nothing is left to schedule"));
}
TEST_CASE("every level that a pass reads is made by one before it", "[pipeline]") {
  std::set<std::string_view> made = {"program"};
  for (const Pass& pass : passes_to_loops()) {
    INFO(pass.name);
    CHECK(made.count(pass.takes) == 1);
    made.insert(pass.makes.name);
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
