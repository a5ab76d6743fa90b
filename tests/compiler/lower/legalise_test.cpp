#include "compiler/lower/legalise.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "tests/support/catch.h"

#include <string>
#include <vector>

using namespace volute;
using namespace volute::compiler;

namespace {

/// Statements of the legal program, without their attributes: "%x_padded = pad %x : f32[...]".
std::vector<std::string> statements(const std::string& text, const LowerOptions& options = {}) {
  const ir::Program before = ir::parse(text).value();
  const ir::Program after = legalise(before, options);
  for (const Diagnostic& finding : ir::verify(after)) FAIL_CHECK(to_string(finding));
  CHECK(after.inputs == before.inputs);
  CHECK(after.outputs == before.outputs);
  std::vector<std::string> lines;
  for (const ir::Statement& s : after.statements) {
    std::string line;
    for (const ir::ValueId result : s.results)
      line += (line.empty() ? "%" : ", %") + after.name_of(result);
    line += " = " + std::string(ir::name(s.operation));
    for (const ir::ValueId operand : s.operands) line += " %" + after.name_of(operand);
    for (const ir::ValueId result : s.results) line += " : " + to_string(after.type(result));
    lines.push_back(line);
  }
  return lines;
}

using Lines = std::vector<std::string>;

/// Legal as it is.
bool is_untouched(const std::string& text) {
  const ir::Program program = ir::parse(text).value();
  return legalise(program) == program;
}

} // namespace

TEST_CASE("padding with zeros stays where it is, whole layouts in any order too") {
  CHECK(is_untouched(R"(program @p(%x: f32[n=1, h=5, w=5, c=4], %w: f32[h=3, w=3, i=4, o=6]) {
    %0 = conv %x, %w {pad = same} %y = relu %0 : f32[n=1, c=6, w=5, h=5] return %y })"));
}

TEST_CASE("padding that copies elements becomes a pad, each side by itself") {
  for (const char* mode : {"reflect", "replicate", "circular"}) {
    const std::string text = std::string(R"(program @p(%x: f32[n=1, c=2, w=7],
      %w: f32[o=3, i=2, w=3]) { %y = conv %x, %w {pad = [(2, 1)], padding_mode = )") +
                             mode + "} return %y }";
    CHECK(statements(text) == Lines{"%x_padded = pad %x : f32[n=1, c=2, w=10]",
                                    "%y = conv %x_padded %w : f32[n=1, c=3, w=8]"});
    const ir::Program program = legalise(ir::parse(text).value());
    const auto& pad = std::get<ir::PadOp>(program.statements[0].operation);
    CHECK(pad.pad.sides == std::vector<std::pair<int64_t, int64_t>>{{2, 1}});
    const auto& conv = std::get<ir::Conv>(program.statements[1].operation);
    CHECK(conv.padding_mode == ir::PadMode::zeros);
    CHECK(conv.pad.sides == std::vector<std::pair<int64_t, int64_t>>{{0, 0}});
  }
}

TEST_CASE("a padding mode without pads, and words of padding, come to what they mean") {
  CHECK(statements(R"(program @p(%x: f32[n=1, c=2, w=7], %w: f32[o=3, i=2, w=3]) {
    %y = conv %x, %w {padding_mode = reflect} return %y })") ==
        Lines{"%y = conv %x %w : f32[n=1, c=3, w=5]"});
  CHECK(statements(R"(program @p(%x: f32[n=1, c=2, w=7], %w: f32[o=3, i=2, w=4]) {
    %y = conv %x, %w {pad = same, padding_mode = circular} return %y })") ==
        Lines{"%x_padded = pad %x : f32[n=1, c=2, w=10]",
              "%y = conv %x_padded %w : f32[n=1, c=3, w=7]"});
}

TEST_CASE("a name that the program has already is not taken twice") {
  CHECK(statements(R"(program @p(%x: f32[n=1, c=2, w=7], %x_padded: f32[o=3, i=2, w=3]) {
    %y = conv %x, %x_padded {pad = 1, padding_mode = reflect} return %y })")
            .front() == "%x_padded_2 = pad %x : f32[n=1, c=2, w=9]");
}

TEST_CASE("channels in blocks that go together are read as they lie") {
  CHECK(is_untouched(R"(program @p(%x: f32[n=1, c=2, h=5, w=5, c=8],
    %w: f32[o=4, i=2, h=3, w=3, i=8, o=8]) {
    %y = conv %x, %w : f32[n=1, c=4, h=3, w=3, c=8] return %y })"));
}

