#include "ir/reference.h"
#include "tests/support/evaluate.h"

#include <cmath>

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::Equals;
using volute::Expected;
using volute::test::evaluated;
using volute::test::Numbers;
using volute::test::y_of;
using namespace volute::ir;

namespace {

using Tensors = std::map<std::string, const TensorData*>;

std::string refusal(const Expected<std::map<std::string, TensorData>>& result) {
  REQUIRE_FALSE(result.has_value());
  std::string text;
  for (const volute::Diagnostic& diagnostic : result.diagnostics())
    text += (text.empty() ? "" : "\n") + to_string(diagnostic);
  return text;
}

TensorType row(ElementType type, int64_t extent) {
  return {type, {{Axis::n, 1}, {Axis::c, 1}, {Axis::w, extent}}};
}

const char* sum = "program @sum(%a: f32[n=1, c=1, w=2], %b: f32[n=1, c=1, w=2]) {\n"
                  "  %y = add %a, %b\n  return %y\n}";

} // namespace

TEST_CASE("an evaluation returns every output by name, in the type it has", "[reference]") {
  const Program program = parse("program @p(%x: i8[n=1, c=1, w=2]) {\n"
                                "  %y, %idx = max_pool %x {kernel = 2}\n"
                                "  return %idx, %y, %x\n}")
                              .value();
  const TensorData x = tensor_of(row(ElementType::i8, 2), {3, 7});
  const auto outputs = evaluate(program, {{"x", &x}}).value();
  CHECK(outputs.size() == 3);
  CHECK(outputs.at("y").type == row(ElementType::i8, 1));
  CHECK(outputs.at("idx").type == row(ElementType::i64, 1));
  CHECK(elements_of(outputs.at("idx")) == Numbers{1});
  CHECK(elements_of(outputs.at("x")) == Numbers{3, 7});
}

TEST_CASE("constants are values like any other", "[reference]") {
  CHECK(y_of("program @edges(%x: f32[n=1, c=1, h=3, w=3]) {\n"
             "  %k = const [0, -1, 0, -1, 4, -1, 0, -1, 0] : f32[o=1, i=1, h=3, w=3]\n"
             "  %0 = conv %x, %k {pad = 1}\n"
             "  %y = abs %0\n  return %y\n}",
             {{"x", {0, 0, 0, 0, 1, 0, 0, 0, 0}}}) == Numbers{0, 1, 0, 1, 4, 1, 0, 1, 0});
  CHECK(y_of("program @p() {\n  %y = const [1, 2.5] : f16[n=1, c=1, w=2]\n  return %y\n}", {}) ==
        Numbers{1, 2.5});
}

// ---- rounding ---------------------------------------------------------------------------------

TEST_CASE("f32 values between statements keep the digits of double", "[reference][rounding]") {
  const std::string text = "program @p(%x: f32[n=1, c=1, w=1], %t: f32[n=1, c=1, w=1]) {\n"
                           "  %0 = add %x, %t\n  %y = sub %0, %x\n  return %y, %0\n}";
  const auto result = evaluated(text, {{"x", {1}}, {"t", {std::ldexp(1, -30)}}});
  CHECK(result.at("y") == Numbers{std::ldexp(1, -30)});
  CHECK(result.at("0") == Numbers{1}); // rounded where it is returned
}

TEST_CASE("a chain of narrow floats is rounded once, at its end", "[reference][rounding]") {
  // 1 + 2^-9 is no bf16; rounded it would be 1, and the difference 0.
  const double small = std::ldexp(1, -9);
  const auto difference = [&](const std::string& between, const std::string& returned) {
    return evaluated("program @p(%x: bf16[n=1, c=1, w=1], %t: bf16[n=1, c=1, w=1]) {\n"
                     "  %0 = add %x, %t\n  " +
                         between + "\n  return " + returned + "\n}",
                     {{"x", {1}}, {"t", {small}}})
        .at("y");
  };
  CHECK(difference("%y = sub %0, %x", "%y") == Numbers{small});
  // Read twice, or by more than an element-wise statement, it is a tensor in memory.
  CHECK(difference("%y = sub %0, %x", "%y, %0") == Numbers{0});
  CHECK(difference("%1 = max_pool %0 {kernel = 1}\n  %y = sub %1, %x", "%y") == Numbers{0});
  CHECK(difference("%y = sub %0, %x\n  %1 = relu %0", "%y, %1") == Numbers{0});
}

