#include "compiler/passes/expand_math.h"
#include "ir/tape.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

using namespace volute;
using ir::Expr;
using ir::UnaryFn;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float nan_value = std::numeric_limits<float>::quiet_NaN();

/// An expression of one argument, evaluated with the arithmetic that the evaluators share.
class Function {
public:
  explicit Function(const std::function<Expr(Expr)>& make, int32_t lanes = 1)
      : arguments_(std::make_shared<std::vector<float>>(static_cast<size_t>(lanes))),
        tape_(make(argument(lanes)), [arguments = arguments_](const ir::ExprNode&) {
          return [arguments](ir::Scalar* to) {
            for (size_t l = 0; l < arguments->size(); ++l) to[l].real = (*arguments)[l];
          };
        }) {}

  float operator()(float x) {
    std::fill(arguments_->begin(), arguments_->end(), x);
    return static_cast<float>(tape_.run()[0].real);
  }
  std::vector<float> operator()(const std::vector<float>& x) {
    *arguments_ = x;
    const ir::Scalar* y = tape_.run();
    std::vector<float> values;
    for (size_t l = 0; l < x.size(); ++l) values.push_back(static_cast<float>(y[l].real));
    return values;
  }

private:
  static Expr argument(int32_t lanes) {
    return ir::load(ir::ElementType::f32, lanes, ir::Load{0, {ir::Affine(0)}, 0, 1, 0, lanes, 0});
  }
  std::shared_ptr<std::vector<float>> arguments_; // shared with the tape's leaves
  ir::Tape tape_;
};

Function expanded(UnaryFn fn) {
  return Function([&](Expr x) { return compiler::expand_math(unary(fn, std::move(x))); });
}

Function expanded_without_fma(UnaryFn fn) {
  return Function(
      [&](Expr x) { return compiler::split_fma(compiler::expand_math(unary(fn, std::move(x)))); });
}

/// Distance in units in the last place that an f32 of the exact value's size has.
double ulps(float value, double exact) {
  const auto rounded = static_cast<float>(exact);
  if (std::isnan(rounded)) return std::isnan(value) ? 0 : infinity;
  if (std::isinf(rounded) || std::isinf(value)) return value == rounded ? 0 : infinity;
  int exponent = 0;
  std::frexp(exact, &exponent);
  return std::fabs(value - exact) / std::ldexp(1, std::max(exponent, -125) - 24);
}

struct Worst {
  double ulps = 0;
  float at = 0;
};

/// Over every binade of f32 of both signs, more densely where the functions bend.
Worst worst(Function function, double (*exact)(double)) {
  Worst worst;
  const auto measure = [&](float x) {
    const double distance = ulps(function(x), exact(x));
    if (distance > worst.ulps) worst = {distance, x};
  };
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 9973)
    measure(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  for (uint32_t bits = 0x3d000000; bits < 0x43000000; bits += 499) { // 1/32 to 128
    measure(std::bit_cast<float>(bits));
    measure(-std::bit_cast<float>(bits));
  }
  return worst;
}

struct Case {
  UnaryFn fn;
  double (*exact)(double);
  double with_fma, without; // the header's table
};

const Case cases[] = {{UnaryFn::exp, std::exp, 0.93, 1.19},
                      {UnaryFn::expm1, std::expm1, 1.57, 1.71},
                      {UnaryFn::log1p, std::log1p, 1.53, 1.54},
                      {UnaryFn::tanh, std::tanh, 1.42, 1.36},
                      {UnaryFn::erf, std::erf, 1.09, 1.32}};

void check_same(float value, float wanted) {
  if (std::isnan(wanted))
    CHECK(std::isnan(value));
  else
    CHECK(std::bit_cast<uint32_t>(value) == std::bit_cast<uint32_t>(wanted));
}

} // namespace

TEST_CASE("expanded functions are as accurate as their header says") {
  for (const Case& c : cases) {
    const Worst with_fma = worst(expanded(c.fn), c.exact);
    INFO(ir::to_string(c.fn) << " at " << with_fma.at);
    CHECK(with_fma.ulps <= c.with_fma);
    CHECK(with_fma.ulps > 0.5); // a correctly rounded result would mean that nothing was expanded
  }
}

TEST_CASE("expanded functions stay accurate when products and sums are rounded apart") {
  for (const Case& c : cases) {
    const Worst without = worst(expanded_without_fma(c.fn), c.exact);
    INFO(ir::to_string(c.fn) << " at " << without.at);
    CHECK(without.ulps <= c.without);
  }
}

TEST_CASE("expanded functions keep NaN, infinities and the sign of zero") {
  for (const Case& c : cases) {
    for (Function function : {expanded(c.fn), expanded_without_fma(c.fn)}) {
      for (float x : {nan_value, -nan_value, infinity, -infinity, 0.0f, -0.0f}) {
        INFO(ir::to_string(c.fn) << " of " << x);
        check_same(function(x), static_cast<float>(c.exact(x)));
      }
    }
  }
}

