// Forms of statements, from the texts that name them to the nests that come out.

#include "compiler/pipeline.h"
#include "compiler/rewrites/form.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/stages.h"

#include <fmt/format.h>

#include <set>
#include <string>
#include <vector>

using namespace volute;
using Catch::Matchers::ContainsSubstring;

namespace {

Expected<compiler::Stages> stages(const std::string& program, const std::string& schedule = "auto",
                                  const std::string& target = "znver4", double accuracy = 2) {
  compiler::CompileRequest request = tests::request_for(target, schedule);
  request.accuracy = accuracy;
  return compiler::specialise_program(ir::parse(program).value(), request);
}

std::string refusal(const Expected<compiler::Stages>& result) {
  return result ? "" : to_string(result.diagnostics().front());
}

std::vector<std::string> nests(const compiler::Stages& all) {
  std::vector<std::string> names;
  for (const ir::Nest& nest : all.nests.nests) names.push_back(nest.name);
  return names;
}

/// An image under a filter that is the product of two counts, then a maximum of it and 0.
std::string blur(int64_t kernel, const std::string& axes = "n=1, c=1, h=100, w=200") {
  std::string taps;
  for (int64_t r = 1; r <= kernel; ++r)
    for (int64_t c = 1; c <= kernel; ++c)
      taps += fmt::format("{}{}", taps.empty() ? "" : ", ", r * c);
  return fmt::format("program @p(%x: f32[{0}]) {{\n"
                     "  %k = const [{1}] : f32[o=1, i=1, h={2}, w={2}]\n"
                     "  %0 = conv %x, %k {{pad = {3}}}\n  %y = relu %0\n  return %y\n}}\n",
                     axes, taps, kernel, kernel / 2);
}

std::string narrow(const std::string& x, const std::string& w, const std::string& attributes = "") {
  return fmt::format("program @p(%x: {}[n=1, h=9, w=9, c=8], %w: {}[o=16, i=8, h=3, w=3]) {{\n"
                     "  %y = conv %x, %w {{{}}}\n  return %y\n}}\n",
                     x, w, attributes);
}

const compiler::FormReport& of(const compiler::StatementForms& statement, std::string_view form) {
  for (const compiler::FormReport& report : statement.forms)
    if (report.name == form) return report;
  throw Error("the report does not tell of " + std::string(form));
}

using Names = std::vector<std::string>;

} // namespace

TEST_CASE("the table's forms have names of their own, and the first is direct") {
  std::set<std::string_view> names;
  for (const compiler::Form& form : compiler::forms()) {
    CHECK(names.insert(form.name).second);
    CHECK(compiler::find_form(form.name) == &form);
    CHECK(!form.sentence.empty());
    CHECK(compiler::parse_schedules(fmt::format("form conv_y {}", form.name)));
    CHECK((&form == &compiler::forms().front()) == (!form.rewrite && !form.lower));
  }
  CHECK(compiler::forms().front().name == "direct");
  CHECK(compiler::find_form("winograd") == nullptr);
}

TEST_CASE("auto takes the form of the fewest predicted cycles, and tells of each") {
  const compiler::Stages large = stages(blur(7)).value();
  CHECK(nests(large) == Names{"conv_0_rows", "conv_y"});
  REQUIRE(large.report.forms.size() == 1);
  const compiler::StatementForms& told = large.report.forms[0];
  CHECK(told.nest == "conv_y");
  CHECK(told.chosen == "separable");
  CHECK(told.why == "");
  CHECK(told.error > 0);
  CHECK(of(told, "separable").cycles > 0);
  CHECK(of(told, "separable").cycles < of(told, "direct").cycles);
  CHECK_THAT(of(told, "dot").refused, ContainsSubstring("its elements are f32"));
  CHECK(of(told, "dot").cycles == 0);

  const compiler::Stages small = stages(blur(2)).value();
  CHECK(nests(small) == Names{"conv_y"});
  CHECK(small.report.forms[0].chosen == "direct");
  CHECK(of(small.report.forms[0], "direct").cycles < of(small.report.forms[0], "separable").cycles);
}

