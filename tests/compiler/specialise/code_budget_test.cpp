// How much code a schedule may ask for: refused with the number, the directive and what would do,
// before anything of it is written; and what is chosen stays far below.
#include "compiler/pipeline.h"
#include "compiler/specialise/code_budget.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace volute;
using namespace volute::compiler;

namespace {

Expected<Stages> loops_of(const std::string& program, const std::string& schedule,
                          const std::string& target = "sapphirerapids") {
  CompileRequest request = tests::request_for(target, schedule);
  return specialise_program(ir::parse("program @p" + program + " return %y }").value(), request);
}

/// The refusal's message and hint, and that it stands at the directive `at` in the schedule.
std::string refusal(const std::string& program, const std::string& schedule,
                    const std::string& at) {
  const Expected<Stages> made = loops_of(program, schedule);
  REQUIRE_FALSE(made);
  REQUIRE(made.diagnostics().size() == 1);
  const Diagnostic& told = made.diagnostics().front();
  CHECK(told.where.line == 1);
  CHECK(schedule.substr(static_cast<size_t>(told.where.column) - 1, at.size()) == at);
  return told.message + " (" + told.hint + ")";
}

/// Eight levels of tiles of an axis, none of which divides the one around it.
std::string levels(const std::string& axis) {
  std::string text;
  for (const char* by : {"101", "47", "23", "11", "5", "3", "2"})
    text += fmt::format("{} by {}, ", axis, by);
  return text + axis;
}

int64_t code_of(const ir::LoopProgram& loops) {
  int64_t most = 0;
  for (const ir::Step& step : loops.steps) most = std::max(most, code_size(step.body, step.views));
  return most;
}

} // namespace

TEST_CASE("the size of code is that of its statements, copied out where loops are unrolled") {
  const std::string conv = "(%x: f32[n=1, c=4, h=10, w=10], %w: f32[o=8, i=4, h=3, w=3]) {"
                           " %y = conv %x, %w";
  const int64_t plain = code_of(loops_of(conv, "for o, h, w, i, kh, kw")->loops);
  const int64_t once = code_of(loops_of(conv, "for o, h, w, i, kh, kw unroll")->loops);
  const int64_t twice = code_of(loops_of(conv, "for o, h, w, i, kh unroll, kw unroll")->loops);
  const int64_t all = code_of(loops_of(conv, "for o, h, w, i unroll, kh unroll, kw unroll")->loops);
  // Two loads and a multiply-add for each tap, and what is around them.
  CHECK(plain < 64);
  CHECK(once >= 3 * 3);
  CHECK(twice >= 9 * 3);
  CHECK(all >= 36 * 3);
  CHECK(all < 36 * 3 + 64);
}

TEST_CASE("parallel loops that are unrolled copy all that is in them") {
  const std::string conv = "(%x: f32[n=1, c=4, h=128, w=128], %w: f32[o=4, i=4, h=3, w=3]) {"
                           " %y = conv %x, %w {pad = 1}";
  CHECK(refusal(conv, "for o, h unroll, w unroll, i, kh, kw", "h unroll") ==
        "nest conv_y: for h unroll: the innermost tile would stand up to 16384 times in the code, "
        "128 of them by this loop, which is more than 32768 instructions (write `for h`, without "
        "`unroll`)");
  CHECK(loops_of(conv, "for o, h, w unroll, i, kh, kw"));
}

TEST_CASE("a parallel loop is unrolled so many at a time too, and what is left is copied out") {
  const std::string conv = "(%x: f32[n=1, c=4, w=12], %w: f32[o=2, i=4, w=3]) {"
                           " %y = conv %x, %w";
  const ir::LoopProgram loops = loops_of(conv, "for o, w unroll 3, i, kw")->loops;
  const std::string text = to_string(loops);
  CAPTURE(text);
  CHECK(text.find("for w_b in 0..3:") != std::string::npos); // of 10
  CHECK(text.find("w_u in 0..3") != std::string::npos);
  CHECK(text.find("store y[0, o, 9] = acc") != std::string::npos);
  CHECK(text.find("store y[0, o, 3*w_b + w_u] = acc") != std::string::npos);
}

TEST_CASE("what is left over at every level of tiles is code of its own") {
  const std::string conv = "(%x: f32[n=1, c=4, h=130, w=130], %w: f32[o=128, i=4, h=3, w=3]) {"
                           " %y = conv %x, %w";
  const std::string text =
      refusal(conv, fmt::format("for {}, {}, {}, i, kh, kw", levels("o"), levels("h"), levels("w")),
              "o by 101");
  CHECK(text.find(
            "nest conv_y: for o by 101: the innermost tile would stand up to 2097152 times") == 0);
  CHECK(text.find("the nearest is `for o by 64`") != std::string::npos);
  CHECK(loops_of(conv, fmt::format("for {}, h, w, i, kh, kw", levels("o"))));
  // Reduction axes too.
  const std::string deep =
      "(%x: f32[n=1, c=128, h=200, w=200], %w: f32[o=2, i=128, h=128, w=128]) {"
      " %y = conv %x, %w";
  CHECK(refusal(deep,
                fmt::format("for o, h, w, {}, {}, {}", levels("i"), levels("kh"), levels("kw")),
                "i by 101")
            .find("2097152 times") != std::string::npos);
}

