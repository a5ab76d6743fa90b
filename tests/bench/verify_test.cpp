#include "bench/verify.h"
#include "ir/number.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

#include <cmath>
#include <limits>

using namespace volute;
using namespace volute::bench;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

namespace {

using Numbers = std::vector<double>;

Bounded bounded(const std::string& text, const std::vector<Numbers>& inputs) {
  const ir::Program program = ir::parse(text).value();
  std::vector<ir::TensorData> tensors;
  for (size_t i = 0; i < inputs.size(); ++i)
    tensors.push_back(ir::tensor_of(program.type(program.inputs[i]), inputs[i]));
  std::map<std::string, const ir::TensorData*> named;
  for (size_t i = 0; i < inputs.size(); ++i)
    named[program.name_of(program.inputs[i])] = &tensors[i];
  return bounded_reference(program, named).value().at("y");
}

Agreement compared(const Bounded& wanted, const Numbers& got) {
  return compare("y", wanted, ir::tensor_of(wanted.value.type, got).bytes.data());
}

const std::string sums = "program @p(%x: f32[n=1, c=2, w=2], %w: f32[o=1, i=2, w=1]) {\n"
                         "%y = conv %x, %w\nreturn %y }";

} // namespace

TEST_CASE("whole numbers with sums below 2^24 must be equal", "[verify]") {
  const Bounded y = bounded(sums, {{1, 2, 3, 4}, {5, 6}});
  CHECK(y.tolerance == Numbers{0, 0});
  CHECK(compared(y, {23, 34}).agrees());
  const Agreement off = compared(y, {23, std::nextafter(34.0f, 35.0f)});
  CHECK(off.wrong == 1);
  CHECK(off.where == "[n=0, c=0, w=1]");
  CHECK_THAT(to_string(off),
             StartsWith("%y: 1 of 2 elements differ from the reference, the first at "
                        "[n=0, c=0, w=1]: 34.0000"));
  CHECK_THAT(to_string(compared(y, {23, 34})),
             StartsWith("%y: equal to the reference, all 2 elements (exact"));
}

TEST_CASE("an algorithm's errors are so many times the largest bound within its reach",
          "[verify]") {
  const ir::Program program =
      ir::parse("program @p(%x: f32[n=1, c=1, w=6], %w: f32[o=1, i=1, w=1]) "
                "{ %y = conv %x, %w return %y }")
          .value();
  const ir::TensorData x = ir::tensor_of(program.type(program.inputs[0]), {1, 8, 1, 1, 1, 2}),
                       w = ir::tensor_of(program.type(program.inputs[1]), {1});
  const auto tolerance = [&](const Algorithms& algorithms) {
    return bounded_reference(program, {{"x", &x}, {"w", &w}}, {}, false, algorithms)
        .value()
        .at("y")
        .tolerance;
  };
  CHECK(tolerance({}) == Numbers(6, 0));
  CHECK(tolerance({{"y", {3, 1, true}}}) == Numbers(6, 0));
  const Numbers once = tolerance({{"y", {1, 0, false}}}),
                within = tolerance({{"y", {3, 1, false}}});
  CHECK(once[1] > 7 * once[0]);
  CHECK(once[0] > 0);
  // Each tolerance has, beside it, what is lost where the reference is stored.
  for (const auto& [at, largest] : {std::pair(0, 1), {1, 1}, {2, 1}, {3, 2}, {4, 5}, {5, 5}}) {
    const double times = within[static_cast<size_t>(at)] / once[static_cast<size_t>(largest)];
    CHECK(times > 2);
    CHECK(times < 3.5);
  }
}

TEST_CASE("sums that can exceed 2^24 have the bound of their magnitudes, not of their value",
          "[verify]") {
  // 2^24 - 2^24 + ... : the result is small, the rounding is not.
  const double big = 0x1p24;
  const Bounded y = bounded(sums, {{big, 1, -big, 1}, {1, 1}});
  CHECK(y.tolerance[0] == Approx((3 + 2) * 0x1p-24 * 2 * big).epsilon(1e-3));
  CHECK(y.tolerance[1] == 0);
  CHECK(compared(y, {4, 2}).agrees());
  CHECK(compared(y, {20, 2}).wrong == 1);
}

