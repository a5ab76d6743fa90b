// Stages whose rows are made amid products, at every stage of compilation: whole numbers that need
// all parts, in sizes that spread unevenly; and what cannot be spread, with the reason.

#include "compiler/compile.h"
#include "ir/loops.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/every_stage.h"
#include "tests/support/stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

using namespace volute;
using namespace volute::tests;
using Catch::Matchers::ContainsSubstring;

namespace {

struct Layer {
  int64_t n = 1, h = 6, w = 8, c = 64, o = 32, taps = 1, stride = 1;
  std::string text() const {
    return fmt::format("program @p(%x: f32[n={}, h={}, w={}, c={}], %w: f32[o={}, i={}, h={}, "
                       "w={}]) {{\n  %y = conv %x, %w {{stride = {}}}\n  return %y\n}}\n",
                       n, h, w, c, o, c, taps, taps, stride);
  }
};

/// Loops of the products and of the stage, by rows of so many in a band.
struct Loops {
  int64_t rows = 3;
  std::string products = "for h, w by 8, o by 16, i by 32, xp, wp, i tile 32\n"
                         "registers w 8 rows 8, o 16 vector 16";
  std::string stage = "for h, w, c by 32\nregisters c 32 vector 32";
  std::string text(bool overlaps) const {
    return fmt::format("form conv_y bf16x6\n"
                       "nest conv_y:\ncompute split_x at h by {}{}\nparallel n, band\n{}\n"
                       "pack weight\n"
                       "nest split_x:\nparallel n, band\n{}\n",
                       rows, overlaps ? " overlap" : "", products, stage);
  }
};

compiler::CompileRequest request_of(const Loops& loops, const std::string& target,
                                    bool overlaps = true) {
  return request_for(target, loops.text(overlaps));
}

const ir::Step& products_of(const compiler::Compiled& compiled) {
  return compiled.stages.loops.steps.back();
}

/// Numbers that two parts hold.
Tensors whole_numbers(const ir::Program& program, Dice& dice) {
  Tensors inputs;
  for (const ir::ValueId input : program.inputs) {
    std::vector<double> numbers;
    for (int64_t i = 0; i < program.type(input).elements(); ++i)
      numbers.push_back(static_cast<double>(dice.between(-300, 300)));
    inputs[program.name_of(input)] = ir::tensor_of(program.type(input), numbers);
  }
  return inputs;
}

/// Every stage of a layer agrees, and it is the same work as one nest after the other.
compiler::Compiled check(const Layer& layer, const Loops& loops,
                         const std::string& target = "sapphirerapids") {
  const ir::Program program = ir::parse(layer.text()).value();
  INFO(layer.text() << loops.text(true));
  Dice dice(11);
  const Tensors inputs = whole_numbers(program, dice);
  compiler::Compiled compiled = compiler::compile(program, request_of(loops, target)).value();
  Chain chain;
  chain.kernel = {Closeness::Kind::values, 0};
  CHECK(fault_of_stages(compiled, program, inputs, dice, chain) == "");
  const compiler::Compiled apart =
      compiler::compile(program, request_of(loops, target, false)).value();
  CHECK_THAT(to_string(compiled.stages.schedules.at("conv_y")), ContainsSubstring(" overlap\n"));
  CHECK(ir::count_work(products_of(compiled)).fmas == ir::count_work(products_of(apart)).fmas);
  return compiled;
}

std::string refusal(const Layer& layer, const Loops& loops,
                    const std::string& target = "sapphirerapids") {
  const auto compiled =
      compiler::compile(ir::parse(layer.text()).value(), request_of(loops, target));
  return compiled ? "" : Error(compiled.diagnostics()).what();
}

} // namespace

TEST_CASE("rows are made amid the products of the row before") {
  check({}, {});
  check({.n = 2, .h = 8}, {.rows = 4});
  check({.h = 10}, {.rows = 5});
  check({.h = 4}, {.rows = 2}); // there are two rows in all, and both are kept
  check({.w = 16, .c = 96, .o = 48}, {});
  check({.w = 12, .o = 64}, {.products = "for h, w, o by 16, i by 32, xp, wp, i tile 32\n"
                                         "registers w 12 rows 12, o 16 vector 16"});
}

