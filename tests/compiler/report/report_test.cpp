#include "compiler/pipeline.h"
#include "compiler/report/report.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/stages.h"

#include <algorithm>

using Catch::Matchers::ContainsSubstring;
using volute::compiler::Copy;
using volute::compiler::NestReport;
using volute::compiler::Report;

namespace {

using Sentences = std::vector<std::string>;

Report report_of(const std::string& program, const std::string& target = "sapphirerapids",
                 const std::string& schedule = "auto") {
  return volute::tests::stages_of(program, target, schedule).report;
}

/// "x_padded 2048": what is copied, with its bytes.
Sentences copies(const Report& report) {
  Sentences all;
  for (const Copy& copy : report.copies) all.push_back(copy.of + " " + std::to_string(copy.bytes));
  return all;
}

/// The line on an integer convolution of so many channels and taps, with more in front and behind.
std::string integers(const std::string& x, const std::string& w, const std::string& attributes = "",
                     const std::string& before = "", const std::string& bias = "") {
  const Report report =
      report_of("program @p(" + x + (w.empty() ? "" : ", " + w) + ") {\n" + before +
                "%y = conv %x, %w" + bias + " {" + attributes + "}\nreturn %y }");
  for (const std::string& line : report.operators)
    if (const size_t at = line.find("i32: "); at != std::string::npos) return line.substr(at);
  return "no line";
}

std::string products(const Report& report) {
  for (const NestReport& nest : report.nests)
    if (!nest.products.empty()) return nest.products;
  return "";
}

} // namespace

TEST_CASE("a report is a page: the work, the choices, the image, the time", "[report]") {
  Report report;
  report.program = "p";
  report.target = "haswell";
  report.llvm = "19.1.7";
  report.parameters = 9472;
  report.multiply_adds = 115605504;
  report.bytes = 1442816;
  report.fusion = {"conv %0, relu %y run as one nest"};
  NestReport nest;
  nest.name = "conv";
  nest.origin = "conv %0, relu %y";
  nest.schedule = "parallel o by 32, h\nfor w by 14\n";
  nest.why = {"the inner loop is bound by FMA"};
  nest.candidates = {{"parallel o by 32, h\nfor w by 14", 1234567, "FMA"}};
  nest.multiply_adds = 75;
  nest.executed_multiply_adds = 100;
  nest.registers = 28;
  nest.register_tile = "14 w x 2 o of f32x8";
  nest.code_bytes = 20480;
  nest.packed = {{"w", 36864}};
  nest.work_items = 112;
  report.nests = {nest};
  report.text_bytes = 20480;
  report.constant_bytes = 64;
  report.emit_ms = 1.5;
  CHECK(to_string(report) == R"(program @p
  target         haswell
  LLVM           19.1.7
  parameters     9,472
  multiply-adds  115,605,504 (taps in the padding left out)
  operations     231,211,008 (a multiply-add is two)
  bytes          1,442,816 (inputs and outputs, each once)
  intensity      160.25 floating-point operations a byte

fusion
  conv %0, relu %y run as one nest

nest conv: conv %0, relu %y
  multiply-adds  100 executed for 75 asked for: 75.0 % are useful
  work items     112
  register tile  14 w x 2 o of f32x8 (28 registers)
  packed         %w, 36.0 KiB
  code           20.0 KiB
  schedule
    parallel o by 32, h
    for w by 14
  why
    the inner loop is bound by FMA
  candidates, best first: predicted cycles, what bounds them, schedule
       1,234,567  FMA       parallel o by 32, h; for w by 14

image
  code           20.0 KiB
  constants      64 bytes
  workspace      0 bytes
  scratch        0 bytes a thread

time
  1.5 ms: lower 0.0, emit 1.5, object 0.0, link 0.0
)");
}

TEST_CASE("a report without code has no image, and a copy no multiply-adds", "[report]") {
  Report report;
  report.program = "p";
  NestReport nest;
  nest.name = "reorder";
  report.nests = {nest};
  const std::string text = to_string(report);
  CHECK(text.find("image") == std::string::npos);
  CHECK(text.find("  multiply-adds  none\n") != std::string::npos);
  CHECK(text.find("    // every axis a plain loop\n") != std::string::npos);
}

TEST_CASE("a report tells what sharing memory saves between steps", "[report]") {
  Report report;
  report.target = "haswell";
  report.text_bytes = 64;
  report.workspace_bytes = report.intermediate_bytes = 4096;
  CHECK(to_string(report).find("  workspace      4096 bytes\n") != std::string::npos);
  report.intermediate_bytes = 9000;
  CHECK(to_string(report).find("  workspace      4096 bytes, shared by buffers of 9000 bytes that "
                               "are not needed at the same time\n") != std::string::npos);
}