TEST_CASE("convert rounds where its result is stored, as every operator does", "[reference]") {
  const std::string begin = "program @p(%x: f32[n=1, c=1, w=1]) {\n"
                            "  %0 = convert %x : bf16[n=1, c=1, w=1]\n";
  const double x = 1 + std::ldexp(1, -9);
  const auto y = [&](const std::string& rest) { return y_of(begin + rest, {{"x", {x}}}); };
  CHECK(y("  %y = convert %0 : f32[n=1, c=1, w=1]\n  return %y\n}") == Numbers{x});
  CHECK(y("  %y = convert %0 : f32[n=1, c=1, w=1]\n  return %y, %0\n}") == Numbers{1});
  CHECK(y("  %1 = reorder %0 : bf16[n=1, c=1, w=1]\n"
          "  %y = convert %1 : f32[n=1, c=1, w=1]\n  return %y\n}") == Numbers{1});
}

TEST_CASE("a float is rounded to f32 before it becomes an integer", "[reference][rounding]") {
  // 0.1f * 25 is 2.5 in f32, a tie, but a little more in double.
  CHECK(y_of("program @p(%x: f32[n=1, c=1, w=1], %s: f32[n=1, c=1, w=1]) {\n"
             "  %0 = mul %x, %s\n  %y = convert %0 : i32[n=1, c=1, w=1]\n  return %y\n}",
             {{"x", {0.1}}, {"s", {25}}}) == Numbers{2});
}

// ---- refusals ---------------------------------------------------------------------------------

TEST_CASE("a program that breaks the language's rules is refused, not evaluated",
          "[reference][errors]") {
  Program program = parse(sum).value();
  program.values[1].type = row(ElementType::f32, 3); // %b no longer has the shape of %a
  const TensorData a = zeros(row(ElementType::f32, 2)), b = zeros(row(ElementType::f32, 3));
  CHECK_THAT(refusal(evaluate(program, {{"a", &a}, {"b", &b}})), ContainsSubstring("add: "));
}

TEST_CASE("missing and unknown inputs are refused by name", "[reference][errors]") {
  const Program program = parse(sum).value();
  const TensorData good = zeros(row(ElementType::f32, 2));
  CHECK_THAT(refusal(evaluate(program, {{"a", &good}})),
             Equals("%b: the input has no value (it takes f32[n=1, c=1, w=2])"));
  CHECK_THAT(refusal(evaluate(program, {{"a", &good}, {"b", nullptr}})),
             Equals("%b: the input has no value (it takes f32[n=1, c=1, w=2])"));
  CHECK_THAT(refusal(evaluate(program, {{"a", &good}, {"b", &good}, {"c", &good}})),
             Equals("%c: the program has no such input (@sum takes %a, %b)"));
  CHECK_THAT(refusal(evaluate(program, {{"c", &good}})),
             ContainsSubstring("%c: ") && ContainsSubstring("%a: ") && ContainsSubstring("%b: "));
}

TEST_CASE("an unknown input of a program without inputs says so", "[reference][errors]") {
  const Program program =
      parse("program @p() {\n  %y = const [1] : f32[n=1, c=1, w=1]\n  return %y\n}").value();
  const TensorData tensor = zeros(row(ElementType::f32, 1));
  CHECK_THAT(refusal(evaluate(program, {{"x", &tensor}})),
             Equals("%x: the program has no such input (@p takes no inputs)"));
}

TEST_CASE("an input of another type or size is refused with both", "[reference][errors]") {
  const Program program = parse(sum).value();
  const TensorData good = zeros(row(ElementType::f32, 2));
  const TensorData longer = zeros(row(ElementType::f32, 3));
  CHECK_THAT(refusal(evaluate(program, {{"a", &good}, {"b", &longer}})),
             Equals("%b: the value is f32[n=1, c=1, w=3], the input takes f32[n=1, c=1, w=2]"));
  TensorData cut = good;
  cut.bytes.resize(7);
  CHECK_THAT(refusal(evaluate(program, {{"a", &cut}, {"b", &good}})),
             Equals("%a: the value has 7 bytes, f32[n=1, c=1, w=2] takes 8"));
}

