// Every operator at the ends of its domain: no image, one pixel, windows larger than the image,
// strides larger than windows. Compiled, and compared with the reference on whole numbers.
#include "compiler/compile.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/every_stage.h"

#include <fmt/format.h>

#include <string>
#include <vector>

using namespace volute;
using namespace volute::tests;

namespace {

struct Statement {
  std::string text, inputs, element; // of %x
};

/// Every operator over %x, of 4 channels.
const std::vector<Statement> statements = {
    {"conv %x, %w {pad = 2}", "%w: f32[o=6, i=4, h=3, w=3]", "f32"},
    {"conv %x, %w {pad = 2, groups = 2}", "%w: f64[o=6, i=2, h=3, w=3]", "f64"},
    {"conv %x, %w {pad = 1, groups = 4}", "%w: bf16[o=8, i=1, h=3, w=3]", "bf16"},
    {"conv %x, %w {pad = 1, padding_mode = replicate}", "%w: f16[o=6, i=4, h=2, w=2]", "f16"},
    {"conv %x, %w {pad = 3, x_zero_point = 9, w_zero_point = -3}", "%w: i8[o=6, i=4, h=5, w=4]",
     "u8"},
    {"conv_transpose %x, %w {stride = 3}", "%w: f32[i=4, o=6, h=2, w=2]", "f32"},
    {"conv_transpose %x, %w {stride = 5, output_padding = 1}", "%w: u8[i=4, o=6, h=1, w=1]", "i8"},
    {"max_pool %x {kernel = 3, pad = 1}", "", "f32"},
    {"max_pool %x {kernel = 3, stride = 5, pad = 1}", "", "u8"},
    {"avg_pool %x {kernel = 3, pad = 1, count_include_pad = false}", "", "f32"},
    {"avg_pool %x {kernel = 3, stride = 7, pad = 2}", "", "f64"},
    {"lp_pool %x {kernel = 3, pad = 1, p = 1}", "", "f32"},
    {"global_avg_pool %x", "", "f32"},
    {"global_max_pool %x", "", "i32"},
    {"adaptive_avg_pool %x {output = [2, 3]}", "", "f32"},
    {"adaptive_max_pool %x {output = 4}", "", "i64"},
    {"batch_norm %x, %v, %v, %v, %u {epsilon = 1}", "%v: f32[c=4], %u: f32[c=4]", "f32"},
    {"add %x, %x", "", "i8"},
    {"sub %x, %v", "%v: f16[c=4]", "f16"},
    {"mul %x, %v", "%v: i64[c=4]", "i64"},
    {"max %x, %x", "", "f32"},
    {"min %x, %v", "%v: u8[c=4]", "u8"},
    {"relu %x", "", "f32"},
    {"relu6 %x", "", "i8"},
    {"clamp %x {min = -1}", "", "bf16"},
    {"leaky_relu %x {slope = 0.5}", "", "f32"},
    {"prelu %x, %v", "%v: f32[c=1]", "f32"},
    {"abs %x", "", "i32"},
    {"neg %x", "", "f64"},
    {"pad %x {pad = [(2, 1), (0, 3)], value = 2}", "", "f32"},
    {"pad %x {pad = 3, mode = replicate}", "", "u8"},
    {"pad %x {pad = 1, mode = circular}", "", "f16"},
    {"dequantize %x {scale = 0.5, zero_point = 3}", "", "u8"},
};

/// Those that are exact for numbers of a function's size only.
const std::vector<std::string> functions = {"elu",         "sigmoid",   "tanh", "silu",
                                            "hardsigmoid", "hardswish", "mish", "gelu",
                                            "softplus",    "exp"};

std::string program(const Statement& statement, int64_t batch, int64_t height, int64_t width) {
  return fmt::format("program @p(%x: {}[n={}, c=4, h={}, w={}]{}{}) {{ %y = {} return %y }}",
                     statement.element, batch, height, width, statement.inputs.empty() ? "" : ", ",
                     statement.inputs, statement.text);
}

void check(const std::string& text, double slack = 0) {
  const Expected<ir::Program> parsed = ir::parse(text);
  if (!parsed) FAIL_CHECK(text << "\n" << Error(parsed.diagnostics()).what());
  if (!parsed) return;
  const ir::Program& program = *parsed;
  Tensors inputs = whole_numbers(program, 1);
  if (inputs.count("u")) // a variance
    for (std::byte& b : inputs.at("u").bytes) b = std::byte{0};
  const ir::Memory wanted = reference_memory(program, inputs);
  const Closeness closeness = {slack > 0 ? Closeness::Kind::near : Closeness::Kind::values, slack};
  Dice dice(1);
  for (const char* target : {"native", "x86-64-v3", "x86-64"})
    for (const char* schedule : {"auto", "naive"}) {
      CAPTURE(text, target, schedule);
      const compiler::Compiled compiled =
          compiler::compile(program, request_for(target, schedule)).value();
      CHECK(fault_of_kernel(compiled, program, inputs, wanted, dice, closeness) == "");
    }
}

} // namespace

