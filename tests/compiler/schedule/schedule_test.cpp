// Schedules as texts and as values that fit a nest: every refusal in its words, and any bytes at
// all are either a schedule or refused.

#include "compiler/lower/lower.h"
#include "compiler/pipeline.h"
#include "compiler/schedule/plan.h"
#include "compiler/schedule/schedule.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"
#include "tests/support/lowered.h"
#include "tests/support/stages.h"

#include <string>
#include <vector>

using namespace volute;
using compiler::LoopDirective;
using compiler::parse_schedules;
using compiler::Plan;
using compiler::Schedule;
using compiler::Schedules;

namespace {

std::string refusal(const std::string& text) {
  const Expected<Schedules> parsed = parse_schedules(text);
  return parsed ? "parsed" : Error(parsed.diagnostics()).what();
}

ir::Nest nest_of(const std::string& text) { return tests::lowered(text).nests.front(); }

const std::string filter =
    R"(program @p(%x: f32[n=2, c=8, h=6, w=10], %k: f32[o=12, i=8, h=3, w=3]) {
  %y = conv %x, %k {pad = 1}
  return %y })";
const std::string pool = R"(program @p(%x: f32[n=1, c=4, h=6, w=6]) {
  %y = max_pool %x {kernel = 2}
  return %y })";

const compiler::Target plain = compiler::parse_target("x86-64-v3").value();

/// How a schedule does not fit the nest, or "fits".
std::string misfit(const std::string& schedule, const std::string& program = filter) {
  const Expected<Plan> resolved =
      compiler::resolve(parse_schedules(schedule).value().at(""), nest_of(program), plain);
  return resolved ? "fits" : Error(resolved.diagnostics()).what();
}

/// What the whole path up to the loops says of a schedule for a program.
std::string verdict(const std::string& schedule, const std::string& program = filter) {
  compiler::CompileRequest request = tests::request_for("x86-64-v3", schedule);
  const auto stages = compiler::specialise_program(ir::parse(program).value(), request);
  return stages ? "compiled" : Error(stages.diagnostics()).what();
}

const char* const reductions = "; for i, kh, kw";

} // namespace

// ---- texts ------------------------------------------------------------------------------------

TEST_CASE("a schedule is what its text says") {
  const Schedule s = parse_schedules(R"(flatten h, w   // pixels
parallel o by 32, hw by 14
for i by 8, kh, kw unroll, i unroll 2
registers hw 14 unroll, o 32 vector 16
pack weight
prefetch x, k)")
                         .value()
                         .at("");
  CHECK(s.flatten == std::vector<std::vector<std::string>>{{"h", "w"}});
  CHECK(s.loops == std::vector<LoopDirective>{{"o", 32, 1, true},
                                              {"hw", 14, 1, true},
                                              {"i", 8},
                                              {"kh"},
                                              {"kw", 0, LoopDirective::full},
                                              {"i", 0, 2}});
  CHECK(s.registers == std::vector<compiler::RegisterDirective>{{"hw", 14, 0}, {"o", 32, 16}});
  CHECK(s.pack == std::vector<compiler::OperandDirective>{{"weight"}});
  CHECK(s.prefetch == std::vector<compiler::OperandDirective>{{"x"}, {"k"}});
}

TEST_CASE("semicolons separate directives as line ends do, and comments end with their line") {
  const Schedules one = parse_schedules("for n, o; pack weight").value();
  CHECK(one == parse_schedules("for n, o\n\n  pack weight // ; for kh\n").value());
  CHECK(parse_schedules("// nothing").value().at("") == Schedule{});
  CHECK(parse_schedules("").value().at("") == Schedule{});
}

TEST_CASE("each nest may have a schedule of its own") {
  const Schedules s = parse_schedules("nest a:\nfor n\nnest b: ; pack weight").value();
  REQUIRE(s.size() == 2);
  CHECK(s.at("a").loops.size() == 1);
  CHECK(s.at("b").pack == std::vector<compiler::OperandDirective>{{"weight"}});
}