TEST_CASE("the hint of a refused unroll is a schedule that is taken") {
  const std::string conv = "(%x: f32[n=1, c=512, h=30, w=30], %w: f32[o=128, i=512, h=3, w=3]) {"
                           " %y = conv %x, %w";
  const char* const text = "parallel o, h; for w, i unroll{}, kh unroll, kw unroll; "
                           "registers w 8, o 16 vector 16";
  const std::string told = refusal(conv, fmt::format(fmt::runtime(text), ""), "i unroll");
  const size_t at = told.find("`i unroll ") + 10;
  const std::string fits = told.substr(at, told.find('`', at) - at);
  CAPTURE(told);
  CHECK(std::stoi(fits) > 8);
  CHECK(loops_of(conv, fmt::format(fmt::runtime(text), " " + fits)));
}

TEST_CASE("a register tile that is nearly a program is named") {
  const std::string add = "(%x: f32[n=1, c=64, w=1024], %z: f32[n=1, c=64, w=1024]) { "
                          "%0 = tanh %x %y = add %0, %z";
  CHECK(refusal(add, "for n, c, w; registers c 16, w 1024 vector 16", "w 1024")
            .find("registers w 1024: 1 copies of a tile of 1024 registers") != std::string::npos);
}

TEST_CASE("what is chosen stays within, whatever the program") {
  std::vector<std::string> programs;
  std::string chain = "(%x: f32[n=1, c=16, h=28, w=28], %w: f32[o=64, i=16, h=3, w=3]) { "
                      "%0 = conv %x, %w {pad = 1} ";
  for (int i = 0; i < 30; ++i) chain += fmt::format("%{} = tanh %{} ", i + 1, i);
  programs.push_back(chain + "%y = relu %30");
  const auto filter = [](int o, int i, const std::string& space, int taps) {
    std::string numbers;
    for (int n = 0; n < o * i * taps; ++n) numbers += fmt::format("{}{}", n ? ", " : "", n % 7 + 1);
    return fmt::format("%w = const [{}] : f32[o={}, i={}, {}] ", numbers, o, i, space);
  };
  programs.push_back("(%x: f32[n=1, c=14, h=33, w=47]) {" + filter(14, 1, "h=3, w=3", 9) +
                     "%y = conv %x, %w {pad = 1, groups = 14}");
  programs.push_back("(%x: f32[n=1, c=4, d=9, h=11, w=29]) {" + filter(4, 1, "d=3, h=3, w=3", 27) +
                     "%y = conv %x, %w {pad = 1, groups = 4}");
  programs.push_back("(%x: f32[n=1, c=1, d=9, h=11, w=29]) {" + filter(1, 1, "d=5, h=5, w=5", 125) +
                     "%y = conv %x, %w {pad = 2}");
  programs.push_back("(%x: f32[n=1, c=1, h=60, w=61]) {" + filter(1, 1, "h=11, w=11", 121) +
                     "%y = conv %x, %w {pad = 5, dilation = 2}");
  programs.push_back("(%x: f32[n=1, c=3, h=40, w=40]) {"
                     "%y, %at = max_pool %x {kernel = 17, stride = 1, pad = 8}");
  programs.push_back("(%x: bf16[n=1, c=3, d=12, h=12, w=12], %w: bf16[i=3, o=8, d=5, h=5, w=5]) {"
                     "%y = conv_transpose %x, %w {stride = 3, pad = 2}");
  programs.push_back("(%x: u8[n=1, c=3, h=50, w=50], %w: i8[o=16, i=3, h=7, w=7]) {"
                     "%y = conv %x, %w {pad = 3, x_zero_point = 7, w_zero_point = 3}");
  for (const std::string& program : programs)
    for (const char* target : {"sapphirerapids", "haswell", "x86-64"}) {
      CAPTURE(program.substr(0, 120), target);
      const Expected<Stages> made = loops_of(program, "auto", target);
      REQUIRE(made);
      CHECK(code_of(made->loops) < CodeBudget::most_instructions / 2);
      for (const auto& [nest, choice] : made->why)
        for (const std::string& why : choice.why)
          CHECK(why.find("too much code") == std::string::npos);
    }
}
