// reference(program) == evaluate(nests) where random programs do not look: NaN, infinities and
// windows without data, in every element type that has them, and each function over its range.

#include "compiler/lower/legalise.h"
#include "compiler/lower/lower.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

using namespace volute;

namespace {

using tests::Tensors;

Tensors evaluate_nests(const ir::Program& program, const Tensors& inputs) {
  const ir::NestProgram nests = compiler::lower(compiler::legalise(program)).value();
  for (const Diagnostic& finding : ir::verify(nests)) FAIL_CHECK(to_string(finding));
  ir::Memory memory = ir::allocate(nests.buffers);
  for (size_t i = 0; i < program.inputs.size(); ++i)
    memory[i] = inputs.at(program.name_of(program.inputs[i])).bytes;
  ir::evaluate(nests, memory);
  Tensors outputs;
  for (size_t i = 0; i < program.outputs.size(); ++i)
    outputs[program.name_of(program.outputs[i])] = {program.type(program.outputs[i]),
                                                    memory[program.inputs.size() + i]};
  return outputs;
}

/// Equal as numbers, NaN equal to NaN.
bool same(const std::vector<double>& a, const std::vector<double>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

} // namespace

namespace {

constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();
const char* const floats[] = {"f32", "f64", "f16", "bf16"};

/// The nests and the reference agree on every result, for numbers by input.
void check_agreement(const std::string& text,
                     const std::map<std::string, std::vector<double>>& numbers) {
  const ir::Program program = ir::parse(text).value();
  Tensors inputs;
  for (const ir::ValueId input : program.inputs)
    inputs[program.name_of(input)] =
        ir::tensor_of(program.type(input), numbers.at(program.name_of(input)));
  const Tensors wanted = tests::reference(program, inputs);
  const Tensors found = evaluate_nests(program, inputs);
  for (const auto& [name, tensor] : wanted) {
    CAPTURE(text, name, ir::elements_of(tensor), ir::elements_of(found.at(name)));
    CHECK(same(ir::elements_of(tensor), ir::elements_of(found.at(name))));
  }
}

} // namespace

TEST_CASE("maxima and their places are the reference's around NaN, infinities and ties") {
  // Windows of three meet every order of these.
  const std::vector<double> kinds = {not_a_number, -inf, inf, 1, 1, -2};
  std::vector<double> x;
  for (double a : kinds)
    for (double b : kinds)
      for (double c : kinds) x.insert(x.end(), {a, b, c});
  for (const char* type : floats)
    for (const char* attributes : {"kernel = 3", "kernel = 3, stride = 1, pad = 1",
                                   "kernel = 2, dilation = 2, stride = 1"}) {
      check_agreement(fmt::format("program @p(%x: {}[n=1, c=1, w={}]) {{"
                                  " %y, %at = max_pool %x {{{}}} return %y, %at }}",
                                  type, x.size(), attributes),
                      {{"x", x}});
      check_agreement(
          fmt::format("program @p(%x: {}[n=1, c={}, w=3]) {{"
                      " %y = global_max_pool %x %z, %at = adaptive_max_pool %x {{output = 2}}"
                      " return %y, %z, %at }}",
                      type, x.size() / 3),
          {{"x", x}});
    }
}

TEST_CASE("windows without data: -inf and no place, NaN, or 0") {
  for (const char* type : floats)
    check_agreement(fmt::format(R"(program @p(%x: {}[n=1, c=1, w=1]) {{
      %y, %at = max_pool %x {{kernel = 2, dilation = 2, stride = 1, pad = 1}}
      %z = avg_pool %x {{kernel = 2, dilation = 2, stride = 1, pad = 1, count_include_pad = false}}
      %l = lp_pool %x {{kernel = 2, dilation = 2, stride = 1, pad = 1}}
      return %y, %at, %z, %l }})",
                                type),
                    {{"x", {7}}});
  for (const char* type : {"i8", "u8", "i32", "i64"})
    check_agreement(fmt::format(R"(program @p(%x: {}[n=1, c=1, w=1]) {{
      %y, %at = max_pool %x {{kernel = 2, dilation = 2, stride = 1, pad = 1}}
      return %y, %at }})",
                                type),
                    {{"x", {7}}});
}