TEST_CASE("channels in blocks that do not go together are made whole first, once") {
  const Lines found = statements(R"(program @p(%x: f32[n=1, c=2, w=5, c=6],
    %w: f32[o=4, i=3, w=3, i=4], %v: f32[o=4, i=3, w=2, i=4]) {
    %a = conv %x, %w : f32[n=1, c=4, w=3]
    %b = conv %x, %v : f32[n=1, c=4, w=4]
    return %a, %b })");
  CHECK(found == Lines{"%x_whole = reorder %x : f32[n=1, c=12, w=5]",
                       "%w_whole = reorder %w : f32[o=4, i=12, w=3]",
                       "%a = conv %x_whole %w_whole : f32[n=1, c=4, w=3]",
                       "%v_whole = reorder %v : f32[o=4, i=12, w=2]",
                       "%b = conv %x_whole %v_whole : f32[n=1, c=4, w=4]"});
}

TEST_CASE("an image split along an axis that the operator moves in is made whole") {
  CHECK(statements(R"(program @p(%x: f32[n=1, c=3, w=4, w=2]) {
    %y = max_pool %x {kernel = 2} : f32[n=1, c=3, w=4] return %y })") ==
        Lines{"%x_whole = reorder %x : f32[n=1, c=3, w=8]",
              "%y = max_pool %x_whole : f32[n=1, c=3, w=4]"});
  // An element-wise operator does not move.
  CHECK(is_untouched(R"(program @p(%x: f32[n=1, c=3, w=4, w=2]) { %y = relu %x return %y })"));
}

TEST_CASE("a result that the operator cannot write is written whole and then reordered") {
  CHECK(statements(R"(program @p(%x: f32[n=1, c=3, w=4], %w: f32[i=3, o=2, w=2]) {
    %y = conv_transpose %x, %w {stride = 2} : f32[n=1, w=4, c=2, w=2] return %y })") ==
        Lines{"%y_whole = conv_transpose %x %w : f32[n=1, w=8, c=2]",
              "%y = reorder %y_whole : f32[n=1, w=4, c=2, w=2]"});
}

TEST_CASE("an unpooled result has its space together, in the order in which places count") {
  const std::string head = R"(program @p(%x: f32[n=1, c=3, h=2, w=2],
    %at: i64[n=1, c=3, h=2, w=2]) { %y = max_unpool %x, %at {kernel = 2} : )";
  CHECK(is_untouched(head + "f32[h=4, w=4, n=1, c=3] return %y }"));
  for (const char* type : {"f32[n=1, c=3, w=4, h=4]", "f32[n=1, h=4, c=3, w=4]"}) {
    CAPTURE(type);
    CHECK(statements(head + type + " return %y }") ==
          Lines{"%y_whole = max_unpool %x %at : f32[n=1, c=3, h=4, w=4]",
                std::string("%y = reorder %y_whole : ") + type});
  }
  // Nor can places be counted in a result with gaps.
  LowerOptions strided;
  strided.strides["y"] = {192, 64, 8, 1};
  CHECK(statements(head + "f32[n=1, c=3, h=4, w=4] return %y }", strided).size() == 2);
}

TEST_CASE("both results of a max_pool are brought to the layouts that are asked for") {
  CHECK(statements(R"(program @p(%x: f32[n=1, c=6, w=6]) {
    %y, %at = max_pool %x {kernel = 2} : f32[n=1, c=2, w=3, c=3], i64[n=1, c=3, w=3, c=2]
    return %y, %at })") ==
        Lines{"%y_whole, %at_whole = max_pool %x : f32[n=1, c=6, w=3] : i64[n=1, c=6, w=3]",
              "%y = reorder %y_whole : f32[n=1, c=2, w=3, c=3]",
              "%at = reorder %at_whole : i64[n=1, c=3, w=3, c=2]"});
}