TEST_CASE("one pass computes while its image arrives, two wait for it") {
  const auto cycles = [](const char* axes, std::string_view form) {
    return of(stages(blur(3, axes)).value().report.forms[0], form).cycles;
  };
  const char *near = "n=1, c=1, h=100, w=200", *far = "n=1, c=1, h=1000, w=2000";
  const auto grows = [&](std::string_view form) { return cycles(far, form) / cycles(near, form); };
  CAPTURE(grows("direct"), grows("separable"));
  CHECK(grows("separable") > 1.15 * grows("direct"));
  CHECK(stages(blur(3, far)).value().report.forms[0].chosen == "direct");
}

TEST_CASE("a text says the form, alone or with schedules") {
  CHECK(nests(stages(blur(7), "form conv_y direct").value()) == Names{"conv_y"});
  CHECK(nests(stages(blur(2), "form conv_y separable").value()) == Names{"conv_0_rows", "conv_y"});
  const compiler::Stages given =
      stages(blur(2), "nest conv_0_rows: for h, w, kw; form conv_y separable").value();
  CHECK(nests(given) == Names{"conv_0_rows", "conv_y"});
  CHECK(given.report.forms[0].why == "the schedule says so");
  CHECK(given.schedules.at("conv_0_rows").registers.empty());
  CHECK(!given.schedules.at("conv_y").registers.empty()); // left to auto
}

TEST_CASE("a statement whose nest is scheduled is direct; one that is not spoken of is auto's") {
  CHECK(nests(stages(blur(7), "for h, w, kh, kw").value()) == Names{"conv_y"});
  CHECK(nests(stages(blur(7), "nest conv_y: for h, w, kh, kw").value()) == Names{"conv_y"});
  CHECK(nests(stages(blur(7), "naive").value()) == Names{"conv_y"});
  const std::string two = "program @p(%x: u8[n=1, h=8, w=8, c=8], %w: i8[o=16, i=8, h=3, w=3]) {\n"
                          "  %0 = conv %x, %w\n  %y = max_pool %0 {kernel = 2}\n  return %y\n}\n";
  CHECK(stages(two, "nest max_pool_y: for n, c, h, w, kh, kw").value().report.forms[0].chosen ==
        "dot");
}

TEST_CASE("a dot loop in a schedule says the form too, and nothing else may be said beside it") {
  const std::string bytes = narrow("i8", "i8"), loops =
                                                    "nest conv_y: for h, w by 3, kh, kw, i dot 4; "
                                                    "registers w 3, o 16 vector 16; pack weight";
  const compiler::Stages given = stages(bytes, loops).value();
  CHECK(given.report.forms[0].chosen == "dot");
  CHECK(nests(given).front() == "stage_x");
  CHECK(refusal(stages(bytes, "form conv_y direct; " + loops)) ==
        "schedule: form conv_y direct: it has no `for i dot 4` (write `form conv_y dot`)");
  CHECK_THAT(refusal(stages(narrow("f32", "f32"), loops)),
             ContainsSubstring("for i dot 4: the nest adds no products of u8 and i8"));
}

TEST_CASE("bytes and bf16 are added in groups where that is predicted to be faster") {
  const auto chosen = [](const std::string& program, const char* target, const char* schedule) {
    return stages(program, schedule, target).value().report.forms[0].chosen;
  };
  CHECK(chosen(narrow("u8", "i8"), "haswell", "auto") == "dot");
  CHECK(chosen(narrow("u8", "i8"), "haswell", "form conv_y direct") == "direct");
  CHECK(chosen(narrow("bf16", "bf16"), "znver4", "auto") == "dot");
  CHECK(chosen(narrow("bf16", "bf16"), "haswell", "auto") == "direct");
  const compiler::Stages widened = stages(narrow("u8", "i8"), "form conv_y direct").value();
  for (const compiler::LoopDirective& loop : widened.schedules.at("conv_y").loops)
    CHECK(loop.dot == 0);
}

