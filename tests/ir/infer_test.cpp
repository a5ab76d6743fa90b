#include "ir/infer.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

#include <fmt/format.h>

#include <string>

namespace volute::ir {
namespace {

Program parsed(const std::string& inputs, const std::string& statement) {
  const std::string text =
      fmt::format("program @p({}) {{\n  %y = {}\n  return %y\n}}\n", inputs, statement);
  INFO(text);
  return parse(text).value();
}

/// The type of `%y = statement`, as text.
std::string result(const std::string& inputs, const std::string& statement) {
  const Program program = parsed(inputs, statement);
  return to_string(program.type(program.outputs[0]));
}

std::string refusal(const std::string& inputs, const std::string& statement) {
  const auto program =
      parse(fmt::format("program @p({}) {{\n  %y = {}\n  return %y\n}}\n", inputs, statement));
  return program ? "accepted" : to_string(program.diagnostics().front());
}

Window window(const std::string& inputs, const std::string& statement) {
  const Program program = parsed(inputs, statement);
  return windows(program, program.statements.back()).front();
}

int64_t pooled(int64_t input, const std::string& attributes) {
  return window(fmt::format("%x: f32[n=1, c=1, w={}]", input), "max_pool %x {" + attributes + "}")
      .output;
}

TEST_CASE("output sizes of a convolution are those of the usual arithmetic") {
  struct Row {
    int64_t input, kernel, stride, pad, output;
  };
  for (const Row row : {Row{5, 2, 1, 0, 4}, Row{5, 3, 1, 0, 3}, Row{5, 2, 2, 0, 2},
                        Row{6, 2, 2, 0, 3}, Row{5, 2, 1, 1, 6}, Row{5, 3, 1, 1, 5},
                        Row{5, 3, 2, 2, 4}, Row{224, 7, 2, 3, 112}, Row{1, 1, 5, 0, 1}}) {
    const Window found = window(
        fmt::format("%x: f32[n=1, c=1, w={}], %w: f32[o=1, i=1, w={}]", row.input, row.kernel),
        fmt::format("conv %x, %w {{stride = {}, pad = {}}}", row.stride, row.pad));
    CHECK(found == Window{row.input, row.kernel, row.stride, 1, row.pad, row.pad, row.output});
  }
}

TEST_CASE("a result keeps its input's memory order and splits") {
  CHECK(result("%x: f32[n=2, h=8, w=9, c=3], %w: f32[o=5, i=3, h=3, w=2]", "conv %x, %w") ==
        "f32[n=2, h=6, w=8, c=5]");
  CHECK(result("%x: f32[n=1, c=2, h=8, w=8, c=16], %w: f32[o=64, i=32, h=1, w=1]",
               "conv %x, %w {stride = 2}") == "f32[n=1, c=4, h=4, w=4, c=16]");
  CHECK(result("%x: f32[c=7, w=8, d=4, n=2, h=6]",
               "max_pool %x {kernel = [4, 3, 2], stride = 1}") == "f32[c=7, w=7, d=1, n=2, h=4]");
  CHECK(result("%x: f32[n=1, c=2, h=8, w=8, c=16], %w: f32[o=24, i=32, h=1, w=1]",
               "conv %x, %w : f32[n=1, c=24, h=8, w=8]") == "f32[n=1, c=24, h=8, w=8]");
}

TEST_CASE("a written type asks for another memory order") {
  CHECK(result("%x: f32[n=1, c=6, h=2, w=2]", "relu %x : f32[n=1, c=3, h=2, w=2, c=2]") ==
        "f32[n=1, c=3, h=2, w=2, c=2]");
}

TEST_CASE("attributes expand to one number for each spatial axis") {
  const Program program = parsed("%x: f32[n=1, c=2, d=8, h=8, w=8]", "max_pool %x {kernel = 2}");
  const auto& pool = std::get<Pool>(program.statements[0].operation);
  CHECK(pool.kernel == PerAxis{2, 2, 2});
  CHECK(pool.stride == PerAxis{2, 2, 2});
  CHECK(pool.dilation == PerAxis{1, 1, 1});
  CHECK(pool.pad == Padding{Padding::Rule::numbers, {{0, 0}, {0, 0}, {0, 0}}});
}

TEST_CASE("under ceil_mode the last window starts inside the input or the padding before it") {
  CHECK(pooled(5, "kernel = 2, ceil_mode = true") == 3);
  CHECK(pooled(5, "kernel = 2") == 2);
  CHECK(pooled(6, "kernel = 2, ceil_mode = true") == 3);
  CHECK(pooled(4, "kernel = 3, stride = 2, pad = 1, ceil_mode = true") == 3);
  CHECK(pooled(4, "kernel = 3, stride = 2, pad = 1") == 2);
  CHECK(pooled(2, "kernel = 1, stride = 3, ceil_mode = true") == 1); // a second would start at 3
  CHECK(pooled(3, "kernel = 2, stride = 3, pad = 1, ceil_mode = true") == 2); // not at 6 = 3 + 3
  CHECK(pooled(1, "kernel = 2, ceil_mode = true") == 1); // hangs over, as PyTorch allows
  CHECK(pooled(10, "kernel = 3, stride = 4, dilation = 2, ceil_mode = true") == 3);
}

TEST_CASE("same is PyTorch's: stride 1, the odd element at the end") {
  const Window even =
      window("%x: f32[n=1, c=1, w=7], %w: f32[o=1, i=1, w=4]", "conv %x, %w {pad = same}");
  CHECK(even == Window{7, 4, 1, 1, 1, 2, 7});
  const Window dilated = window("%x: f32[n=1, c=1, w=7], %w: f32[o=1, i=1, w=3]",
                                "conv %x, %w {pad = same, dilation = 3}");
  CHECK(dilated == Window{7, 3, 1, 3, 3, 3, 7});
}

TEST_CASE("same_upper and same_lower give one output for each stride begun") {
  const std::string x = "%x: f32[n=1, c=1, w=5]";
  CHECK(window(x, "max_pool %x {kernel = 2, pad = same_upper}") == Window{5, 2, 2, 1, 0, 1, 3});
  CHECK(window(x, "max_pool %x {kernel = 2, pad = same_lower}") == Window{5, 2, 2, 1, 1, 0, 3});
  CHECK(window(x, "max_pool %x {kernel = 3, stride = 1, pad = same_lower}") ==
        Window{5, 3, 1, 1, 1, 1, 5});
  CHECK(window(x, "max_pool %x {kernel = 1, stride = 3, pad = same_upper}") ==
        Window{5, 1, 3, 1, 0, 0, 2});
  CHECK(window(x, "max_pool %x {kernel = 2, stride = 2, pad = valid, ceil_mode = true}").output ==
        3);
  CHECK(window(x, "max_pool %x {kernel = 2, pad = same_upper, ceil_mode = true}").output == 3);
}

TEST_CASE("a transposed convolution has PyTorch's size, each pad on its own") {
  const auto size = [](const std::string& attributes) {
    return result("%x: f32[n=1, c=4, w=5], %w: f32[o=3, i=4, w=3]",
                  "conv_transpose %x, %w {" + attributes + "}");
  };
  CHECK(size("stride = 1") == "f32[n=1, c=3, w=7]");
  CHECK(size("stride = 2") == "f32[n=1, c=3, w=11]");
  CHECK(size("stride = 2, pad = 1, output_padding = 1") == "f32[n=1, c=3, w=10]");
  CHECK(size("stride = 2, pad = [(1, 0)]") == "f32[n=1, c=3, w=10]");
  CHECK(size("dilation = 3, output_padding = 2") == "f32[n=1, c=3, w=13]");
  CHECK(size("groups = 2") == "f32[n=1, c=6, w=7]");

  const Program program =
      parsed("%x: f32[n=1, c=4, w=5], %w: f32[o=3, i=4, w=3]",
             "conv_transpose %x, %w {stride = 2, pad = [(1, 0)], output_padding = 1, groups = 2}");
  const Statement& statement = program.statements[0];
  CHECK(transposed_windows(program, statement) == std::vector{Window{5, 3, 2, 1, 1, 0, 11}});
  CHECK(output_channels(statement.operation, program.type(statement.operands[1])) == 6);
}

TEST_CASE("a global pool keeps the spatial axes with extent 1") {
  CHECK(result("%x: f32[n=2, h=7, w=5, c=3]", "global_avg_pool %x") == "f32[n=2, h=1, w=1, c=3]");
  CHECK(window("%x: f32[n=2, h=7, w=5, c=3]", "global_max_pool %x") == Window{7, 7, 1, 1, 0, 0, 1});
}

TEST_CASE("max_unpool's size is PyTorch's default unless it is given") {
  const std::string inputs = "%x: f32[n=1, c=1, w=4], %i: i64[n=1, c=1, w=4]";
  CHECK(result(inputs, "max_unpool %x, %i {kernel = 2}") == "f32[n=1, c=1, w=8]");
  CHECK(result(inputs, "max_unpool %x, %i {kernel = 3, stride = 2, pad = 1}") ==
        "f32[n=1, c=1, w=7]");
  CHECK(result(inputs, "max_unpool %x, %i {kernel = 2, output_size = 9}") == "f32[n=1, c=1, w=9]");
}

TEST_CASE("max_pool's indices are i64 of the result's shape") {
  const Program program =
      parse(
          "program @p(%x: u8[n=1, h=4, w=4, c=2]) { %y, %i = max_pool %x {kernel = 2} return %i }")
          .value();
  CHECK(to_string(program.type(program.outputs[0])) == "i64[n=1, h=2, w=2, c=2]");
}

TEST_CASE("the pad operator crops before it pads") {
  CHECK(result("%x: f32[n=1, c=1, h=4, w=9]", "pad %x {pad = [(-1, 2), (1, -3)]}") ==
        "f32[n=1, c=1, h=5, w=7]");
  CHECK(result("%x: f32[n=1, c=1, w=4]", "pad %x {pad = [(-4, 1)]}") == "f32[n=1, c=1, w=1]");
}

TEST_CASE("element types follow the operator") {
  const std::string bytes = "%x: u8[n=1, c=1, w=4], %w: i8[o=1, i=1, w=1], %b: i32[o=1]";
  CHECK(result(bytes, "conv %x, %w, %b {x_zero_point = 128, w_zero_point = [-3]}") ==
        "i32[n=1, c=1, w=4]");
  CHECK(result(bytes, "dequantize %x {scale = 0.5}") == "f32[n=1, c=1, w=4]");
  CHECK(result(bytes, "dequantize %x {scale = 0.5} : f64[n=1, c=1, w=4]") == "f64[n=1, c=1, w=4]");
  const std::string narrow = "%x: bf16[n=1, c=1, w=4], %w: bf16[o=1, i=1, w=1], %b: f32[o=1]";
  CHECK(result(narrow, "conv %x, %w, %b") == "bf16[n=1, c=1, w=4]");
  CHECK(result(narrow, "conv %x, %w, %b : f32[n=1, c=1, w=4]") == "f32[n=1, c=1, w=4]");
  CHECK(result("%x: f32[n=1, c=3, w=4]", "convert %x : i8[n=1, w=4, c=3]") == "i8[n=1, w=4, c=3]");
}

TEST_CASE("an empty batch is ordinary") {
  CHECK(result("%x: f32[n=0, c=3, h=8, w=8], %w: f32[o=2, i=3, h=3, w=3]", "conv %x, %w") ==
        "f32[n=0, c=2, h=6, w=6]");
}

TEST_CASE("per-channel operands are vectors, split or not") {
  CHECK(result("%x: f32[n=1, c=2, w=4, c=4], %s: f32[c=8]", "add %x, %s") ==
        "f32[n=1, c=2, w=4, c=4]");
  CHECK(result("%x: f32[n=1, c=8, w=4], %s: f32[c=2, c=4]", "mul %x, %s") == "f32[n=1, c=8, w=4]");
  CHECK(result("%x: f32[n=1, c=8, w=4], %z: f32[n=1, w=4, c=8]", "sub %x, %z") ==
        "f32[n=1, c=8, w=4]");
  CHECK(result("%x: f32[n=1, c=8, w=4], %s: f32[c=1]", "prelu %x, %s") == "f32[n=1, c=8, w=4]");
  CHECK(refusal("%x: f32[n=1, c=8, w=4], %s: f32[c=1]", "add %x, %s") ==
        "add: f32[c=1] lacks the first operand's shape f32[n=1, c=8, w=4] and is not [c=8], one a "
        "channel");
}

TEST_CASE("the largest tensor passes and one beyond it is refused") {
  CHECK(result("%x: i8[n=1, c=1, w=4611686018427387904]", "relu %x") ==
        "i8[n=1, c=1, w=4611686018427387904]");
  CHECK(refusal("%x: i8[n=1, c=1, w=4611686018427387904], %w: i8[o=1, i=1, w=1]", "conv %x, %w") ==
        "conv: the result i32[n=1, c=1, w=4611686018427387904] takes more than 2^62 bytes");
  CHECK(refusal("%x: i8[n=1, c=1, w=4]", "pad %x {pad = 2147483648}") ==
        "pad: pad = 2147483648 is above 2147483647, the largest attribute");
  CHECK(result("%x: i8[n=1, c=1, w=4]", "pad %x {pad = 2147483647}") ==
        "i8[n=1, c=1, w=4294967298]");
}

TEST_CASE("inference fills in what an operation leaves out") {
  Pool pool;
  pool.kernel = {2, 2};
  const std::vector x = {parse_type("f32[n=1, c=3, h=8, w=6]").value()};
  CHECK(to_string((*infer(pool, x))[0]) == "f32[n=1, c=3, h=4, w=3]");
  pool.kernel = {2};
  CHECK(to_string(infer(pool, x).diagnostics()[0]) ==
        "max_pool: kernel has 1 entry, but the input has 2 spatial axes, h and w");
  CHECK(to_string(infer(Unary{}, {}).diagnostics()[0]) == "relu: takes 1 operand (x), not 0");
}

} // namespace
} // namespace volute::ir