TEST_CASE("a report says what shares a nest, what does not, and why", "[report]") {
  const Report report = report_of("program @p(%x: f32[n=1, c=4, w=9], %w: f32[o=4, i=4, w=3]) {\n"
                                  "%0 = conv %x, %w\n%1 = relu %0\n%2 = max_pool %1 {kernel = 2}\n"
                                  "%y = neg %1\nreturn %y, %2 }");
  CHECK(
      report.fusion ==
      Sentences{"conv %0, relu %1 run as one nest", "conv %0: %x is an input of the program",
                "max_pool %2: it reads %1 at other positions than its own, so that is stored first",
                "neg %y: %1 is read by 2 statements"});
}

TEST_CASE("every copy and reorder is reported with its bytes", "[report]") {
  const Report padded = report_of(
      "program @p(%x: f32[n=1, c=4, w=8], %w: f32[o=4, i=4, w=3]) {\n"
      "%y = conv %x, %w {pad = 1, padding_mode = circular}\n%z = reorder %x : f32[n=1, w=8, c=4]\n"
      "return %y, %z, %x }");
  CHECK(copies(padded) == Sentences{"%x_padded 160", "%z 128", "w_packed 192", "x 128"});
  CHECK_THAT(padded.copies[0].why, ContainsSubstring("a padded copy of %x (circular)"));
  CHECK_THAT(padded.copies[2].why, ContainsSubstring("made when %w is bound, else on each run"));
  CHECK(padded.operators ==
        Sentences{"conv %y: its padding (circular) is read from a padded copy"});

  // A split axis along which the pool's windows move, and a result that is folded into its nest.
  const Report split = report_of("program @p(%x: f32[n=1, c=4, w=4, w=2]) {\n"
                                 "%0 = max_pool %x {kernel = 2}\n"
                                 "%y = reorder %0 : f32[n=1, w=4, c=4]\nreturn %y }");
  CHECK(copies(split) == Sentences{"%x_whole 128"});
  CHECK_THAT(split.copies[0].why, ContainsSubstring("a reorder of %x"));

  const Report constant = report_of("program @p(%x: f32[n=1, c=1, w=8]) {\n"
                                    "%w = const [1, 2] : f32[o=1, i=1, w=2]\n"
                                    "%y = conv %x, %w\nreturn %y }");
  CHECK(copies(constant) == Sentences{}); // its numbers stand in the code
  std::string numbers = "1";
  for (int i = 1; i < 192; ++i) numbers += ", " + std::to_string(i % 7 - 3);
  const Report larger = report_of("program @p(%x: f32[n=1, c=4, w=8]) {\n%w = const [" + numbers +
                                  "] : f32[o=16, i=4, w=3]\n%y = conv %x, %w\nreturn %y }");
  REQUIRE(copies(larger) == Sentences{"w_packed 768"});
  CHECK_THAT(larger.copies[0].why, ContainsSubstring("made when the program is compiled"));

  const auto packing = [&](const std::string& weight, const std::string& returned) {
    return report_of("program @p(%x: f32[n=1, h=5, w=9, c=4], %w: f32[o=16, i=4, h=3, w=3], "
                     "%s: f32[o=16, i=4, h=3, w=3]) {\n" +
                     weight + "\n%y = conv %x, %v\nreturn %y" + returned + " }")
        .copies.back()
        .why;
  };
  CHECK_THAT(packing("%0 = mul %w, %s %v = relu %0", ""),
             ContainsSubstring("made when %w and %s are bound, else on each run"));
  CHECK_THAT(packing("%v = relu %s", ""), ContainsSubstring("made when %s is bound, else"));
  CHECK_THAT(packing("%v = mul %w, %s", ", %v"), ContainsSubstring("made on each run"));
}