TEST_CASE(
    "bf16 is widened where that is twice as fast as vdpbf16ps, and added in pairs elsewhere") {
  const std::string layer =
      "program @p(%x: bf16[n=1, h=28, w=28, c=64], %w: bf16[o=64, i=64, h=3, w=3]) {\n"
      "  %y = conv %x, %w {pad = 1}\n  return %y\n}\n";
  for (const auto& [target, form] : {std::pair("sapphirerapids-amx-tile", "direct"),
                                     {"emeraldrapids-amx-tile", "direct"},
                                     {"znver4", "dot"},
                                     {"sapphirerapids", "tile"}})
    CHECK(stages(layer, "auto", target).value().report.forms[0].chosen == form);
}

TEST_CASE("accuracy 0 bans all but direct sums and what is exact") {
  const compiler::Stages blurred = stages(blur(7), "auto", "znver4", 0).value();
  CHECK(nests(blurred) == Names{"conv_y"});
  CHECK(of(blurred.report.forms[0], "separable").refused ==
        "its error is up to 0.94 times that of a direct sum, and 0 is asked for");
  CHECK(nests(stages(blur(7), "auto", "znver4", 0.94).value()).size() == 2);
  CHECK(nests(stages(blur(7), "auto", "znver4", 0.93).value()).size() == 1);
  const auto chosen = [](const char* x, const char* w) {
    return stages(narrow(x, w), "auto", "znver4", 0).value().report.forms[0].chosen;
  };
  CHECK(chosen("bf16", "bf16") == "direct");
  CHECK(chosen("u8", "i8") == "dot");
}

TEST_CASE("the default accuracy takes every form of today") {
  for (const int64_t kernel : {2, 3, 5, 7}) CHECK(stages(blur(kernel), "form conv_y separable"));
  CHECK(stages(narrow("bf16", "bf16"), "form conv_y dot"));
}

TEST_CASE(
    "dense convolutions of many channels are computed in tiles, as large as accuracy allows") {
  const auto chosen = [](int64_t inputs, int64_t outputs, int64_t size, double accuracy = 2,
                         const std::string& target = "znver4") {
    const std::string program = fmt::format(
        "program @p(%x: f32[n=1, h={0}, w={0}, c={1}], %w: f32[o={2}, i={1}, h=3, w=3]) "
        "{{\n  %y = conv %x, %w {{pad = 1}}\n  return %y\n}}\n",
        size, inputs, outputs);
    const compiler::Stages all = stages(program, "auto", target, accuracy).value();
    const compiler::StatementForms& told = all.report.forms.front();
    CHECK(told.value == "y");
    CHECK((told.chosen == "direct") == (told.reach == 0));
    if (told.chosen != "direct") {
      CHECK(of(told, told.chosen).cycles < of(told, "direct").cycles);
      CHECK(told.error <= accuracy);
      // What is asked for is the direct sum, however few products are taken.
      const compiler::Stages direct = stages(program, "form conv_y direct", target).value();
      CHECK(all.report.multiply_adds == direct.report.multiply_adds);
    }
    return told.chosen;
  };
  CHECK(chosen(64, 64, 56) == "winograd4x4");
  CHECK(chosen(64, 64, 56, 1.85) == "winograd2x4");
  CHECK(chosen(64, 64, 56, 1) == "winograd2x2");
  CHECK(chosen(64, 64, 56, 0) == "direct");
  CHECK(chosen(128, 128, 28) == "winograd4x4");
  CHECK(chosen(128, 128, 28, 2, "x86-64-v3") == "winograd4x4");
  CHECK(chosen(3, 64, 112) == "direct");       // transforms of the result cost as much
  CHECK(chosen(64, 64, 6) == "direct");        // too little work
  CHECK(chosen(512, 512, 7) == "winograd4x1"); // a filter at more points would come from memory
}