TEST_CASE("a section without directives says that its nest is plain, wherever it stands") {
  for (const char* text :
       {"nest a:\nnest b:\nfor n", "nest b: for n\nnest a:", "nest a:\nnest b: for n"}) {
    INFO(text);
    const Schedules s = parse_schedules(text).value();
    REQUIRE(s.size() == 2);
    CHECK(s.at("a") == Schedule{});
    CHECK(s.at("b").loops.size() == 1);
  }
  CHECK(parse_schedules("for n\nnest a:\nnest b:").value().size() == 3);
}

TEST_CASE("a nest's first directive may stand on the line of its name") {
  CHECK(parse_schedules("nest a: for n, o\npack weight\nnest b: nest c: for n").value() ==
        parse_schedules("nest a:\nfor n, o\npack weight\nnest b:\nnest c:\nfor n").value());
  CHECK_THAT(refusal("nest a for n"),
             Catch::Matchers::ContainsSubstring("1:8: schedule: 'for' is unexpected here"));
  CHECK_THAT(refusal("nest a: pack x, x"),
             Catch::Matchers::ContainsSubstring("1:17: schedule: pack x: it is named twice"));
}

TEST_CASE("a form stands anywhere in the text, for the nest that it names") {
  const Schedules s =
      parse_schedules("form conv_y separable\nnest a:\nfor n; form conv_0 dot\npack weight")
          .value();
  REQUIRE(s.forms.size() == 2);
  CHECK(s.forms.at("conv_y").form == "separable");
  CHECK(s.forms.at("conv_y").where.line == 1);
  CHECK(s.forms.at("conv_0").form == "dot");
  CHECK(s.forms.at("conv_0").where.line == 3);
  REQUIRE(s.size() == 1);
  CHECK(s.at("a") == parse_schedules("for n; pack weight").value().at(""));
  CHECK(parse_schedules("form conv_y dot").value().empty());
  CHECK(!(s == parse_schedules("nest a: for n; pack weight").value()));
}

TEST_CASE("an operand without a name is prefetched by its number") {
  CHECK(parse_schedules("prefetch %0, %x, y").value().at("").prefetch ==
        std::vector<compiler::OperandDirective>{{"%0"}, {"x"}, {"y"}});
}

TEST_CASE("a printed schedule parses to itself") {
  for (const char* text :
       {"", "for n, o by 2, kw unroll, kh unroll 3", "flatten h, w\nflatten n, c\nparallel n by 4",
        "registers w 4, o 16 vector 8\npack weight\nbypass weight\nprefetch %0, w",
        "nest a:\nfor n\nnest b:\nparallel c by 3\nregisters c 3 vector 4", "form a dot",
        "form b direct\nform a dot\nnest b:\nfor n", "form a dot\nfor n",
        "nest a:\nnest b:\nfor n"}) {
    const Schedules parsed = parse_schedules(text).value();
    CHECK(parse_schedules(to_string(parsed)).value() == parsed);
  }
}