TEST_CASE("fractions have a bound that a last bit fits in and a wrong tap does not", "[verify]") {
  const Bounded y = bounded(sums, {{0.1, 0.2, 0.3, 0.4}, {0.5, 0.6}});
  const auto rounded = [](double value) { return ir::round_to(ir::ElementType::f32, value); };
  const double first = rounded(rounded(0.1) * 0.5 + rounded(0.3) * rounded(0.6));
  const double second = rounded(rounded(0.2) * 0.5 + rounded(0.4) * rounded(0.6));
  CHECK(compared(y, {first + 0x1p-26, second}).agrees());
  CHECK(compared(y, {first + 1e-5, second}).wrong == 1);
  CHECK_THAT(to_string(compared(y, {first + 0x1p-26, second})),
             ContainsSubstring("within the tolerance of the reference, all 2 elements"));
}

TEST_CASE("errors are carried through the statements that follow", "[verify]") {
  const std::string chain = "program @p(%x: f32[n=1, c=2, w=2], %w: f32[o=1, i=2, w=1]) {\n"
                            "%0 = conv %x, %w\n%k = const [1000] : f32[c=1]\n%y = mul %0, %k\n"
                            "return %y }";
  const Bounded y = bounded(chain, {{0.1, 0.2, 0.3, 0.4}, {0.5, 0.6}});
  const Bounded before = bounded(sums, {{0.1, 0.2, 0.3, 0.4}, {0.5, 0.6}});
  CHECK(y.tolerance[0] > 1000 * before.tolerance[0]);
  CHECK(y.tolerance[0] < 1400 * before.tolerance[0]);
}

TEST_CASE("a batch_norm may have gone into the weight, whose numbers are whole no more",
          "[verify]") {
  const Bounded y = bounded(
      "program @p(%x: f32[n=1, c=2, w=2], %w: f32[o=1, i=2, w=1], %a: f32[c=1], %b: f32[c=1]) {\n"
      "%0 = conv %x, %w\n%y = batch_norm %0, %a, %b, %b, %a\nreturn %y }",
      {{1000, 1, -999, 1}, {3, 3}, {0.7}, {0}});
  // 1000 * 3 * 0.8 - 999 * 3 * 0.8, each rounded.
  CHECK(y.tolerance[0] > 2 * 0x1p-24 * 2400);
  CHECK(y.tolerance[0] < 20 * 0x1p-24 * 2400);
  CHECK(y.tolerance[1] < 20 * 0x1p-24 * 5);
}

TEST_CASE("max pooling and relu carry an error, and add none", "[verify]") {
  const std::string text = "program @p(%x: f32[n=1, c=1, w=4]) {\n%0 = relu %x\n"
                           "%y = max_pool %0 {kernel = 2}\nreturn %y }";
  const Bounded y = bounded(text, {{0.1, -0.2, 0.3, 0.4}});
  CHECK(y.tolerance == Numbers{0, 0});
}

TEST_CASE("NaN agrees with NaN only, and infinity with itself", "[verify]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double inf = std::numeric_limits<double>::infinity();
  const std::string text = "program @p(%x: f32[n=1, c=1, w=3]) {\n%y = relu %x\nreturn %y }";
  const Bounded y = bounded(text, {{nan, inf, 1}});
  CHECK(compared(y, {nan, inf, 1}).agrees());
  CHECK(compared(y, {1, inf, 1}).wrong == 1);
  CHECK(compared(y, {nan, -inf, 1}).wrong == 1);
  CHECK(compared(y, {nan, inf, nan}).wrong == 1);
}

TEST_CASE("of NaN comes NaN through every function, and nothing else agrees", "[verify]") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const char* line :
       {"%y = sigmoid %x", "%y = add %x, %x", "%y = mul %x, %x", "%y = exp %x", "%y = gelu %x",
        "%y = convert %x : f64[n=1, c=1, w=2]", "%y = clamp %x {min = 0.1}"}) {
    INFO(line);
    const Bounded y =
        bounded(std::string("program @p(%x: f32[n=1, c=1, w=2]) {\n") + line + "\nreturn %y }",
                {{nan, 0.3}});
    const Numbers values = ir::elements_of(y.value);
    CHECK(std::isnan(values[0]));
    CHECK(compared(y, values).agrees());
    CHECK(compared(y, {0, values[1]}).wrong == 1);
    CHECK(compared(y, {nan, values[1] + 1}).wrong == 1);
  }
}