TEST_CASE("beside a matrix unit a form that arithmetic tells of is looked at by the model too") {
  const auto chosen = [](int64_t channels, int64_t size) {
    const std::string program =
        fmt::format("program @p(%x: f32[n=1, h={0}, w={0}, c={1}], %w: f32[o={1}, i={1}, h=3, "
                    "w=3]) {{\n  %y = conv %x, %w {{pad = 1}}\n  return %y\n}}\n",
                    size, channels);
    return stages(program, "auto", "emeraldrapids", 2).value().report.forms.front().chosen;
  };
  CHECK(chosen(64, 56) == "winograd4x4");
  CHECK(chosen(256, 14) == "bf16x6"); // Winograd's filter, 6 MB, comes from L3
}

TEST_CASE("in one and three dimensions, too, and only the forms of as many are told of") {
  const auto told = [](const std::string& x, const std::string& w, int64_t pad) {
    const std::string program =
        fmt::format("program @p(%x: f32[{}], %w: f32[{}]) {{\n  %y = conv %x, %w {{pad = {}}}\n"
                    "  return %y\n}}\n",
                    x, w, pad);
    return stages(program, "auto", "znver4").value().report.forms.front();
  };
  const compiler::StatementForms slices =
      told("n=1, d=8, h=28, w=28, c=128", "o=256, i=128, d=3, h=3, w=3", 1);
  CHECK(slices.chosen == "winograd1x4x4");
  std::vector<std::string> names;
  for (const compiler::FormReport& form : slices.forms) names.push_back(form.name);
  CHECK(names == std::vector<std::string>{"direct", "dot", "separable", "winograd4x1x1",
                                          "winograd1x2x2", "winograd1x4x4"});
  CHECK(told("n=1, d=10, h=28, w=28, c=288", "o=128, i=288, d=3, h=1, w=1", 0).chosen ==
        "winograd4x1x1");
  CHECK(told("n=1, h=30, w=28, c=256", "o=256, i=256, h=3, w=1", 0).chosen == "winograd4x1");
  CHECK(told("n=1, h=28, w=30, c=256", "o=256, i=256, h=1, w=3", 0).chosen == "winograd1x4");
  CHECK(told("n=1, w=1000, c=256", "o=256, i=256, w=3", 0).chosen == "winograd4");
  CHECK(told("n=1, d=3, h=6, w=6, c=16", "o=16, i=16, d=3, h=3, w=3", 1).chosen == "direct");
}

TEST_CASE("a form that cannot be is refused with its line, its rule and those that can") {
  const auto refused = [](const std::string& program, const std::string& text,
                          double accuracy = 2) {
    return refusal(stages(program, text, "znver4", accuracy));
  };
  CHECK(refused(blur(7), "form conv_z separable") ==
        "schedule: form conv_z separable: no statement is the nest conv_z (the nests of "
        "statements are conv_y)");
  CHECK(refused(blur(7), "\nform conv_y winograd") ==
        "schedule: form conv_y winograd: there is no such form (conv_y may be direct or "
        "separable)");
  CHECK(refused(blur(7), "form conv_y dot") ==
        "schedule: form conv_y dot: its elements are f32, and there are instructions for "
        "bytes and bf16 (conv_y may be direct or separable)");
  CHECK(refused(narrow("f32", "f32"), "form conv_y separable") ==
        "schedule: form conv_y separable: its filter %w is not a constant (conv_y may be "
        "direct or winograd2x2 or bf16x6)");
  CHECK(refused(blur(7), "form conv_y separable", 0) ==
        "schedule: form conv_y separable: its error is up to 0.94 times that of a direct "
        "sum, and 0 is asked for (conv_y may be direct; accuracy 0.94 allows separable)");
  CHECK(refused(narrow("bf16", "bf16"),
                "nest conv_y: for h, w by 3, kh, kw, i dot 2; registers w 3, o 16 vector 16; "
                "pack weight",
                0) == "schedule: nest conv_y: for i dot 2: its error is up to 1.5 times that of a "
                      "direct sum, and 0 is asked for (conv_y may be direct)");
  CHECK(refusal(stages(narrow("bf16", "bf16"), "form conv_y dot", "haswell")) ==
        "schedule: form conv_y dot: the target has no vdpbf16ps (conv_y may be direct)");
}