TEST_CASE("elements of a row that tiles do not share evenly are made once each") {
  // 11 pixels over 4 tiles of channels: 3, 3, 3 and 2.
  check({.w = 11, .o = 64}, {.products = "for h, w, o by 16, i by 32, xp, wp, i tile 32\n"
                                         "registers w 11 rows 11, o 16 vector 16"});
  // 3 pixels over 4 tiles: the last has none.
  check({.w = 3, .o = 64}, {.products = "for h, w, o by 16, i by 32, xp, wp, i tile 32\n"
                                        "registers w 3 rows 3, o 16 vector 16"});
}

TEST_CASE("rows of any shape are made once each, or the schedule is refused") {
  Dice dice(77);
  int64_t made = 0;
  constexpr int64_t draws = 10;
  for (int64_t draw = 0; draw < draws; ++draw) {
    const int64_t rows = dice.between(2, 5), registers = dice.between(1, 2);
    Layer layer{.n = dice.between(1, 2), .h = rows * dice.between(1, 2), .w = dice.between(2, 19)};
    layer.c = 32 * dice.between(2, 3), layer.o = 16 * registers * dice.between(1, 3);
    layer.taps = dice.once_in(3) ? dice.between(2, 3) : 1;
    layer.stride = dice.between(1, 2);
    Loops loops{.rows = rows};
    const int64_t wide =
        std::min<int64_t>(layer.w, 16); // one tile a row, with rows to spare or not
    layer.h = (layer.h - 1) * layer.stride + layer.taps;
    layer.w = (wide - 1) * layer.stride + layer.taps;
    loops.products = fmt::format("for h, w by {0}, o by {1}, kh, kw, i by 32, xp, wp, i tile 32\n"
                                 "registers w {0} rows {0}, o {1} vector 16",
                                 wide, 16 * registers);
    loops.stage = dice.once_in(2) ? "for h, w, c by 16\nregisters c 16 vector 16"
                                  : "for w, h, c by 32\nregisters c 32 vector 32";
    const std::string why = refusal(layer, loops);
    INFO(layer.text() << loops.text(true) << why);
    if (why.empty()) {
      check(layer, loops);
      ++made;
    } else {
      CHECK_THAT(why, ContainsSubstring("are the most")); // pieces of a step
    }
  }
  CHECK(made > draws / 2);
}

TEST_CASE("a step of the products may go along with several vectors") {
  check({}, {.stage = "for h, w, c by 16\nregisters c 16 vector 16"});
  check({}, {.stage = "for w, c by 32, h\nregisters c 32 vector 32"});
  // All channels at once: it is pixels that go along with the steps.
  check({}, {.stage = "for h, w, c by 64\nregisters c 64 vector 32"});
}

TEST_CASE("rows that several rows of products read are all kept") {
  check({.h = 8, .w = 10, .taps = 3},
        {.products = "for h, w by 8, o by 16, kh, kw, i by 32, xp, wp, i tile 32\n"
                     "registers w 8 rows 8, o 16 vector 16"});
  check({.h = 9, .w = 17, .taps = 3, .stride = 2},
        {.rows = 2,
         .products = "for h, w by 8, o by 16, kh, kw, i by 32, xp, wp, i tile 32\n"
                     "registers w 8 rows 8, o 16 vector 16"});
}

TEST_CASE("of rows that are read once two are kept") {
  const auto scratch = [](int64_t rows, bool overlaps) {
    const ir::Program program = ir::parse(Layer{.h = 12}.text()).value();
    const auto compiled =
        compiler::compile(program, request_of({.rows = rows}, "sapphirerapids", overlaps)).value();
    return products_of(compiled).scratch_bytes;
  };
  const int64_t row = scratch(3, false) - scratch(2, false);
  CHECK(row >= 3 * 8 * 64 * 2); // three parts of 8 pixels of 64 channels
  CHECK(scratch(6, false) == scratch(2, false) + 4 * row);
  CHECK(scratch(6, true) == scratch(2, false));
  CHECK(scratch(12, true) == scratch(2, false));
}