TEST_CASE("a text that is no schedule is refused with its line, column and rule") {
  const std::vector<std::pair<const char*, const char*>> refusals = {
      {"colour n by 3",
       "1:1: schedule: unknown directive 'colour' (the directives are parallel, for, "
       "registers, flatten, pack, bypass, prefetch, compute, form and nest)"},
      {"for n\nfor 3", "2:5: schedule: for: a name is wanted"},
      {"parallel", "schedule: parallel: a name is wanted"},
      {"for n,", "schedule: for: a name is wanted"},
      {"for n by 0", "schedule: a size from 1 to 2147483648 is wanted after by"},
      {"for n by x", "schedule: a size from 1 to 2147483648 is wanted after by"},
      {"for n by 2147483649", "schedule: a size from 1 to 2147483648 is wanted after by"},
      {"for n by 99999999999999999999999999", "schedule: a size from 1 to 2147483648"},
      {"for n unroll 0", "schedule: a size from 1 to 2147483648 is wanted after unroll"},
      {"parallel n unroll 2", "1:12: schedule: parallel: work items cannot be unrolled"},
      {"for n; parallel o", "1:8: schedule: parallel comes before for: work items are the "
                            "outermost loops"},
      {"registers", "schedule: registers: a name is wanted"},
      {"registers o", "schedule: a size from 1 to 2147483648 is wanted after o"},
      {"registers o 0", "schedule: a size from 1 to 2147483648 is wanted after o"},
      {"registers o 16 vector 12", "1:23: schedule: registers: the lanes of a vector are a power "
                                   "of two from 2 to 64 (write `vector 8` or `vector 16`)"},
      {"registers o 16 vector 1", "2 to 64 (write `vector 2`, or leave it out)"},
      {"registers o 16 vector 128", "2 to 64 (write `vector 64`)"},
      {"registers o 16 vector", "the lanes of a vector are a power of two from 2 to 64"},
      {"flatten h", "schedule: flatten: two axes or more are joined"},
      {"flatten h, 2", "schedule: flatten: a name is wanted"},
      {"for n; form", "1:8: schedule: form: a nest and one of its forms are wanted (as in `form "
                      "conv_y direct`)"},
      {"form conv_y", "1:1: schedule: form: a nest and one of its forms are wanted"},
      {"form conv_y dot 4", "1:17: schedule: '4' is unexpected here"},
      {"form a dot\nform a direct", "2:1: schedule: nest a has a form already"},
      {"pack", "1:5: schedule: pack: a name is wanted"},
      {"prefetch", "schedule: prefetch: a name is wanted"},
      {"prefetch %", "schedule: prefetch: a name is wanted"},
      {"nest :", "schedule: nest: a name is wanted"},
      {"nest a:\nfor n\nnest a:", "3:1: schedule: nest a has a schedule already"},
      {"for n o", "1:7: schedule: 'o' is unexpected here (a list has commas between what it "
                  "names)"},
      {"pack weight twice", "schedule: 'twice' is unexpected here"},
  };
  for (const auto& [text, words] : refusals) {
    CAPTURE(text);
    CHECK_THAT(refusal(text), Catch::Matchers::ContainsSubstring(words));
  }
}

TEST_CASE("every fault of a text is told at once") {
  CHECK(parse_schedules("tile n; for 3; for n by 0\npack 3").diagnostics().size() == 4);
}

TEST_CASE("a text that is no schedule at all is not read to its end") {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "tile;";
  CHECK(parse_schedules(text).diagnostics().size() == 1000);
  text = std::string(1 << 20, ';') + "tile"; // on one line, which is looked at once
  CHECK(parse_schedules(text).diagnostics().front().where.column == (1 << 20) + 1);
}

TEST_CASE("any bytes are a schedule or refused") {
  const std::vector<std::string> words = {
      "for",    "parallel",   "registers", "pack",    "weight", "nest", "flatten", "prefetch",
      "bypass", "vector",     "unroll",    "by",      "n",      "o",    "h",       "kw",
      "i",      ",",          ";",         "\n",      ":",      "//",   "0",       "1",
      "16",     "4294967296", "\x80",      "%",       "%0",     "\"",   "\t",      "conv_y",
      "form",   "dot",        "nest a:",   "nest b:", "nest c:"};
  tests::Dice dice(1);
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text;
    for (int64_t n = dice.between(0, 12); n > 0; --n) {
      if (dice.once_in(6))
        text += static_cast<char>(dice.between(0, 255));
      else
        text += dice.one_of(words);
      if (!dice.once_in(5)) text += ' ';
    }
    const Expected<Schedules> parsed = parse_schedules(text);
    if (!parsed) {
      CHECK(!parsed.diagnostics().empty());
      continue;
    }
    ++accepted;
    CAPTURE(text);
    CHECK(parse_schedules(to_string(*parsed)).value() == *parsed);
  }
  CHECK(accepted > 200);
}

// ---- fitting a nest ---------------------------------------------------------------------------

TEST_CASE("the empty schedule is the naive nest") {
  const Schedule s = compiler::resolve({}, nest_of(filter), plain)->schedule;
  std::string axes;
  for (const LoopDirective& loop : s.loops) axes += loop.axis + " ";
  CHECK(axes == "n o h w i kh kw ");
  for (const LoopDirective& loop : s.loops) CHECK(loop.by == 1);
}