// Fuzzing draws finite numbers, whose sums are exact; what a tap that is left out does to numbers
// that are not finite was drawn by nobody.
TEST_CASE(
    "a kernel that leaves taps of weight 0 out may differ where the data are not finite, and in "
    "the integers after that",
    "[verify]") {
  const double nan = std::numeric_limits<double>::quiet_NaN(),
               inf = std::numeric_limits<double>::infinity();
  const std::string conv = "program @p(%x: f32[n=1, c=1, w=4]) {\n"
                           "%k = const [0, 1] : f32[o=1, i=1, w=2]\n";
  for (const double wild : {nan, inf, -inf}) {
    const Numbers x = {wild, 2, 3, 4};
    const Bounded y = bounded(conv + "%y = conv %x, %k\nreturn %y }", {x});
    CHECK(compared(y, {nan, 3, 4}).agrees());
    CHECK(compared(y, {2, 3, 4}).agrees());
    CHECK(compared(y, {2, 3, 5}).wrong == 1);
    for (const std::string after :
         {"%0 = conv %x, %k\n%y = quantize %0 {scale = 0.5} : u8[n=1, c=1, w=3]",
          "%0 = conv %x, %k\n%y = convert %0 : i32[n=1, c=1, w=3]",
          "%0 = conv %x, %k\n%1 = convert %0 : i8[n=1, c=1, w=3]\n%y = max %1, %1",
          "%0 = conv %x, %k\n%1 = quantize %0 {scale = 0.5} : i8[n=1, c=1, w=3]\n"
          "%v = const [1] : i8[o=1, i=1, w=1]\n%y = conv %1, %v"}) {
      INFO(wild << " " << after);
      const Bounded z = bounded(conv + after + "\nreturn %y }", {x});
      for (const double tolerance : z.tolerance) CHECK(!std::isnan(tolerance));
      const Numbers values = ir::elements_of(z.value);
      CHECK(compared(z, {values[0] + 4, values[1], values[2]}).agrees());
      CHECK(compared(z, {values[0], values[1] + 4, values[2]}).wrong == 1);
    }
  }
}

TEST_CASE("integers are exact, and a rounding that they come from may move them by one step",
          "[verify]") {
  const std::string exact = "program @p(%x: i8[n=1, c=1, w=3], %w: i8[o=1, i=1, w=2]) {\n"
                            "%y = conv %x, %w\nreturn %y }";
  CHECK(bounded(exact, {{1, 2, 3}, {4, 5}}).tolerance == Numbers{0, 0});
  const std::string rounded = "program @p(%x: f32[n=1, c=1, w=1]) {\n%0 = sigmoid %x\n"
                              "%y = convert %0 : i32[n=1, c=1, w=1]\nreturn %y }";
  CHECK(bounded(rounded, {{0.5}}).tolerance == Numbers{0}); // 0.62 is far from a half
  const Bounded half = bounded(rounded, {{0}});
  CHECK(half.tolerance == Numbers{1});
  CHECK(compared(half, {1}).agrees());
  CHECK(compared(half, {2}).wrong == 1);
}