TEST_CASE("a hopelessly long evaluation is refused before it starts", "[reference][errors]") {
  const Program program = parse("program @p(%x: f32[n=1, c=8, h=16, w=16]) {\n"
                                "  %0 = relu %x\n"
                                "  %y = avg_pool %0 {kernel = 5, stride = 1, pad = 2}\n"
                                "  return %y\n}")
                              .value();
  const TensorData x = zeros(program.type(program.inputs[0]));
  EvaluationBudget budget;
  budget.steps = 55295; // 2048 for relu; 2048 results of 25 taps each
  CHECK_THAT(
      refusal(evaluate(program, {{"x", &x}}, budget)),
      ContainsSubstring("avg_pool: the reference evaluation takes 5.53e+04 steps, 5.32e+04 of them "
                        "here, and its budget is 5.53e+04"));
  CHECK(evaluate(program, {{"x", &x}}, budget).diagnostics()[0].where.line == 3);
  budget.steps = 55296;
  CHECK(evaluate(program, {{"x", &x}}, budget).has_value());
}

TEST_CASE("every operator's work is part of the budget", "[reference][errors]") {
  const auto steps = [](const std::string& inputs, const std::string& operation) {
    const Program program =
        parse("program @p(" + inputs + ") {\n  %y = " + operation + "\n  return %y\n}").value();
    std::map<std::string, TensorData> zero;
    Tensors views;
    for (ValueId id : program.inputs) zero[program.name_of(id)] = zeros(program.type(id));
    for (const auto& [name, tensor] : zero) views[name] = &tensor;
    double low = 0, high = 1e6; // the smallest budget that does
    while (high - low > 1) {
      const double middle = std::floor((low + high) / 2);
      (evaluate(program, views, {middle, 1e9}) ? high : low) = middle;
    }
    return high;
  };
  const std::string x = "%x: f32[n=2, c=4, w=10]";
  CHECK(steps(x, "relu %x") == 80);
  CHECK(steps(x + ", %w: f32[o=6, i=2, w=3]", "conv %x, %w {groups = 2}") == 96 + 96 * 2 * 3);
  CHECK(steps(x + ", %w: f32[i=4, o=6, w=3]", "conv_transpose %x, %w") == 144 + 80 * 6 * 3);
  CHECK(steps(x, "max_pool %x {kernel = 3}") == 24 + 24 * 3);
  CHECK(steps(x, "global_avg_pool %x") == 8 + 80);
  CHECK(steps(x, "adaptive_max_pool %x {output = 5}") == 40 + 40 * 4);
  CHECK(steps(x + ", %i: i64[n=2, c=4, w=10]", "max_unpool %x, %i {kernel = 2}") == 160 + 80);
}

TEST_CASE("a result too large for memory is refused, not allocated", "[reference][errors]") {
  const Program program = parse("program @big(%x: i8[n=1, c=1, h=1, w=1]) {\n"
                                "  %y = pad %x {pad = 700000000}\n  return %y\n}")
                              .value();
  const TensorData x = zeros(program.type(program.inputs[0]));
  CHECK_THAT(refusal(evaluate(program, {{"x", &x}}, {1e30, 1e9})),
             ContainsSubstring("@big: the reference evaluation holds 1.57e+19 bytes at one time, "
                               "and its budget is 1e+09"));
  CHECK_THAT(refusal(evaluate(program, {{"x", &x}}, {1e30, 1e30})), // more than any vector holds
             ContainsSubstring("and its budget is 4.61e+18"));
}

TEST_CASE("values that nobody reads any more do not count as memory", "[reference]") {
  std::string text = "program @p(%x: f32[n=1, c=1, w=1000]) {\n  %0 = relu %x\n";
  for (int i = 1; i <= 20; ++i)
    text += "  %" + std::to_string(i) + " = abs %" + std::to_string(i - 1) + "\n";
  const Program program = parse(text + "  %y = neg %20\n  return %y\n}").value();
  const TensorData x = zeros(program.type(program.inputs[0]));
  CHECK(evaluate(program, {{"x", &x}}, {1e6, 16000}).has_value());
  CHECK_THAT(refusal(evaluate(program, {{"x", &x}}, {1e6, 15999})),
             ContainsSubstring("1.6e+04 bytes"));
}