TEST_CASE("expanded functions of the smallest numbers") {
  const float smallest = std::numeric_limits<float>::denorm_min();
  for (UnaryFn fn : {UnaryFn::expm1, UnaryFn::log1p, UnaryFn::tanh}) {
    INFO(ir::to_string(fn));
    check_same(expanded(fn)(smallest), smallest);
    check_same(expanded(fn)(-smallest), -smallest);
  }
  check_same(expanded(UnaryFn::exp)(smallest), 1);
  check_same(expanded(UnaryFn::erf)(-smallest), -smallest);
}

TEST_CASE("exp overflows, underflows through the denormals and reaches zero where it should") {
  Function exp = expanded(UnaryFn::exp);
  check_same(exp(0x1.62e42ep+6f), 0x1.ffff08p+127f); // the largest argument with a finite result
  check_same(exp(0x1.62e43p+6f), infinity);
  check_same(exp(1000), infinity);
  check_same(exp(-88), static_cast<float>(std::exp(-88.0)));
  check_same(exp(-100), static_cast<float>(std::exp(-100.0))); // a denormal
  check_same(exp(-103.9f), std::numeric_limits<float>::denorm_min());
  check_same(exp(-104), 0);
  check_same(exp(std::numeric_limits<float>::lowest()), 0);
}

TEST_CASE("log1p is -inf at -1 and NaN below, to the very edge") {
  Function log1p = expanded(UnaryFn::log1p);
  check_same(log1p(-1), -infinity);
  check_same(log1p(-1 - 0x1p-23f), nan_value);
  CHECK(ulps(log1p(-1 + 0x1p-24f), std::log1p(-1 + 0x1p-24)) <= 1);
  const float largest = std::numeric_limits<float>::max();
  CHECK(ulps(log1p(largest), std::log1p(static_cast<double>(largest))) <= 1);
}

TEST_CASE("tanh and erf reach one and stay there") {
  for (UnaryFn fn : {UnaryFn::tanh, UnaryFn::erf}) {
    Function function = expanded(fn);
    for (float x : {9.02f, 30.0f, 1e10f, std::numeric_limits<float>::max()}) {
      check_same(function(x), 1);
      check_same(function(-x), -1);
    }
  }
}

TEST_CASE("every lane computes what one lane computes") {
  const std::vector<float> x = {-90, -1, -0.5f, nan_value, 0.25f, 3, 88.5f, infinity};
  for (const Case& c : cases) {
    int wrong_lanes = 0;
    const auto make = [&](Expr argument) {
      const Expr expr = compiler::expand_math(unary(c.fn, std::move(argument)));
      visit(expr, [&](const ir::ExprNode& node) { wrong_lanes += node.lanes != 8; });
      return expr;
    };
    const std::vector<float> y = Function(make, 8)(x);
    CHECK(wrong_lanes == 0);
    Function one = expanded(c.fn);
    for (size_t l = 0; l < x.size(); ++l) check_same(y[l], one(x[l]));
  }
}

TEST_CASE("only transcendental functions of f32 are expanded, wherever they stand") {
  const auto is_transcendental = [](const ir::ExprNode& node) {
    const auto* op = std::get_if<ir::UnaryOp>(&node.is);
    return op && op->fn >= UnaryFn::exp;
  };
  const Expr x = ir::acc(ir::ElementType::f32, 0);
  const Expr inner = unary(UnaryFn::tanh, unary(UnaryFn::log1p, unary(UnaryFn::exp, x)));
  int left = 0;
  visit(compiler::expand_math(select(ir::Compare::gt, x, inner, inner + x, x)),
        [&](const ir::ExprNode& node) { left += is_transcendental(node); });
  CHECK(left == 0);

  const Expr plain = fma(x, x, unary(UnaryFn::sqrt, x));
  CHECK(compiler::expand_math(plain) == plain);
  const Expr wide = unary(UnaryFn::exp, ir::acc(ir::ElementType::f64, 0));
  CHECK(compiler::expand_math(wide) == wide);
}

TEST_CASE("split_fma leaves no Fma and rounds twice") {
  const auto make = [](Expr x) { return fma(x, x, ir::imm(-1)); };
  const float x = 1 + 0x1p-12f; // x * x = 1 + 2^-11 + 2^-24, of which rounding drops the last part
  check_same(Function(make)(x), 0x1p-11f + 0x1p-24f);
  check_same(Function([&](Expr a) { return compiler::split_fma(make(std::move(a))); })(x),
             0x1p-11f);
  int left = 0;
  visit(compiler::split_fma(compiler::expand_math(unary(UnaryFn::erf, ir::imm(2)))),
        [&](const ir::ExprNode& node) { left += std::holds_alternative<ir::Fma>(node.is); });
  CHECK(left == 0);
}