TEST_CASE("resolving fills in the tile sizes that the register tile implies") {
  const Schedule s =
      compiler::resolve(
          parse_schedules("for n, o, h, w, i, kh, kw; registers w 4, o 8 vector 8").value().at(""),
          nest_of(filter), plain)
          ->schedule;
  CHECK(s.loops[1] == LoopDirective{"o", 8});
  CHECK(s.loops[3] == LoopDirective{"w", 4});
  CHECK(s.loops[2] == LoopDirective{"h", 1});
}

TEST_CASE("a schedule that does not fit the nest is refused by the axis and the numbers") {
  const std::string all = "for n, o, h, w, i, kh, kw";
  const std::vector<std::pair<std::string, const char*>> refusals = {
      {"registers q 4", "registers q: no such axis (the axes of conv_y are n, o, h, w, i, kh, kw)"},
      {"registers i 4", "registers i: i is a reduction axis (a register tile is made of parallel "
                        "axes, and vectors of any)"},
      {"registers w 4, w 2", "registers w: the axis is named twice"},
      {"registers w 8 vector 8, o 8 vector 8", "registers: only one axis can be the vector axis"},
      {"for q", "for q: no such axis"},
      {"parallel i", "parallel i: i is a reduction axis (write `for i`)"},
      {all + "; for kh by 2", "for kh by 2: the taps of kh that lie in the padding are left out, "
                              "and such an axis is not tiled (`kh unroll 2` copies the body)"},
      {"for n, o, h, kh, w, i, kw", "for w: a parallel axis inside the reduction axis kh "
                                    "(taps of kh may lie in the padding: put parallel axes first)"},
      {"for n, o, h, i unroll 2, w, kh, kw", "for i unroll: sums wait in memory between its trips, "
                                             "which are not copied out"},
      {"for n, o by 4, h, w, i, kh, kw", "for o by 4: nothing loops over the 4 elements of a tile "
                                         "(add `registers o 4`, or a second loop over o)"},
      {"for n, o by 4, h, w, i, kh, kw; registers o 8 vector 8",
       "for o by 4: the register tile holds 8 of o (write `o by 8`)"},
      {"for n, o by 4, o, h, w, i, kh, kw; registers o 8 vector 8",
       "for o by 4: smaller than the register tile's 8"},
      {"for n, o by 12, o, h, w, i, kh, kw; registers o 8 vector 8",
       "for o by 12: not a multiple of the register tile's 8 (the nearest is `o by 16`)"},
      {"parallel q", "parallel q: no such axis"},
      {"parallel n, o by 4; for h, w, i, kh, kw; registers o 8 vector 8",
       "parallel o by 4: the register tile holds 8 of o (write `o by 8`)"},
      {"for n, o, h, i, kh, kw", "axis w of extent 10 is in no loop (add it: `for w`)"},
      {"for n, o, h, w, i, kh, kw; prefetch z", "prefetch z: this nest has no such operand"},
      {"for n, o, h, w, i, kh, kw; prefetch y", "prefetch y: its elements are not read tap by tap"},
      {"for n, o, h, w, i, kh, kw; pack weights",
       "pack weights: this nest sums up no such operand (write `pack weight`)"},
  };
  for (const auto& [text, words] : refusals) {
    CAPTURE(text);
    CHECK_THAT(misfit(text),
               Catch::Matchers::ContainsSubstring(std::string("schedule: nest conv_y: ") + words));
  }
  CHECK_THAT(misfit("pack weight", pool),
             Catch::Matchers::ContainsSubstring("nest max_pool_y: pack weight: this nest has no "
                                                "weight"));
}