TEST_CASE("a convolution of bytes reports its staged image, its sums and its instruction",
          "[report]") {
  const std::string program =
      "program @p(%x: u8[n=1, h=6, w=6, c=6], %w: i8[o=16, i=6, h=3, w=3], %b: i32[o=16]) {\n"
      "%y = conv %x, %w, %b {pad = 1, x_zero_point = 9, w_zero_point = 3}\nreturn %y }";
  const char* const dot = "form conv_y dot";
  const Report report = report_of(program, "znver4", dot);
  CHECK(copies(report) ==
        Sentences{"x_staged 512", "w_offset 64", "x_window_sum 144", "w_packed 1152"});
  for (const size_t of_weight : {1, 3})
    CHECK_THAT(report.copies[of_weight].why,
               ContainsSubstring("made when %w is bound, else on each run"));
  CHECK(report.operators[0] == "conv %y: its padding is the zero point, in the staged image");
  CHECK_THAT(products(report), ContainsSubstring("4 added at a time by vpdpbusd"));
  CHECK_THAT(products(report_of(program, "haswell", dot)), ContainsSubstring("pmaddwd"));
  CHECK_THAT(products(report_of(program, "haswell", "naive")),
             ContainsSubstring("one at a time, i8 widened to i32: its form is direct"));
  const std::string pairs = "program @p(%x: bf16[n=1, w=6, c=8], %w: bf16[o=16, i=8, w=3]) {\n"
                            "%y = conv %x, %w\nreturn %y }";
  CHECK_THAT(products(report_of(pairs, "znver4")),
             ContainsSubstring("2 added at a time by vdpbf16ps"));
  CHECK_THAT(products(report_of(pairs, "haswell")),
             ContainsSubstring("bf16 widened to f32: the target has no vdpbf16ps"));
}

TEST_CASE("the forms of a convolution are told with their cycles, errors and obstacles",
          "[report]") {
  const auto forms = [](const std::string& schedule) {
    const std::string program =
        "program @p(%x: f32[n=1, c=1, h=64, w=64]) {\n"
        "%k = const [1, 2, 1, 0, 2, 4, 2, 0, 1, 2, 1, 0, 3, 6, 3, 0] : f32[o=1, i=1, h=4, w=4]\n"
        "%y = conv %x, %k\nreturn %y }";
    const std::string text = to_string(report_of(program, "haswell", schedule));
    const size_t begin = text.find("\nforms\n");
    REQUIRE(begin != std::string::npos);
    return text.substr(begin + 1, text.find("\n\n", begin) - begin - 1);
  };
  CHECK(forms("naive") == "forms\n  conv_y: direct (one sum over all taps); naive is asked for");
  CHECK(
      forms("form conv_y separable") ==
      "forms\n  conv_y: separable (a filter that is a column times a row, as two passes), error at "
      "most 1.24 times that of a direct sum; the schedule says so");
  const std::string scored = forms("auto");
  CHECK_THAT(scored, ContainsSubstring("  predicted cycles\n"));
  CHECK_THAT(scored, ContainsSubstring("  predicted cycles, error at most 1.24 times that of"));
  CHECK_THAT(scored, ContainsSubstring("dot             not taken  its elements are f32"));
}

TEST_CASE("integer sums are proven to fit, or the taps are named above which they may wrap",
          "[report]") {
  const std::string u8 = "%x: u8[n=1, c=4, w=9]", i8 = "%x: i8[n=1, c=4, w=9]";
  const std::string few_i8 = "%w: i8[o=2, i=4, w=3]", few_u8 = "%w: u8[o=2, i=4, w=3]";
  CHECK(integers(u8, few_i8) == "i32: proven (12 taps of up to 255 * 128 are within 391,680)");
  CHECK(integers(i8, few_u8, "x_zero_point = 127, w_zero_point = [3, 200]") ==
        "i32: proven (12 taps of up to 255 * 252 are within 771,120)");
  CHECK_THAT(integers(u8, few_i8 + ", %b: i32[o=2]", "", "", ", %b"),
             ContainsSubstring("within 391,680, which leaves 2,147,091,967 to the bias)"));

  // 255 * 128 * 65793 is the last product of these types below 2^31.
  const auto of_channels = [&](const std::string& count) {
    return integers("%x: u8[n=1, c=" + count + ", w=1]", "%w: i8[o=1, i=" + count + ", w=1]");
  };
  CHECK(of_channels("65793") == "i32: proven (65,793 taps of up to 255 * 128 are within "
                                "2,147,483,520)");
  CHECK(of_channels("65794") ==
        "i32: may wrap above 65,793 taps (65,794 of up to 255 * 128 are added)");

  // Of a constant weight the actual values count, a channel at a time; of a constant bias too.
  const std::string constant = "%w = const [1, -2, 3, 127, 0, 0] : i8[o=2, i=1, w=3]\n";
  CHECK(integers("%x: u8[n=1, c=1, w=9]", "", "", constant) ==
        "i32: proven (3 taps of up to 255 * 127; with this weight their sum is within 32,385)");
  CHECK(integers("%x: u8[n=1, c=1, w=9]", "", "w_zero_point = 1", constant) ==
        "i32: proven (3 taps of up to 255 * 126; with this weight their sum is within 32,640)");
  CHECK(integers("%x: u8[n=1, c=1, w=9]", "", "",
                 constant + "%b = const [0, -2147483647] : i32[o=2]\n", ", %b") ==
        "i32: may wrap above 0 taps (3 of up to 255 * 127 are added, and the bias)");
  CHECK(integers("%x: f32[n=1, c=1, w=9]", "%w: f32[o=1, i=1, w=3]") == "no line");
}

