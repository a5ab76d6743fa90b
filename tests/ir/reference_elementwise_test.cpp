#include "tests/support/evaluate.h"

#include <cmath>
#include <limits>

using volute::test::Numbers;
using volute::test::y_of;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

Numbers unary(const std::string& operation, const Numbers& x, const std::string& type = "f64") {
  const size_t space = operation.find(' ');
  const std::string attributes = space == std::string::npos ? "" : operation.substr(space);
  return y_of("program @p(%x: " + type + "[n=1, c=1, w=" + std::to_string(x.size()) +
                  "]) {\n  %y = " + operation.substr(0, space) + " %x" + attributes +
                  "\n  return %y\n}",
              {{"x", x}});
}

Numbers binary(const std::string& operation, const Numbers& a, const Numbers& b,
               const std::string& type = "f64") {
  const std::string whole = type + "[n=1, c=1, w=" + std::to_string(a.size()) + "]";
  return y_of("program @p(%a: " + whole + ", %b: " + whole + ") {\n  %y = " + operation +
                  " %a, %b\n  return %y\n}",
              {{"a", a}, {"b", b}});
}

void check_close(const Numbers& actual, const Numbers& expected) {
  REQUIRE(actual.size() == expected.size());
  for (size_t i = 0; i < actual.size(); ++i)
    CHECK(actual[i] == Approx(expected[i]).epsilon(1e-12).margin(1e-15));
}

} // namespace

TEST_CASE("piecewise linear activations are exact", "[reference][unary]") {
  const Numbers x = {-4, -1, 0, 2, 8};
  CHECK(unary("relu", x) == Numbers{0, 0, 0, 2, 8});
  CHECK(unary("relu6", x) == Numbers{0, 0, 0, 2, 6});
  CHECK(unary("clamp {min = -2, max = 3}", x) == Numbers{-2, -1, 0, 2, 3});
  CHECK(unary("clamp {max = 3}", x) == Numbers{-4, -1, 0, 2, 3});
  CHECK(unary("clamp {min = -2}", x) == Numbers{-2, -1, 0, 2, 8});
  CHECK(unary("leaky_relu {slope = 0.25}", x) == Numbers{-1, -0.25, 0, 2, 8});
  CHECK(unary("leaky_relu", {-100}) == Numbers{-1});
  CHECK(unary("abs", x) == Numbers{4, 1, 0, 2, 8});
  CHECK(unary("neg", x) == Numbers{4, 1, 0, -2, -8});
  CHECK(unary("sqrt", {0, 2.25}) == Numbers{0, 1.5});
  CHECK(unary("hardsigmoid", {-4, -3, 0, 3, 8}) == Numbers{0, 0, 0.5, 1, 1});
  CHECK(unary("hardswish", {-4, -3, 0, 3, 8}) == Numbers{0, 0, 0, 3, 8});
}

TEST_CASE("smooth activations have PyTorch's values", "[reference][unary]") {
  const Numbers x = {-1, 0, 1};
  check_close(unary("exp", x), {0.36787944117144233, 1, 2.718281828459045});
  check_close(unary("sigmoid", x), {0.2689414213699951, 0.5, 0.7310585786300049});
  check_close(unary("tanh", x), {-0.7615941559557649, 0, 0.7615941559557649});
  check_close(unary("silu", x), {-0.2689414213699951, 0, 0.7310585786300049});
  check_close(unary("elu", x), {-0.6321205588285577, 0, 1});
  check_close(unary("elu {alpha = 2}", x), {-1.2642411176571153, 0, 1});
  check_close(unary("gelu", x), {-0.15865525393145707, 0, 0.8413447460685429});
  check_close(unary("gelu {approximate = tanh}", x), {-0.15880800939172324, 0, 0.8411919906082768});
  check_close(unary("softplus", x), {0.31326168751822286, 0.6931471805599453, 1.3132616875182228});
  check_close(unary("mish", x), {-0.30340146137410895, 0, 0.8650983882673103});
}

TEST_CASE("large arguments saturate instead of overflowing", "[reference][unary]") {
  CHECK(unary("softplus", {1000, 20.5, -1000}) == Numbers{1000, 20.5, 0});
  CHECK(unary("mish", {1000}) == Numbers{1000});
  CHECK(unary("sigmoid", {1000, -1000}) == Numbers{1, 0});
  CHECK(unary("elu", {-1000}) == Numbers{-1});
  CHECK(unary("gelu", {1000}) == Numbers{1000});
  // Far out the tail is tiny but not zero, and keeps its digits.
  check_close({unary("gelu", {-10})[0] * 1e22}, {-0.7619853024160527});
}

TEST_CASE("NaN passes through every activation", "[reference][unary]") {
  for (const char* operation :
       {"relu", "relu6", "clamp {min = 0, max = 1}", "leaky_relu", "elu", "sigmoid", "tanh", "silu",
        "hardsigmoid", "hardswish", "mish", "gelu", "gelu {approximate = tanh}", "softplus", "abs",
        "neg", "sqrt", "exp"}) {
    INFO(operation);
    CHECK(std::isnan(unary(operation, {nan_value})[0]));
  }
  CHECK(std::isnan(unary("sqrt", {-1})[0]));
}