TEST_CASE("a step of a quantised value counts in all that is made of it", "[verify]") {
  const std::string chain = "program @p(%x: f32[n=1, c=1, w=2], %w: i8[o=1, i=1, w=2]) {\n"
                            "%0 = sigmoid %x\n"
                            "%q = quantize %0 {scale = 1, zero_point = 3} : u8[n=1, c=1, w=2]\n"
                            "%y = conv %q, %w {x_zero_point = 3, w_zero_point = 1}\nreturn %y }";
  const std::string requantised = chain.substr(0, chain.find("return")) +
                                  "%r = requantize %y {scale = 0.25, zero_point = 100} : "
                                  "i8[n=1, c=1, w=1]\nreturn %r, %y }";
  // One of the two elements stands at a half, and its weight less the zero point is -11.
  CHECK(bounded(chain, {{0.5, 0}, {7, -10}}).tolerance == Numbers{11});
  const ir::Program program = ir::parse(requantised).value();
  const ir::TensorData x = ir::tensor_of(program.type(program.inputs[0]), {0.5, 0});
  const ir::TensorData w = ir::tensor_of(program.type(program.inputs[1]), {7, -10});
  const auto all = bounded_reference(program, {{"x", &x}, {"w", &w}}).value();
  CHECK(ir::elements_of(all.at("y").value) == Numbers{6}); // (4 - 3) * (7 - 1) + 0
  CHECK(ir::elements_of(all.at("r").value) == Numbers{102});
  CHECK(all.at("r").tolerance == Numbers{3}); // -5 / 4 and 17 / 4, rounded, are -1 and 4
  CHECK(to_string(compared(all.at("y"), {6})) ==
        "%y: within the tolerance of the reference, all 1 elements: differences up to 0, 0 of what "
        "is allowed (a rounding before them may move integers by a step)");
}

TEST_CASE("integers that may come around have no bound, others keep theirs", "[verify]") {
  const std::string chain = "program @p(%x: f32[n=1, c=1, w=2], %a: i8[n=1, c=1, w=2]) {\n"
                            "%0 = sigmoid %x\n%1 = convert %0 : i8[n=1, c=1, w=2]\n"
                            "%y = add %a, %1\nreturn %y }";
  const Bounded y = bounded(chain, {{0, 0}, {127, 5}});
  CHECK(std::isinf(y.tolerance[0]));
  CHECK(y.tolerance[1] == 1);
  CHECK(compared(y, {-128, 6}).agrees());
}

TEST_CASE("integers of 64 bits are compared in all of them", "[verify]") {
  const std::string text = "program @p(%x: i64[n=1, c=1, w=1]) {\n%y = add %x, %x\nreturn %y }";
  Bounded y = bounded(text, {{0x1p60}});
  CHECK(compare("y", y, y.value.bytes.data()).agrees());
  std::vector<std::byte> other = y.value.bytes;
  other[0] = std::byte{1};
  CHECK(compare("y", y, other.data()).wrong == 1);
}

TEST_CASE("a sum that may overflow on the way is not bounded", "[verify]") {
  const auto near = [](const std::string& line, double value) {
    return bounded("program @p(%x: f32[n=1, c=1, w=4], %w: f32[o=1, i=1, w=4]) {\n" + line +
                       "\nreturn %y }",
                   {{value, value, value, value}, {0.25, 0.25, 0.25, -0.75}});
  };
  for (const char* line : {"%y = avg_pool %x {kernel = 4}", "%y = global_avg_pool %x",
                           "%y = avg_pool %x {kernel = 2, divisor = 7}",
                           "%y = lp_pool %x {kernel = 2}", "%y = conv %x, %w"}) {
    INFO(line);
    const Bounded y = near(line, 3e38);
    CHECK(std::isinf(y.tolerance[0]));
    CHECK(
        compared(y, Numbers(y.tolerance.size(), std::numeric_limits<double>::infinity())).agrees());
    CHECK(near(line, 3).tolerance[0] < 1e-5);
  }
  // And one whose squares vanish.
  const Bounded small = near("%y = lp_pool %x {kernel = 4}", 1e-30);
  CHECK(compared(small, {0}).agrees());
}

TEST_CASE("of narrow floats the neighbours agree, and no others", "[verify]") {
  const Bounded y =
      bounded("program @p(%x: bf16[n=1, c=1, w=1]) {\n%y = sigmoid %x\nreturn %y }", {{0.75}});
  const double value = ir::elements_of(y.value)[0]; // 0.68: bf16 are 2^-8 apart there
  CHECK(compared(y, {value + 0x1p-8}).agrees());
  CHECK(compared(y, {value - 0x1p-8}).agrees());
  CHECK(compared(y, {value + 0x1p-7}).wrong == 1);
}

TEST_CASE("a program that computes nothing returns what it was given", "[verify]") {
  const ir::Program program =
      ir::parse("program @p(%x: f32[n=1, c=1, w=2]) {\nreturn %x }").value();
  const ir::TensorData x = ir::tensor_of(program.type(program.inputs[0]), {1, 2});
  const auto all = bounded_reference(program, {{"x", &x}}).value();
  CHECK(ir::elements_of(all.at("x").value) == Numbers{1, 2});
  CHECK(all.at("x").tolerance == Numbers{0, 0});
}