TEST_CASE("of a transposed convolution the taps are those of one output", "[report]") {
  const std::string head = "program @p(%x: u8[n=1, c=4, w=9], %w: i8[i=4, o=2, w=3]) {\n";
  const Report report =
      report_of(head + "%y = conv_transpose %x, %w {stride = 2, groups = 2}\nreturn %y }");
  CHECK(report.operators ==
        Sentences{"conv_transpose %y: 2 phases in 2 nests of 2, 1 taps",
                  "conv_transpose %y: i32: proven (4 taps of up to 255 * 128 are within 130,560)"});
  CHECK(report_of(head + "%0 = conv_transpose %x, %w {stride = 3}\n%y = relu %0\nreturn %y }")
            .operators[0] == "conv_transpose %0: 3 phases in 1 nest of 1 tap");
  CHECK_THAT(report_of(head + "%y = conv_transpose %x, %w {stride = 5}\nreturn %y }").operators[0],
             ContainsSubstring("3 phases in 1 nest of 1 tap; outputs of 2 more, which no input "
                               "reaches, hold the bias"));
}

TEST_CASE("parameters are operands without a batch, each counted once", "[report]") {
  CHECK(report_of("program @p(%x: f32[n=1, c=4, w=9], %r: f32[n=1, c=4, w=7], "
                  "%w: f32[o=4, i=4, w=3], %b: f32[c=4], %unused: f32[c=9]) {\n"
                  "%0 = conv %x, %w\n%1 = add %0, %r\n%2 = mul %1, %b\n%y = add %2, %b\n"
                  "return %y }")
            .parameters == 48 + 4);
}

TEST_CASE("candidates are told with every tile that they stand for", "[report]") {
  const Report report = report_of("program @p(%x: f32[n=1, h=9, w=9, c=8], %w: f32[o=32, i=8, h=3, "
                                  "w=3]) {\n%y = conv %x, %w\nreturn %y }");
  const NestReport& nest = report.nests.back();
  REQUIRE(nest.candidates.size() > 1);
  std::string chosen = nest.schedule;
  chosen.pop_back();
  for (size_t at; (at = chosen.find('\n')) != std::string::npos;) chosen.replace(at, 1, "; ");
  CHECK(nest.candidates.front().schedule == chosen);
  for (const auto& candidate : nest.candidates)
    CHECK_THAT(candidate.schedule, ContainsSubstring(" by "));
}
TEST_CASE("fewer multiply-adds than asked for are a constant weight's zeros") {
  Report report;
  report.nests.emplace_back();
  report.nests[0].multiply_adds = 90;
  report.nests[0].executed_multiply_adds = 50;
  CHECK(to_string(report).find("50 executed for 90 asked for: weights that are 0 are left out") !=
        std::string::npos);
}

TEST_CASE("a batch_norm that went into a convolution is told beside it, in its place", "[report]") {
  const Report report = report_of(R"(program @p(%x: f32[n=1, h=8, w=8, c=1]) {
    %w = const [1, 2, 3, 4] : f32[o=1, i=1, h=2, w=2]
    %s = const [2] : f32[c=1]
    %0 = conv %x, %w
    %1 = batch_norm %0, %s, %s, %s, %s
    %2 = batch_norm %1, %s, %s, %s, %s
    %y = relu %2
    return %y })");
  REQUIRE(report.nests.size() == 1);
  CHECK(report.nests[0].origin == "conv %0, batch_norm %1, batch_norm %2, relu %y");
  CHECK(std::count(report.fusion.begin(), report.fusion.end(),
                   "conv %0, batch_norm %1, batch_norm %2, relu %y run as one nest") == 1);
  for (const std::string& sentence : report.fusion) {
    CAPTURE(sentence);
    CHECK(sentence.find("conv %1") == std::string::npos);
    CHECK(sentence.find("conv %2") == std::string::npos);
  }
}

TEST_CASE("constants that hold denormal numbers are told of", "[report]") {
  const Report report = report_of(R"(program @p(%x: f32[n=1, c=1, w=8]) {
    %w = const [1e-40, 2, -1e-44] : f32[o=1, i=1, w=3]
    %h = const [6e-8] : f16[c=1]
    %0 = convert %h : f32[c=1]
    %1 = conv %x, %w
    %y = mul %1, %0
    return %y })");
  CHECK(report.denormals ==
        Sentences{"%w: 2 of 3 elements are denormal (not 0, and below 1.2e-38): many CPUs take a "
                  "hundred times as long for each; --flush-denormals takes them for 0"});
}
