// Nests and loops as text: what is printed is read back to the same in every field, and goes on to
// the same code.

#include "compiler/codegen/codegen.h"
#include "compiler/pipeline.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"
#include "tests/support/random_program.h"
#include "tests/support/random_schedule.h"
#include "tests/support/same_form.h"
#include "tests/support/stages.h"

#include <string>
#include <vector>

using namespace volute;
using namespace volute::tests;

namespace {

const std::vector<std::string>& programs() {
  static const std::vector<std::string> texts = {
      // Padded copies with a table, a placement, an arg-max, a constant vector.
      R"(program @a(%x: f32[n=1, c=8, h=9, w=9], %w: f32[o=8, i=8, h=3, w=3], %b: f32[o=8]) {
        %0 = conv %x, %w, %b {pad = 1, padding_mode = reflect}
        %1 = silu %0
        %y, %idx = max_pool %1 {kernel = 3, stride = 2, pad = 1}
        %k = const [0.5, 2, 1, 0.25, 1, 1, 1, 3] : f32[c=8]
        %z = prelu %y, %k
        return %z, %idx
      })",
      // Bytes for dot products, staged, with an offset.
      R"(program @b(%x: u8[n=1, h=9, w=9, c=8], %w: i8[o=16, i=8, h=3, w=3]) {
        %0 = conv %x, %w {pad = 1, x_zero_point = 3}
        %y = requantize %0 {scale = 0.01, zero_point = 3} : u8[n=1, h=9, w=9, c=16]
        return %y
      })",
      // A scattered write; results with numbers for names.
      R"(program @c(%x: f32[n=2, c=3, h=4, w=4]) {
        %0, %1 = max_pool %x {kernel = 2, stride = 2}
        %2 = max_unpool %0, %1 {kernel = 2, stride = 2}
        return %2, %0
      })",
      // Phases, their residues, split axes.
      R"(program @d(%x: f32[n=1, c=2, h=5, w=5, c=8], %w: f32[i=16, o=16, h=3, w=3]) {
        %y = conv_transpose %x, %w {stride = 2, pad = 1}
        return %y
      })",
      // Functions that name their operand many times, and names that are words of the language.
      R"(program @e(%load: f32[n=1, c=4, h=8, w=8], %inf: f32[o=8, i=4, h=1, w=1]) {
        %f32 = conv %load, %inf
        %a = mish %f32
        %for = softplus %a
        %store = gelu %for
        return %store
      })",
      // A transposed store, channels first, of a tile of pixels.
      R"(program @f(%x: f32[n=1, c=16, h=14, w=14], %w: f32[o=32, i=16, h=3, w=3]) {
        %0 = conv %x, %w {pad = 1}
        %y = relu6 %0
        return %y
      })",
      // Narrow floats, a constant weight with numbers that print specially; an input returned.
      R"(program @g(%x: bf16[n=1, h=6, w=6, c=1]) {
        %k = const [1, 2, 1, 0, 0.5, 0, -2, nan, inf] : bf16[o=1, i=1, h=3, w=3]
        %y = conv %x, %k
        return %y, %x
      })",
      // Nothing to do.
      R"(program @h(%x: f32[n=0, c=3, h=4, w=4]) {
        %y = avg_pool %x {kernel = 2}
        return %y
      })",
      R"(program @i(%x: f32[n=1, c=8, h=30, w=30], %w: f32[o=8, i=1, h=3, w=3]) {
        %0 = conv %x, %w {pad = 1, groups = 8, stride = 2}
        %1 = adaptive_avg_pool %0 {output = [4, 7]}
        %y = pad %1 {pad = [2, 1], mode = circular}
        return %y
      })"};
  return texts;
}

void check_round_trip(const compiler::Stages& stages) {
  const std::string nests = to_string(stages.nests);
  INFO(nests);
  const Expected<ir::NestProgram> nests_again = ir::parse_nests(nests);
  if (!nests_again) FAIL(render(nests_again.diagnostics(), "nests", nests));
  CHECK(to_string(*nests_again) == nests);
  CHECK(difference(*nests_again, stages.nests) == "");

  const std::string loops = to_string(stages.loops);
  INFO(loops);
  const Expected<ir::LoopProgram> loops_again = ir::parse_loops(loops);
  if (!loops_again) FAIL(render(loops_again.diagnostics(), "loops", loops));
  CHECK(to_string(*loops_again) == loops);
  CHECK(difference(*loops_again, stages.loops) == "");
}

} // namespace