TEST_CASE("the place of a maximum is certain when the values are", "[verify]") {
  const ir::Program program =
      ir::parse("program @p(%x: f32[n=1, c=1, w=4]) {\n%y, %i = max_pool %x {kernel = 2}\n"
                "return %y, %i }")
          .value();
  const ir::TensorData x = ir::tensor_of(program.type(program.inputs[0]), {1, 2, 4, 3});
  const auto all = bounded_reference(program, {{"x", &x}}).value();
  CHECK(all.at("i").tolerance == Numbers{0, 0});
  CHECK(ir::elements_of(all.at("i").value) == Numbers{1, 2});
}

TEST_CASE("every operator has a bound that its own values are within", "[verify]") {
  const std::vector<std::string> lines = {
      "%y = avg_pool %x {kernel = 2, stride = 1}",
      "%y = lp_pool %x {kernel = 2}",
      "%y = lp_pool %x {kernel = 2, p = 3}",
      "%y = global_avg_pool %x",
      "%y = global_max_pool %x",
      "%y = adaptive_avg_pool %x {output = 3}",
      "%y = adaptive_max_pool %x {output = 2}",
      "%y = batch_norm %x, %a, %b, %a, %b",
      "%y = add %x, %a",
      "%y = sub %x, %a",
      "%y = mul %x, %x",
      "%y = max %x, %a",
      "%y = relu6 %x",
      "%y = clamp %x {min = 0.1, max = 0.7}",
      "%y = leaky_relu %x",
      "%y = elu %x",
      "%y = prelu %x, %a",
      "%y = sigmoid %x",
      "%y = tanh %x",
      "%y = silu %x",
      "%y = hardsigmoid %x",
      "%y = hardswish %x",
      "%y = mish %x",
      "%y = gelu %x",
      "%y = gelu %x {approximate = tanh}",
      "%y = softplus %x",
      "%y = abs %x",
      "%y = neg %x",
      "%y = sqrt %b",
      "%y = exp %x",
      "%y = convert %x : f64[n=1, c=2, w=4]",
      "%y = reorder %x : f32[n=1, w=4, c=2]",
      "%y = pad %x {pad = 1}",
      "%y = quantize %x {scale = 0.1, zero_point = 3} : u8[n=1, c=2, w=4]",
      "%y = conv_transpose %x, %k {stride = 2}"};
  for (const std::string& line : lines) {
    INFO(line);
    // A multiplication in front makes the operand inexact.
    const Bounded y = bounded(
        "program @p(%v: f32[n=1, c=2, w=4], %a: f32[c=2], %b: f32[c=2],\n"
        "%k: f32[i=2, o=1, w=2]) {\n%x = mul %v, %a\n" +
            line + "\nreturn %y }",
        {{0.1, -0.2, 0.3, 0.4, 0.5, 0.6, -0.7, 0.8}, {0.3, 0.7}, {0.9, 1.1}, {0.1, 0.2, 0.3, 0.4}});
    const Numbers values = ir::elements_of(y.value);
    REQUIRE(y.tolerance.size() == values.size());
    CHECK(compared(y, values).agrees());
    for (size_t i = 0; i < values.size(); ++i) {
      CHECK(y.tolerance[i] >= 0);
      CHECK(y.tolerance[i] <= (ir::is_integer(y.value.type.element) ? 2 : 1e-5));
    }
  }
}

TEST_CASE("what takes too long is refused, not begun", "[verify]") {
  const ir::Program program = ir::parse(sums).value();
  const ir::TensorData x = ir::tensor_of(program.type(program.inputs[0]), {1, 2, 3, 4});
  const ir::TensorData w = ir::tensor_of(program.type(program.inputs[1]), {1, 2});
  const auto refused = bounded_reference(program, {{"x", &x}, {"w", &w}}, {3, 1e9});
  REQUIRE(!refused);
  CHECK_THAT(refused.diagnostics()[0].message, ContainsSubstring("its budget is 3"));
}