TEST_CASE("what cannot be made amid products is refused with the reason") {
  CHECK_THAT(refusal({.o = 16}, {.rows = 1}), ContainsSubstring("a band is one row of products") &&
                                                  ContainsSubstring("leave out `overlap`"));
  CHECK_THAT(refusal({}, {.rows = 1}),
             ContainsSubstring("rows of products do not go along rows of it"));
  CHECK_THAT(refusal({}, {.products = "for o by 16, h, w by 8, i by 32, xp, wp, i tile 32\n"
                                      "registers w 8 rows 8, o 16 vector 16"}),
             ContainsSubstring("rows of products do not go along rows of it"));
  CHECK_THAT(refusal({.w = 20}, {.products = "for h, w by 16, o by 16, i by 32, xp, wp, i tile 32\n"
                                             "registers w 16 rows 16, o 16 vector 16"}),
             ContainsSubstring("tiles of several shapes"));
  CHECK_THAT(refusal({.c = 80}, {.products = "for h, w by 8, o by 16, i by 16, xp, wp, i tile 16\n"
                                             "registers w 8 rows 8, o 16 vector 16"}),
             ContainsSubstring("compute split_x at h by 3 overlap: it is no plain nest of loops"));
  CHECK_THAT(refusal({.w = 9}, {.products = "for h, w by 9, o by 16, i by 32, xp, wp, i tile 32\n"
                                            "registers w 9 rows 9, o 16 vector 16",
                                .stage = "for h, w, c by 64\nregisters c 64 vector 32"}),
             ContainsSubstring("no loop of it goes along with the steps of the products"));
  CHECK_THAT(refusal({.w = 24}, {.products = "for h, w by 8, i by 32, xp, wp, o by 32, i tile 32\n"
                                             "registers w 8 rows 8, o 32 vector 16"}),
             ContainsSubstring("nest conv_y"));
  CHECK_THAT(refusal({.w = 40, .o = 16},
                     {.products = "for h, w by 40, o by 16, i by 32, xp, wp, i tile 32\n"
                                  "registers w 40 rows 10, o 16 vector 16"}),
             ContainsSubstring("40 pieces of it, and 16 are the most"));
  CHECK_THAT(refusal({}, {.products = Loops().products + "\nprefetch x_parts"}),
             ContainsSubstring("more than products meet what it makes"));
  // Vectors multiply: there is nothing to be amid.
  const std::string direct = "nest max_pool_y:\ncompute conv_0 at h by 2 overlap\n"
                             "parallel n, band\nfor h, w, c, kh, kw\n"
                             "nest conv_0:\nparallel n, band\nfor h, w, o, i, kh, kw\n";
  const auto compiled = compiler::compile(
      ir::parse("program @p(%x: f32[n=1, h=8, w=8, c=4], %k: f32[o=4, i=4, h=3, w=3]) {\n"
                "  %0 = conv %x, %k {pad = 1}\n  %y = max_pool %0 {kernel = 2}\n  return %y\n}\n")
          .value(),
      request_for("x86-64-v3", direct));
  REQUIRE(!compiled);
  CHECK_THAT(Error(compiled.diagnostics()).what(),
             ContainsSubstring("a matrix unit has no products there"));
}