TEST_CASE(
    "where groups, a bias and a result cut channels at other places, the operands are made whole") {
  // 36 groups of one input and two outputs: cut at 2 and 4 by the weight, at 12 by the bias, at 24
  // by the result. Every cut of the group counts, the bias's too.
  CHECK(statements(R"(program @p(%x: f32[n=6, c=36, w=4], %w: f32[w=1, o=2, i=9, i=2, i=2],
    %b: f32[o=6, o=12]) { %y = conv_transpose %x, %w, %b {stride = 5, groups = 36} :
    f32[n=6, c=3, w=16, c=24] return %y })") ==
        Lines{"%w_whole = reorder %w : f32[w=1, o=2, i=36]", "%b_whole = reorder %b : f32[o=72]",
              "%y = conv_transpose %x %w_whole %b_whole : f32[n=6, c=3, w=16, c=24]"});
  // The same of a bias and the weight alone.
  CHECK(statements(R"(program @p(%x: bf16[n=1, c=30, w=6], %w: bf16[i=10, o=2, w=2, i=3],
    %b: bf16[o=6, o=10]) { %y = conv_transpose %x, %w, %b {groups = 30} return %y })") ==
        Lines{"%w_whole = reorder %w : bf16[i=30, o=2, w=2]", "%b_whole = reorder %b : bf16[o=60]",
              "%y = conv_transpose %x %w_whole %b_whole : bf16[n=1, c=60, w=7]"});
}

TEST_CASE("a value that only one element-wise statement reads has the layout that suits it") {
  // A reorder between them would round %0, which the language does not.
  const std::string image = "(%x: bf16[n=1, c=12, w=5], %w: bf16[o=12, i=12, w=1]) {";
  CHECK(statements("program @p" + image + R"(
    %0 = conv %x, %w : bf16[n=1, c=2, w=5, c=6]
    %y = relu %0 : bf16[n=1, c=3, w=5, c=4] return %y })") ==
        Lines{"%0 = conv %x %w : bf16[n=1, c=12, w=5]", "%y = relu %0 : bf16[n=1, c=3, w=5, c=4]"});
  // So has one whose maker does not write what is asked for, and a chain of them.
  CHECK(statements(R"(program @p(%x: bf16[n=1, c=12, w=4], %w: bf16[i=12, o=12, w=2]) {
    %0 = conv_transpose %x, %w {stride = 2} : bf16[n=1, w=4, c=12, w=2]
    %1 = relu %0 : bf16[n=1, w=2, c=12, w=4]
    %y = tanh %1 : bf16[n=1, c=12, w=8] return %y })") ==
        Lines{"%0 = conv_transpose %x %w : bf16[n=1, w=8, c=12]",
              "%1 = relu %0 : bf16[n=1, w=2, c=12, w=4]", "%y = tanh %1 : bf16[n=1, c=12, w=8]"});
  // One that is returned, or read twice, has the layout that was asked for.
  CHECK(statements("program @p" + image + R"(
    %0 = conv %x, %w : bf16[n=1, c=2, w=5, c=6]
    %y = relu %0 : bf16[n=1, c=3, w=5, c=4] return %y, %0 })") ==
        Lines{"%0 = conv %x %w : bf16[n=1, c=2, w=5, c=6]",
              "%0_whole = reorder %0 : bf16[n=1, c=12, w=5]",
              "%y = relu %0_whole : bf16[n=1, c=3, w=5, c=4]"});
}

TEST_CASE("layouts of a chain go together with those of what is folded into it, or not") {
  const auto together = [](const std::string& residual) {
    const ir::Program program = ir::parse("program @p(%x: f32[n=1, c=12, w=5],"
                                          " %w: f32[o=12, i=12, w=1], %r: " +
                                          residual +
                                          ") { %0 = conv %x, %w %y = add %0, %r :"
                                          " f32[n=1, c=3, w=5, c=4] return %y }")
                                    .value();
    return layouts_go_together(program, {&program.statements[0], &program.statements[1]});
  };
  CHECK(together("f32[n=1, c=12, w=5]"));
  CHECK(together("f32[n=1, c=6, w=5, c=2]"));
  CHECK_FALSE(together("f32[n=1, c=2, w=5, c=6]"));
}

TEST_CASE("what is folded into groups is cut where they are, or not folded") {
  // 6 groups of 4 outputs: a scale cut at 3 would cut a group's channels at no digit.
  const auto together = [](const std::string& slope) {
    const ir::Program program =
        ir::parse("program @p(%x: f32[n=1, c=12, w=5], %w: f32[o=24, i=2, w=1], %s: f32[" + slope +
                  "]) { %0 = conv %x, %w {groups = 6} %y = prelu %0, %s return %y }")
            .value();
    return layouts_go_together(program, {&program.statements[0], &program.statements[1]});
  };
  CHECK(together("c=24"));
  CHECK(together("c=12, c=2"));
  CHECK(together("c=3, c=8"));
  CHECK_FALSE(together("c=8, c=3"));
  CHECK_FALSE(together("c=4, c=6"));
}