TEST_CASE("a refusal stands at its place in the schedule's text") {
  const auto refused = stages(blur(7), "nest conv_y:\n  for h; form conv_y winograd");
  REQUIRE(!refused);
  const Diagnostic& d = refused.diagnostics().front();
  CHECK(d.where.line == 2);
  CHECK(d.where.column == 10);
  REQUIRE(d.in != nullptr);
  CHECK(d.in->text == "nest conv_y:\n  for h; form conv_y winograd");
}

TEST_CASE("an accuracy that is no number of 0 or more is refused") {
  for (const double accuracy : {-1.0, -1e-30, std::nan(""), HUGE_VAL})
    CHECK_THAT(refusal(stages(blur(3), "auto", "znver4", accuracy)),
               ContainsSubstring("is not a number of 0 or more"));
  CHECK(stages(blur(3), "auto", "znver4", 0));
}

TEST_CASE("what is printed, given back, makes the same code") {
  const std::string chain =
      "program @p(%x: u8[n=1, c=8, h=20, w=20], %w: i8[o=16, i=8, h=3, w=3]) {\n"
      "  %0 = conv %x, %w {x_zero_point = 3, w_zero_point = 1, pad = 1}\n"
      "  %1 = dequantize %0 {scale = 0.5, zero_point = 0} : f32[n=1, c=16, h=20, w=20]\n"
      "  %y = max_pool %1 {kernel = 2}\n  return %y\n}\n";
  for (const std::string& program :
       {blur(7), blur(2), narrow("bf16", "bf16"), narrow("u8", "i8"), narrow("i8", "u8"), chain})
    for (const char* target : {"znver4", "haswell"}) {
      const compiler::Stages first = stages(program, "auto", target).value();
      const std::string printed = to_string(first.schedules);
      CAPTURE(printed);
      const compiler::Stages again = stages(program, printed, target).value();
      CHECK(to_string(again.loops) == to_string(first.loops));
      CHECK(to_string(again.schedules) == printed);
      const bool is_direct = first.report.forms[0].chosen == "direct";
      CHECK(is_direct == (printed.find("form ") == std::string::npos));
    }
}

TEST_CASE("the nest that writes a result has one name in every form") {
  for (const std::string& program : {blur(3), narrow("u8", "i8"), narrow("bf16", "bf16")})
    for (const compiler::Form& form : compiler::forms()) {
      const auto all = stages(program, fmt::format("form conv_y {}", form.name));
      if (all) CHECK(nests(*all).back() == "conv_y");
    }
}

TEST_CASE("a convolution whose result a layout forbids has its forms too, under its nest's name") {
  // The result is reordered after: the convolution writes another value.
  const std::string split =
      "program @p(%x: bf16[n=1, h=9, w=8, c=8], %w: bf16[o=16, i=8, h=3, w=3]) {\n"
      "  %y = conv %x, %w : bf16[n=1, h=7, w=3, c=16, w=2]\n  return %y\n}\n";
  const compiler::Stages all = stages(split).value();
  REQUIRE(all.report.forms.size() == 1);
  const std::string nest = all.report.forms[0].nest;
  CHECK(stages(split, fmt::format("form {} direct", nest)).value().report.forms[0].chosen ==
        "direct");
  CHECK(stages(split, fmt::format("form {} dot", nest)).value().report.forms[0].chosen == "dot");
}

TEST_CASE("tiles of two outputs keep whole numbers with three taps, and not with five") {
  for (const int64_t taps : {3, 5}) {
    const ir::Program program =
        ir::parse(fmt::format("program @p(%x: f32[n=1, c=8, h=9, w=9], %w: f32[o=8, i=8, h={0}, "
                              "w={0}]) {{ %y = conv %x, %w return %y }}",
                              taps))
            .value();
    const compiler::Form& form = *compiler::find_form("winograd2x2");
    CHECK(compiler::keeps_whole_numbers(form, program, program.statements.front()) == (taps == 3));
  }
}