TEST_CASE("max and min of two tensors are NaN where either is") {
  for (const char* type : floats)
    check_agreement(fmt::format("program @p(%a: {0}[n=1, c=1, w=6], %b: {0}[n=1, c=1, w=6]) {{"
                                " %y = max %a, %b %z = min %a, %b return %y, %z }}",
                                type),
                    {{"a", {not_a_number, 1, not_a_number, 2, inf, not_a_number}},
                     {"b", {1, not_a_number, not_a_number, 3, not_a_number, -inf}}});
}

TEST_CASE("what is not finite becomes the nearest whole number, and NaN 0") {
  for (const char* from : floats)
    for (const char* to : {"i8", "u8", "i32", "i64"}) {
      const std::string x = fmt::format("%x: {}[n=1, c=1, w=7]", from);
      const std::string y = fmt::format("{}[n=1, c=1, w=7]", to);
      const std::vector<double> numbers = {not_a_number, inf, -inf, -0.5, 1.5, 2.5, 60000};
      check_agreement("program @p(" + x + ") { %y = convert %x : " + y + " return %y }",
                      {{"x", numbers}});
      if (to != std::string("i64"))
        check_agreement("program @p(" + x +
                            ") { %y = quantize %x {scale = 0.5, zero_point = 9} : " + y +
                            " return %y }",
                        {{"x", numbers}});
    }
}

TEST_CASE("every activation agrees with the reference, at NaN and infinities too") {
  std::vector<double> x = {not_a_number, inf, -inf, 0.0, -0.0, 1e-30, -1e-30, 3e38,
                           -3e38,        21,  -21,  90,  -90,  104,   -104};
  for (int i = -200; i <= 200; ++i) x.push_back(i / 16.0);
  for (const char* word : {"relu", "relu6", "leaky_relu", "elu", "elu", "sigmoid", "tanh", "silu",
                           "hardsigmoid", "hardswish", "mish", "gelu", "softplus", "abs", "neg",
                           "sqrt", "exp", "clamp", "gelu_tanh"}) {
    const std::string name = word;
    const std::string statement = name == "clamp"       ? "clamp %x {min = -1.5, max = 2.5}"
                                  : name == "gelu_tanh" ? "gelu %x {approximate = tanh}"
                                                        : name + " %x";
    const ir::Program program =
        ir::parse(fmt::format("program @p(%x: f32[n=1, c=1, w={}]) {{ %y = {} return %y }}",
                              x.size(), statement))
            .value();
    const Tensors inputs = {{"x", ir::tensor_of(program.type(0), x)}};
    const auto wanted = ir::elements_of(tests::reference(program, inputs).at("y"));
    const auto found = ir::elements_of(evaluate_nests(program, inputs).at("y"));
    for (size_t i = 0; i < x.size(); ++i) {
      INFO(statement << " of " << x[i] << ": " << found[i] << ", not " << wanted[i]);
      // gelu cancels below 0, as torch's does in f32, and gelu_tanh does so in the reference; what
      // is left of it has the rounding of a large exponent. All others keep their digits, down to
      // the denormals and to sigmoids of which 1 + e^-x has overflowed.
      const double relative = name == "gelu_tanh" ? 1e-5 : 1e-6;
      const double absolute = name == "gelu"        ? 1e-7 * std::fabs(x[i])
                              : name == "gelu_tanh" ? 1e-15 * std::fabs(x[i])
                                                    : 1e-36;
      const double slack = relative * std::fabs(wanted[i]) + absolute;
      if (std::isnan(wanted[i]))
        CHECK(std::isnan(found[i]));
      else if (std::isinf(wanted[i]))
        CHECK(found[i] == wanted[i]);
      else
        CHECK(std::fabs(found[i] - wanted[i]) <= slack);
    }
  }
}