TEST_CASE("nests and loops are read back as they were, for every kind of program") {
  for (const std::string& text : programs())
    for (const char* target : {"x86-64-v3", "x86-64-v4", "x86-64"})
      for (const char* schedule : {"auto", "naive"})
        check_round_trip(compiler::specialise_program(ir::parse(text).value(),
                                                      tests::request_for(target, schedule))
                             .value());
}

TEST_CASE("nests and loops of random programs under random schedules are read back") {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Dice dice(seed);
    const RandomProgram program = random_program(dice);
    const std::string text = program.text();
    INFO(text << "seed " << seed);
    const auto stages =
        compiler::specialise_program(ir::parse(text).value(), tests::request_for("x86-64-v3"));
    if (stages) check_round_trip(*stages); // some are refused, as tested elsewhere
  }
}

TEST_CASE("loops that are read from their text give the same code") {
  for (const std::string& text : programs())
    for (const char* target : {"x86-64-v3", "x86-64-v4"}) {
      const compiler::CompileRequest how = tests::request_for(target);
      const auto stages = compiler::specialise_program(ir::parse(text).value(), how).value();
      const auto again = ir::parse_loops(to_string(stages.loops)).value();
      INFO(text);
      CHECK(compiler::generate(again, how.target, {}).value().bytes ==
            compiler::generate(stages.loops, how.target, {}).value().bytes);
    }
}

TEST_CASE("no text of nests or loops crashes their parsers, and a fault has its place") {
  Dice dice(11);
  int parsed = 0, refused = 0;
  for (const std::string& program : programs()) {
    const auto stages =
        compiler::specialise_program(ir::parse(program).value(), tests::request_for("x86-64-v3"))
            .value();
    const std::string texts[] = {to_string(stages.nests), to_string(stages.loops)};
    const auto try_both = [&](const std::string& text) {
      INFO(text);
      const auto nests = ir::parse_nests(text);
      const auto loops = ir::parse_loops(text);
      for (const auto* list :
           {nests ? nullptr : &nests.diagnostics(), loops ? nullptr : &loops.diagnostics()}) {
        if (!list) {
          ++parsed;
          continue;
        }
        ++refused;
        REQUIRE(!list->empty());
        CHECK(list->size() <= 40);
        for (const Diagnostic& d : *list) CHECK(!d.message.empty());
      }
    };
    for (const std::string& whole : texts) {
      for (int i = 0; i < 60; ++i) {
        std::string text = whole;
        for (int64_t changes = dice.between(1, 3); changes > 0; --changes) {
          const auto at =
              static_cast<size_t>(dice.between(0, static_cast<int64_t>(text.size()) - 1));
          switch (dice.between(0, 5)) {
          case 0: text.erase(at, static_cast<size_t>(dice.between(1, 20))); break;
          case 1: text.insert(at, 1, static_cast<char>(dice.between(0, 255))); break;
          case 2: text[at] = "0123456789[](){}:,.+-*/<>=%x \n"[dice.between(0, 29)]; break;
          case 3:
            text.insert(
                at,
                text.substr(static_cast<size_t>(dice.between(0, static_cast<int64_t>(at))), 30));
            break;
          case 4: text.insert(at, "9223372036854775807"); break;
          case 5: text.resize(at + 1); break;
          }
          if (text.empty()) text = "n";
        }
        try_both(text);
      }
    }
  }
  CHECK(parsed > 20);
  CHECK(refused > 500);
  const std::string deep(100000, '(');
  CHECK(!ir::parse_nests("nests a\nnest b {\n  acc = " + deep));
  CHECK(!ir::parse_nests("nests a\nnest b {\n  acc = " + std::string(100000, '-') + "1"));
}