TEST_CASE("integers take the activations that need no fractions, and wrap", "[reference][unary]") {
  CHECK(unary("relu", {-128, 0, 127}, "i8") == Numbers{0, 0, 127});
  CHECK(unary("relu6", {3, 200}, "u8") == Numbers{3, 6});
  CHECK(unary("clamp {min = -2, max = 3}", {-128, 2, 127}, "i8") == Numbers{-2, 2, 3});
  CHECK(unary("abs", {-128, -127}, "i8") == Numbers{-128, 127});
  CHECK(unary("neg", {-128, 1}, "i8") == Numbers{-128, -1});
  CHECK(unary("neg", {1}, "u8") == Numbers{255});
  CHECK(unary("neg", {-2147483648.0}, "i32") == Numbers{-2147483648.0});
}

TEST_CASE("floats add, subtract, multiply and compare", "[reference][binary]") {
  const Numbers a = {1, -2, infinity}, b = {0.5, 4, -infinity};
  CHECK(binary("sub", {1, -2}, {0.5, 4}) == Numbers{0.5, -6});
  CHECK(binary("mul", a, b) == Numbers{0.5, -8, -infinity});
  CHECK(binary("max", a, b) == Numbers{1, 4, infinity});
  CHECK(binary("min", a, b) == Numbers{0.5, -2, -infinity});
  CHECK(std::isnan(binary("add", a, b)[2]));
}

TEST_CASE("max and min are NaN when either operand is", "[reference][binary]") {
  for (const char* operation : {"max", "min"}) {
    const Numbers y = binary(operation, {nan_value, 1, 2}, {1, nan_value, 2});
    CHECK(std::isnan(y[0]));
    CHECK(std::isnan(y[1]));
    CHECK(y[2] == 2);
  }
}

TEST_CASE("integer arithmetic wraps to its width", "[reference][binary]") {
  CHECK(binary("add", {100, -128}, {100, -1}, "i8") == Numbers{-56, 127});
  CHECK(binary("sub", {0}, {1}, "u8") == Numbers{255});
  CHECK(binary("mul", {200}, {200}, "u8") == Numbers{64});
  CHECK(binary("mul", {65536}, {65537}, "i32") == Numbers{65536});
  CHECK(binary("add", {2147483647}, {1}, "i32") == Numbers{-2147483648.0});
  CHECK(binary("add", {-9223372036854775808.0}, {-1}, "i64") == Numbers{9223372036854775807.0});
  CHECK(binary("max", {200}, {100}, "u8") == Numbers{200});
  CHECK(binary("min", {-56}, {100}, "i8") == Numbers{-56});
}

TEST_CASE("a per-channel second operand goes with the channel, whatever the layout",
          "[reference][binary]") {
  CHECK(y_of("program @p(%a: f32[n=1, w=2, c=2], %b: f32[c=2]) {\n"
             "  %y = mul %a, %b : f32[n=1, c=2, w=2]\n  return %y\n}",
             {{"a", {1, 2, 3, 4}}, {"b", {10, 100}}}) == Numbers{10, 30, 200, 400});
}

TEST_CASE("operands of the same shape in another memory order meet by coordinate",
          "[reference][binary]") {
  CHECK(y_of("program @p(%a: f32[n=1, w=2, c=2], %b: f32[n=1, c=2, w=2]) {\n"
             "  %y = add %a, %b\n  return %y\n}",
             {{"a", {1, 2, 3, 4}}, {"b", {10, 20, 30, 40}}}) == Numbers{11, 32, 23, 44});
}

TEST_CASE("prelu has one slope for all channels or one each", "[reference][prelu]") {
  const auto prelu = [](const std::string& slopes, const Numbers& slope) {
    return y_of("program @p(%x: f32[n=1, c=2, w=2], %s: f32[c=" + slopes +
                    "]) {\n  %y = prelu %x, %s\n  return %y\n}",
                {{"x", {-2, 4, -8, 0}}, {"s", slope}});
  };
  CHECK(prelu("1", {0.5}) == Numbers{-1, 4, -4, 0});
  CHECK(prelu("2", {0.5, 0.25}) == Numbers{-1, 4, -2, 0});
}

TEST_CASE("batch_norm normalises each channel", "[reference][batch_norm]") {
  const auto normalised = [](const std::string& attributes) {
    return y_of("program @p(%x: f64[n=1, c=2, w=2], %scale: f64[c=2], %shift: f64[c=2],\n"
                "           %mean: f64[c=2], %var: f64[c=2]) {\n"
                "  %y = batch_norm %x, %scale, %shift, %mean, %var" +
                    attributes + "\n  return %y\n}",
                {{"x", {1, 3, 10, 20}},
                 {"scale", {2, 1}},
                 {"shift", {0.5, -1}},
                 {"mean", {1, 10}},
                 {"var", {3, 24}}});
  };
  CHECK(normalised(" {epsilon = 1}") == Numbers{0.5, 2.5, -1, 1});
  check_close(normalised(""),
              {0.5, 0.5 + 4 / std::sqrt(3.00001), -1, -1 + 10 / std::sqrt(24.00001)});
}
