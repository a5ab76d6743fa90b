#include "ir/builder.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "tests/support/catch.h"

#include <fmt/format.h>

#include <limits>
#include <string>

namespace volute::ir {
namespace {

const std::string inputs =
    "%x: f32[n=1, c=4, h=8, w=8], %w: f32[o=4, i=4, h=3, w=3], %g: f32[o=4, i=2, h=3, w=3],\n"
    "           %b: f32[o=4], %c: f32[c=4], %u: u8[n=1, c=4, h=8, w=8], %v: i8[o=4, i=4, h=3, "
    "w=3],\n"
    "           %i: i32[n=1, c=4, h=8, w=8], %j: i64[n=1, c=4, h=8, w=8]";

/// What a statement prints as, after checking that it parses back to the same program.
std::string round_trip(const std::string& statement) {
  const std::string text =
      fmt::format("program @p({}) {{\n  {}\n  return %y\n}}\n", inputs, statement);
  INFO(text);
  const Program program = parse(text).value();
  CHECK(verify(program).empty());
  const std::string printed = to_string(program);
  INFO(printed);
  CHECK(parse(printed).value() == program);
  CHECK(to_string(parse(printed).value()) == printed);
  return to_string(program, program.statements.back()).substr(2);
}

TEST_CASE("a canonical statement prints as it was written") {
  for (const std::string statement : {
           "%y = conv %x, %w",
           "%y = conv %x, %w, %b",
           "%y = conv %x, %g {stride = 2, pad = 1, dilation = [1, 2], groups = 2, "
           "padding_mode = reflect}",
           "%y = conv %x, %w {pad = [(0, 1), (2, 3)]}",
           "%y = conv %x, %w {pad = [1, 2]}",
           "%y = conv %x, %w {stride = [1, 2], pad = same_lower}",
           "%y = conv %x, %w {pad = valid}",
           "%y = conv %u, %v {x_zero_point = 7, w_zero_point = -3}",
           "%y = conv %u, %v {w_zero_point = [0, 0, 0, 0]}",
           "%y = conv_transpose %x, %w, %b {stride = 2, pad = 1, output_padding = [0, 1]}",
           "%y = conv_transpose %x, %w {dilation = 2, groups = 4} : f32[n=1, h=12, w=12, c=16]",
           "%y = max_pool %x {kernel = 2}",
           "%y, %k = max_pool %x {kernel = [2, 3], stride = 1, pad = 1, dilation = 2, "
           "ceil_mode = true}",
           "%y, %k = max_pool %x {kernel = 2} : f32[n=1, h=4, w=4, c=4], i64[n=1, c=4, h=4, w=4]",
           "%y = avg_pool %x {kernel = 3, stride = 2, count_include_pad = false, divisor = -7}",
           "%y = lp_pool %x {kernel = 2, p = 1.5}",
           "%y = global_avg_pool %x",
           "%y = global_max_pool %x",
           "%y = adaptive_avg_pool %x {output = [3, 5]}",
           "%y = adaptive_max_pool %x {output = 16}",
           "%y = max_unpool %x, %j {kernel = 2}",
           "%y = max_unpool %x, %j {kernel = 2, stride = 3, pad = 1, output_size = [21, 22]}",
           "%y = batch_norm %x, %c, %c, %c, %c",
           "%y = batch_norm %x, %c, %c, %c, %c {epsilon = 0.001}",
           "%y = add %x, %x",
           "%y = sub %x, %c",
           "%y = mul %i, %i",
           "%y = max %x, %x",
           "%y = min %x, %x : f32[n=1, h=8, w=8, c=4]",
           "%y = relu %x",
           "%y = relu6 %u",
           "%y = clamp %x {min = -inf, max = 0.1}",
           "%y = clamp %x {max = 1e+30}",
           "%y = leaky_relu %x",
           "%y = leaky_relu %x {slope = 0.2}",
           "%y = elu %x",
           "%y = elu %x {alpha = 0}",
           "%y = prelu %x, %c",
           "%y = sigmoid %x",
           "%y = tanh %x",
           "%y = silu %x",
           "%y = hardsigmoid %x",
           "%y = hardswish %x",
           "%y = mish %x",
           "%y = gelu %x",
           "%y = gelu %x {approximate = tanh}",
           "%y = softplus %x",
           "%y = abs %i",
           "%y = neg %u",
           "%y = sqrt %x",
           "%y = exp %x",
           "%y = convert %x : bf16[n=1, c=2, h=8, w=8, c=2]",
           "%y = reorder %x : f32[n=1, h=8, w=8, c=4]",
           "%y = pad %x {pad = [(-1, 2), (0, 0)]}",
           "%y = pad %x {pad = 0}",
           "%y = pad %x {pad = 1, mode = circular}",
           "%y = pad %x {pad = 1, value = nan}",
           "%y = pad %x {pad = 1, value = -inf}",
           "%y = quantize %x {scale = 0.1, zero_point = 3} : u8[n=1, c=4, h=8, w=8]",
           "%y = dequantize %u {scale = [1, 2, 3, 4]}",
           "%y = dequantize %u {scale = 1} : f16[n=1, c=4, h=8, w=8]",
           "%y = requantize %i {scale = 0.25, zero_point = [0, 1, 2, 3]} : i8[n=1, c=4, h=8, w=8]",
           "%y = const [1, -2, 0.5, nan, inf, -inf, -0, 1e-30] : f32[c=8]",
           "%y = const [0.1, 65504] : f16[c=2]",
           "%y = const [0.1, 3.39e+38] : bf16[c=2]",
           "%y = const [0.1, 1e+300] : f64[c=2]",
           "%y = const [-9223372036854775808, 9223372036854775807] : i64[c=2]",
           "%y = const [0, 255] : u8[c=2]",
           "%y = const [] : f32[n=0, c=3]",
       })
    CHECK(round_trip(statement) == statement);
}

TEST_CASE("what follows from the rest is left out") {
  CHECK(round_trip("%y = conv %x, %w {stride = [1, 1], pad = [(0, 0), (0, 0)], groups = 1}") ==
        "%y = conv %x, %w");
  CHECK(round_trip("%y = conv %x, %w {padding_mode = zeros, pad = [(1, 1), (1, 1)], "
                   "stride = [2, 2]} : f32[n=1, c=4, h=4, w=4]") ==
        "%y = conv %x, %w {stride = 2, pad = 1}");
  CHECK(round_trip("%y = max_pool %x {stride = [2, 3], kernel = [2, 3]}") ==
        "%y = max_pool %x {kernel = [2, 3]}");
  CHECK(round_trip("%y = max_unpool %x, %j {kernel = 2, output_size = 16}") ==
        "%y = max_unpool %x, %j {kernel = 2}");
  CHECK(round_trip("%y = leaky_relu %x {slope = 1e-2}") == "%y = leaky_relu %x");
  CHECK(round_trip("%y = quantize %x {scale = [0.5], zero_point = 0} : u8[n=1, c=4, h=8, w=8]") ==
        "%y = quantize %x {scale = 0.5} : u8[n=1, c=4, h=8, w=8]");
}

TEST_CASE("a stride that a default would change is kept") {
  CHECK(round_trip("%y = max_pool %x {kernel = 3, stride = 1}") ==
        "%y = max_pool %x {kernel = 3, stride = 1}");
}

TEST_CASE("long lists break into lines of at most 100 columns") {
  std::string list = "0";
  for (int i = 1; i < 200; ++i) list += fmt::format(", {}", i * 1000);
  const Program program =
      parse("program @p() { %k = const [" + list + "] : i32[c=200] return %k }").value();
  const std::string printed = to_string(program);
  CHECK(parse(printed).value() == program);
  for (size_t at = 0, end; at < printed.size(); at = end + 1) {
    end = printed.find('\n', at);
    CHECK(end - at <= 100 + std::string_view(" : i32[c=200]").size());
  }
}

TEST_CASE("inputs too wide for a line stand under each other") {
  const Program program = parse("program @stem(%x: f32[n=1, c=3, h=224, w=224], "
                                "%w: f32[o=64, i=3, h=7, w=7], %b: f32[o=64], "
                                "%slope: f32[c=64]) { return %x }")
                              .value();
  CHECK(to_string(program) == "program @stem(%x: f32[n=1, c=3, h=224, w=224], %w: f32[o=64, i=3, "
                              "h=7, w=7], %b: f32[o=64],\n"
                              "              %slope: f32[c=64]) {\n"
                              "  return %x\n"
                              "}\n");
}

TEST_CASE("constants of a file print its path, quotes and backslashes escaped") {
  const Resolver resolver = [](const std::string& path, const TensorType& type) {
    CHECK(path == R"(a "b"\c.npy)");
    return Expected(std::vector<std::byte>(static_cast<size_t>(type.bytes()), std::byte{7}));
  };
  const std::string text = R"(program @p() {
  %k = const file("a \"b\"\\c.npy") : u8[c=3]
  return %k
}
)";
  const Program program = parse(text, resolver).value();
  CHECK(to_string(program) == text);
  CHECK(std::get<Const>(program.statements[0].operation).bytes->at(2) == std::byte{7});
}

TEST_CASE("several programs print as a file of them") {
  const std::string text = "program @a(%x: f32[c=1]) {\n  return %x\n}\n\n"
                           "program @b(%x: f32[c=2]) {\n  %y = relu %x\n  return %y, %x\n}\n";
  const auto programs = parse_file_text(text).value();
  REQUIRE(programs.size() == 2);
  CHECK(to_string(std::span<const Program>(programs)) == text);
}

TEST_CASE("a program that names values it does not hold still prints") {
  Program program;
  program.name = "p";
  program.statements.push_back({{4}, Unary{}, {-1}, {}});
  program.outputs = {9};
  CHECK(to_string(program) == "program @p() {\n  %?4 = relu %?-1 : f32[]\n  return %?9\n}\n");
}

} // namespace
} // namespace volute::ir