TEST_CASE("a stage that multiplies matrices itself is not made amid products") {
  // Its registers are those of the products.
  const std::string program =
      "program @p(%x: bf16[n=1, h=8, w=8, c=32], %a: bf16[o=64, i=32, h=1, w=1], "
      "%b: bf16[o=32, i=64, h=1, w=1]) {\n"
      "  %0 = conv %x, %a\n  %1 = relu %0\n  %y = conv %1, %b\n  return %y\n}\n";
  const std::string tile = "registers w 8 rows 8, o 16 vector 16\npack weight\n";
  const std::string text = "form conv_1 tile\nform conv_y tile\n"
                           "nest conv_1:\nparallel n, band\nfor h, o by 16, w by 8, i tile 32\n" +
                           tile +
                           "nest conv_y:\ncompute conv_1 at h by 4 overlap\nparallel n, band\n"
                           "for h, w by 8, o by 16, i by 32, i tile 32\n" +
                           tile;
  const auto compiled =
      compiler::compile(ir::parse(program).value(), request_for("sapphirerapids", text));
  REQUIRE(!compiled);
  CHECK_THAT(Error(compiled.diagnostics()).what(), ContainsSubstring("a stage is made by vectors"));
}

TEST_CASE("rows are made amid products inside of a nest that is inside another") {
  const ir::Program program =
      ir::parse("program @p(%x: f32[n=1, h=12, w=8, c=64], %w: f32[o=32, i=64, h=1, w=1]) {\n"
                "  %0 = conv %x, %w\n  %y = max_pool %0 {kernel = 2}\n  return %y\n}\n")
          .value();
  Loops loops;
  std::string text = loops.text(true);
  for (const std::string_view word : {"nest conv_y", "form conv_y"})
    text.replace(text.find(word) + 5, 6, "conv_0");
  text.replace(text.find("at h by 3"), 9, "at h by 4");
  text += "nest max_pool_y:\ncompute conv_0 at h by 2\nparallel n, band\nfor h, w, c, kh, kw\n";
  const auto compiled = compiler::compile(program, request_for("sapphirerapids", text));
  INFO(text);
  REQUIRE((compiled ? "" : Error(compiled.diagnostics()).what()) == std::string());
  CHECK_THAT(to_string(compiled.value().stages.loops), ContainsSubstring("h_slot"));
  Dice dice(3);
  const Tensors inputs = whole_numbers(program, dice);
  Chain chain;
  chain.kernel = {Closeness::Kind::values, 0};
  CHECK(fault_of_stages(compiled.value(), program, inputs, dice, chain) == "");
}

TEST_CASE("what is chosen is made amid products where that is worth it") {
  const auto chosen = [](const std::string& image, const std::string& weight) {
    const auto compiled = compiler::compile(
        ir::parse(fmt::format("program @p(%x: f32[{}], %w: f32[{}]) {{\n  %y = conv %x, %w\n"
                              "  return %y\n}}\n",
                              image, weight))
            .value(),
        request_for("sapphirerapids", "auto"));
    const compiler::Stages& stages = compiled.value().stages;
    const std::string schedule = to_string(stages.schedules.at("conv_y"));
    // What the schedule says is what the loops do, and what the report tells.
    const bool overlaps = schedule.find(" overlap\n") != std::string::npos;
    CHECK((to_string(stages.loops).find("h_slot") != std::string::npos) == overlaps);
    for (const compiler::NestReport& nest : stages.report.nests) {
      if (nest.name == "conv_y") CHECK(nest.schedule == schedule);
      if (nest.name == "split_x")
        for (const std::string& why : nest.why) CHECK_THAT(why, !ContainsSubstring("overlap:"));
    }
    return schedule;
  };
  for (const char* rows : {"n=1, h=28, w=28, c=", "n=2, h=56, w=56, c=", "n=1, h=30, w=50, c="})
    for (const int64_t channels : {64, 96, 256})
      for (const int64_t made : {64, 80, 192})
        chosen(fmt::format("{}{}", rows, channels),
               fmt::format("o={}, i={}, h=1, w=1", made, channels));
  const std::string weight = "o=128, i=128, h=1, w=1";
  CHECK_THAT(chosen("n=1, h=56, w=56, c=128", weight), ContainsSubstring(" overlap\n"));
  CHECK_THAT(chosen("n=1, c=128, h=56, w=56", weight), !ContainsSubstring("overlap"));
}