TEST_CASE("every operator takes a batch of no images, and does nothing") {
  for (const Statement& statement : statements) check(program(statement, 0, 4, 5));
  for (const std::string& word : functions) check(program({word + " %x", "", "f32"}, 0, 4, 5));
  check("program @p(%x: f32[n=0, c=2, w=4]) { %0, %1 = max_pool %x {kernel = 2}"
        " %y = max_unpool %0, %1 {kernel = 2} return %y, %1 }");
  check("program @p(%x: f32[n=0, c=2, w=4]) { %y = quantize %x {scale = 2} : u8[n=0, c=2, w=4]"
        " return %y }");
  check("program @p(%x: f32[n=0, c=2, w=4]) { %y = reorder %x : f32[n=0, w=4, c=2] return %y }");
}

TEST_CASE("every operator takes an image of one pixel") {
  for (const Statement& statement : statements) check(program(statement, 2, 1, 1));
  for (const std::string& word : functions)
    check(program({word + " %x", "", "f32"}, 2, 1, 1), 1e-4);
}

TEST_CASE("every operator takes an image of one row, or of one column") {
  for (const Statement& statement : statements) {
    check(program(statement, 1, 1, 7));
    check(program(statement, 1, 7, 1));
  }
}

TEST_CASE("kernels larger than the image and strides larger than kernels") {
  for (const char* attributes : {"pad = 4", "pad = [(7, 0), (0, 8)]", "pad = 4, stride = 7",
                                 "pad = 6, stride = [9, 2]", "pad = 8, dilation = 2, stride = 5"}) {
    check(fmt::format("program @p(%x: f32[n=1, c=3, h=2, w=3], %w: f32[o=5, i=3, h=7, w=7]) {{"
                      " %y = conv %x, %w {{{}}} return %y }}",
                      attributes));
    check(fmt::format("program @p(%x: i8[n=1, c=3, h=2, w=3], %w: u8[o=5, i=3, h=7, w=7]) {{"
                      " %y = conv %x, %w {{x_zero_point = -7, w_zero_point = 3, {}}} return %y }}",
                      attributes));
  }
  check("program @p(%x: f32[n=1, c=3, h=2, w=3]) {"
        " %y = max_pool %x {kernel = 7, pad = 6, stride = 9} return %y }");
}

TEST_CASE("output channels of which there are none are refused in words") {
  const auto refused = ir::parse(
      "program @p(%x: f32[n=1, c=3, w=8], %w: f32[o=0, i=3, w=3]) { %y = conv %x, %w return %y }");
  REQUIRE_FALSE(refused);
  const std::string words = Error(refused.diagnostics()).what();
  CAPTURE(words);
  CHECK(words.find("the size of o must be at least 1, not '0'") != std::string::npos);
}