TEST_CASE(
    "a narrow value is not rounded on its way to its element-wise reader, however it is cut") {
  // 17 * 17 is no bf16: rounded in between, the difference would be 0.
  const auto check = [](const std::string& head) {
    INFO(head);
    const ir::Program program =
        ir::parse(
            "program @p(%x: bf16[n=1, c=12, w=2], %k: bf16[n=1, c=12, w=2],"
            " %w: bf16[o=12, i=1, w=1], %v: bf16[i=12, o=1, w=1], %r: bf16[n=1, c=12, w=2]) {" +
            head + "%y = sub %0, %r : bf16[n=1, c=3, w=2, c=4] return %y }")
            .value();
    Tensors inputs;
    for (const ir::ValueId input : program.inputs) {
      const std::string& name = program.name_of(input);
      const auto elements = static_cast<size_t>(program.type(input).elements());
      inputs[name] =
          ir::tensor_of(program.type(input), std::vector<double>(elements, name == "r" ? 288 : 17));
    }
    for (const double difference : ir::elements_of(evaluate_nests(program, inputs).at("y")))
      CHECK(difference == 1);
    for (const double difference : ir::elements_of(tests::reference(program, inputs).at("y")))
      CHECK(difference == 1);
  };
  check("%0 = mul %x, %k : bf16[n=1, c=12, w=2] ");
  check("%0 = mul %x, %k : bf16[n=1, c=2, w=2, c=6] ");
  check("%0 = conv %x, %w {groups = 12} : bf16[n=1, c=2, w=2, c=6] ");
  check("%0 = conv_transpose %x, %v {groups = 12} : bf16[n=1, c=12, w=1, w=2] ");
}

namespace {

std::string transposed(int64_t stride, int64_t dilation, int64_t kernel, int64_t input, int64_t pad,
                       int64_t output_padding = 0) {
  return fmt::format(
      "program @p(%x: f32[n=1, c=1, w={}], %w: f32[i=1, o=1, w={}], %b: f32[o=1]) {{ "
      "%y = conv_transpose %x, %w, %b {{stride = {}, dilation = {}, pad = {}, "
      "output_padding = {}}} return %y }}",
      input, kernel, stride, dilation, pad, output_padding);
}

void check_transposed(const std::string& text, int64_t taps, int64_t inputs) {
  std::vector<double> w, x;
  for (int64_t tap = 0; tap < taps; ++tap) w.push_back(static_cast<double>(tap % 61 + 1));
  for (int64_t i = 0; i < inputs; ++i) x.push_back(static_cast<double>(i % 53 + 1));
  check_agreement(text, {{"x", x}, {"w", w}, {"b", {1000}}});
}

} // namespace

TEST_CASE("a transposed convolution whose residues are many is a few rows of them") {
  struct Layer {
    int64_t stride, dilation, kernel, input, pad, output_padding;
  };
  for (const Layer& l : {Layer{97, 89, 100, 3, 0, 0}, // every residue has a tap
                         {97, 89, 60, 3, 5, 8},       // some have none
                         {97, 8, 70, 4, 30, 0},
                         {101, 60, 1, 3, 0, 50},
                         {96, 60, 30, 3, 7, 0}, // they share a divisor
                         {1000, 999, 1003, 2, 400, 999},
                         {72, 1, 200, 3, 100, 0},
                         {89, 178, 200, 2, 3, 0}}) {
    const std::string text =
        transposed(l.stride, l.dilation, l.kernel, l.input, l.pad, l.output_padding);
    check_transposed(text, l.kernel, l.input);
    const ir::NestProgram nests = compiler::lower(ir::parse(text).value()).value();
    CHECK(nests.nests.size() <= 64);
  }
  check_transposed("program @p(%x: f32[n=1, c=1, h=3, w=2], %w: f32[i=1, o=1, h=33, w=12], %b: "
                   "f32[o=1]) { %y = conv_transpose %x, %w, %b {stride = [31, 13], dilation = [29, "
                   "11], pad = [40, 3], output_padding = [3, 2]} return %y }",
                   33 * 12, 6);
}

TEST_CASE("a transposed convolution with too many kinds of outputs is refused with their number") {
  const std::string text =
      "program @p(%x: f32[n=1, c=1, d=3, h=3, w=3], %w: f32[i=1, o=1, d=100, h=100, w=100]) { %y = "
      "conv_transpose %x, %w {stride = 97, dilation = 89} return %y }";
  const auto refused = compiler::lower(ir::parse(text).value());
  REQUIRE(!refused);
  CHECK(to_string(refused.diagnostics().front())
            .find("stride [97, 97, 97] with dilation [89, 89, 89] makes more than 512 kinds of "
                  "outputs") != std::string::npos);
}