TEST_CASE("what the specialiser does not allow is refused in words") {
  const std::vector<std::pair<std::string, const char*>> refusals = {
      {std::string("parallel n, o; for h by 2, w by 4, h, w by 2") + reductions + "; registers w 2",
       "compiled"},
      {std::string("parallel n, o by 5, o; for h, w") + reductions,
       "nest conv_y: parallel o: its tiles of 5 do not divide 12, so it cannot be parallel twice"},
      {std::string("for n, o, h, w") + reductions + "; registers w 4; prefetch x",
       "nest conv_y: prefetch x: a tile of it is neither rows of vectors nor one block of memory "
       "(it is one where it is packed: `pack x`)"},
      {"compute conv_y at h by 2; parallel n; for o, h, w, i, kh, kw",
       "nest conv_y: compute conv_y at h by 2: there is no such nest before this one"},
      {"flatten h, w", "flatten: h and w cannot be joined: the domain has 0 <= h + kh - 1 < 6"},
      {"flatten n, q", "flatten: conv_y has no axis q"},
      {"flatten o, i", "flatten: of o and i one is a reduction axis of conv_y, and one is not"},
      {"flatten n, n", "flatten: n is named twice"},
      {"nest conv_z:\nfor n", "schedule: there is no nest conv_z (the nests are conv_y)"},
  };
  for (const auto& [text, words] : refusals) {
    CAPTURE(text);
    CHECK_THAT(verdict(text), Catch::Matchers::ContainsSubstring(words));
  }
}

TEST_CASE("a refusal has a place in the schedule's text") {
  compiler::CompileRequest request;
  request.schedule = "parallel n, o, h\nfor w by 4, i, kh, kw\nregisters w 2";
  request.schedule_name = "mine.txt";
  const auto stages = compiler::specialise_program(ir::parse(filter).value(), request);
  REQUIRE(!stages);
  CHECK(render(stages.diagnostics(), "p.vlt", filter) ==
        "mine.txt:2:5: error: schedule: nest conv_y: for w by 4: the register tile holds 2 of w "
        "(write `w by 2`)\n"
        "  for w by 4, i, kh, kw\n"
        "      ^\n");
}

TEST_CASE("a schedule without a nest's name is refused for a program of several nests") {
  const std::string two = R"(program @p(%x: f32[n=1, c=4, h=6, w=6]) {
    %0 = max_pool %x {kernel = 2}
    %y = avg_pool %0 {kernel = 2}
    return %y })";
  CHECK_THAT(verdict("for n, c, h, w, kh, kw", two),
             Catch::Matchers::ContainsSubstring(
                 "schedule: the program has 2 nests, and the text does not say which one it is for "
                 "(write `nest NAME:` above it; the nests are max_pool_0, avg_pool_y)"));
}

TEST_CASE("random directives never do worse than being refused") {
  const std::vector<std::string> axes = {"n", "o", "h", "w", "i", "kh", "kw"};
  tests::Dice dice(2);
  int compiled = 0;
  for (int i = 0; i < 400; ++i) {
    std::string text;
    const auto some = [&](const std::string& word, const auto& item) {
      text += word;
      for (int64_t n = dice.between(1, 7), k = 0; k < n; ++k) text += (k ? ", " : " ") + item();
      text += "\n";
    };
    const auto axis = [&] { return dice.one_of(axes); };
    const auto loop = [&] {
      std::string item = axis();
      if (dice.once_in(4)) item += " by " + std::to_string(dice.between(1, 13));
      if (dice.once_in(4)) item += " unroll";
      return item;
    };
    if (dice.once_in(6)) text += "flatten " + axis() + ", " + axis() + "\n";
    if (dice.once_in(4)) some("parallel", axis);
    if (!dice.once_in(3)) some("for", loop);
    if (dice.once_in(2)) text += "for n, o, h, w, i, kh, kw\n";
    if (dice.once_in(2))
      text += "registers " + axis() + " " + std::to_string(dice.between(1, 20)) +
              (dice.once_in(2) ? " vector 8" : "") + "\n";
    if (dice.once_in(3)) text += "pack weight\n";
    CAPTURE(text);
    std::string words = "threw";
    CHECK_NOTHROW(words = verdict(text));
    CHECK(!words.empty());
    compiled += words == "compiled" ? 1 : 0;
  }
  CHECK(compiled > 10);
}
