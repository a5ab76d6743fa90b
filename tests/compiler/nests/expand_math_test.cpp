#include "compiler/nests/expand_math.h"
#include "ir/diagnostic.h"
#include "tests/compiler/nests/function_of_one.h"
#include "tests/compiler/nests/stated_errors.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

using namespace volute;
using ir::ElementType;
using ir::Expr;
using ir::UnaryFn;
using tests::FunctionOfOne;
using tests::Stated;
using tests::ulps;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();
constexpr ElementType both_types[] = {ElementType::f32, ElementType::f64};

FunctionOfOne expanded(ElementType type, const Stated& stated, bool with_fma = true) {
  return FunctionOfOne(type, [&](const Expr& x) { return compiled_form(stated, x, with_fma); });
}

FunctionOfOne expanded(ElementType type, UnaryFn fn) {
  return FunctionOfOne(type, [&](const Expr& x) { return compiler::expand_math(unary(fn, x)); });
}

double smallest(ElementType type) {
  return type == ElementType::f64 ? std::numeric_limits<double>::denorm_min()
                                  : std::numeric_limits<float>::denorm_min();
}

double largest(ElementType type) {
  return type == ElementType::f64 ? std::numeric_limits<double>::max()
                                  : std::numeric_limits<float>::max();
}

/// The largest error over both signs of every binade of f32, more densely where functions bend.
double worst_single(FunctionOfOne function, double (*exact)(double)) {
  double worst = 0;
  const auto measure = [&](float x) {
    worst = std::max(worst, ulps(static_cast<float>(function(x)), exact(x)));
  };
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 49999)
    measure(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  for (uint32_t bits = 0x3d000000; bits < 0x43000000; bits += 1999) { // 1/32 to 128
    measure(std::bit_cast<float>(bits));
    measure(-std::bit_cast<float>(bits));
  }
  return worst;
}

double worst_double(FunctionOfOne function, long double (*exact)(long double)) {
  double worst = 0;
  const auto measure = [&](double x) { worst = std::max(worst, ulps(function(x), exact(x))); };
  constexpr uint64_t step = 0x1357924680bdf; // some 60,000 of all, some 1,300 a binade below
  for (uint64_t bits = 0; bits < ~uint64_t{0} - step; bits += step)
    measure(std::bit_cast<double>(bits));
  for (uint64_t bits = uint64_t{0x3fa} << 52; bits < uint64_t{0x409} << 52; bits += step / 400) {
    measure(std::bit_cast<double>(bits)); // 1/32 to 1024
    measure(-std::bit_cast<double>(bits));
  }
  return worst;
}

void check_same(double value, double wanted) {
  if (std::isnan(wanted))
    CHECK(std::isnan(value));
  else
    CHECK(std::bit_cast<uint64_t>(value) == std::bit_cast<uint64_t>(wanted));
}

} // namespace

TEST_CASE("expanded functions are as accurate as their header says") {
  for (const Stated& stated : tests::stated_functions()) {
    INFO(stated.name);
    const double single = worst_single(expanded(ElementType::f32, stated), stated.exact);
    CHECK(single <= stated.f32.with_fma);
    CHECK(single > 0.5); // a correctly rounded result would mean that nothing was expanded
    const double wide = worst_double(expanded(ElementType::f64, stated), stated.exact_wide);
    CHECK(wide <= stated.f64.with_fma);
    CHECK(wide > 0.5);
  }
}

TEST_CASE("expanded functions stay accurate when products and sums are rounded apart") {
  for (const Stated& stated : tests::stated_functions()) {
    INFO(stated.name);
    CHECK(worst_single(expanded(ElementType::f32, stated, false), stated.exact) <=
          stated.f32.split);
    CHECK(worst_double(expanded(ElementType::f64, stated, false), stated.exact_wide) <=
          stated.f64.split);
  }
}

TEST_CASE("expanded functions keep NaN, infinities and the sign of zero") {
  for (const Stated& stated : tests::stated_functions())
    for (ElementType type : both_types)
      for (bool with_fma : {true, false}) {
        FunctionOfOne function = expanded(type, stated, with_fma);
        for (double x : {nan_value, -nan_value, infinity, -infinity, 0.0, -0.0}) {
          INFO(stated.name << " of " << x << " in " << to_string(type));
          check_same(function(x), stated.exact(x));
        }
      }
}

TEST_CASE("expanded functions of the smallest numbers") {
  for (ElementType type : both_types) {
    const double least = smallest(type);
    for (UnaryFn fn : {UnaryFn::expm1, UnaryFn::log1p, UnaryFn::tanh}) {
      INFO(ir::to_string(fn) << " of " << to_string(type));
      check_same(expanded(type, fn)(least), least);
      check_same(expanded(type, fn)(-least), -least);
    }
    check_same(expanded(type, UnaryFn::exp)(least), 1);
    check_same(expanded(type, UnaryFn::erf)(-least), -least);
  }
}

TEST_CASE("exp overflows, underflows through the denormals and reaches zero where it should") {
  FunctionOfOne exp = expanded(ElementType::f32, UnaryFn::exp);
  check_same(exp(0x1.62e42ep+6), 0x1.ffff08p+127); // the largest argument with a finite result
  check_same(exp(0x1.62e43p+6), infinity);
  check_same(exp(1000), infinity);
  check_same(exp(-88), static_cast<float>(std::exp(-88.0)));
  check_same(exp(-100), static_cast<float>(std::exp(-100.0))); // a denormal
  check_same(exp(-103.9f), smallest(ElementType::f32));
  check_same(exp(-104), 0);
  check_same(exp(std::numeric_limits<float>::lowest()), 0);

  FunctionOfOne wide = expanded(ElementType::f64, UnaryFn::exp);
  CHECK(ulps(wide(0x1.62e42fefa39efp+9), std::exp(0x1.62e42fefa39efp+9L)) <= 1);
  check_same(wide(0x1.62e42fefa39fp+9), infinity);
  check_same(wide(1000), infinity);
  CHECK(ulps(wide(-740), std::exp(-740.0L)) <= 1);
  check_same(wide(-745), smallest(ElementType::f64));
  check_same(wide(-745.2), 0);
  check_same(wide(-1e300), 0);
}

TEST_CASE("log is -inf at zero and NaN below, and knows denormals") {
  for (ElementType type : both_types) {
    FunctionOfOne log = expanded(type, UnaryFn::log);
    check_same(log(0), -infinity);
    check_same(log(-0.0), -infinity);
    check_same(log(-smallest(type)), nan_value);
    check_same(log(-infinity), nan_value);
    check_same(log(1), 0);
    for (double x : {smallest(type), 3 * smallest(type), largest(type)}) {
      const long double exact = std::log(static_cast<long double>(x));
      CHECK((type == ElementType::f64 ? ulps(log(x), exact)
                                      : ulps(static_cast<float>(log(x)), exact)) <= 1);
    }
  }
}

TEST_CASE("log1p is -inf at -1 and NaN below, to the very edge") {
  for (ElementType type : both_types) {
    const double unit = type == ElementType::f64 ? 0x1p-53 : 0x1p-24;
    FunctionOfOne log1p = expanded(type, UnaryFn::log1p);
    check_same(log1p(-1), -infinity);
    check_same(log1p(-1 - 2 * unit), nan_value);
    for (double x : {-1 + unit, largest(type), largest(type) / 2, 2 / unit, 4 / unit}) {
      const long double exact = std::log1p(static_cast<long double>(x));
      INFO(x);
      CHECK((type == ElementType::f64 ? ulps(log1p(x), exact)
                                      : ulps(static_cast<float>(log1p(x)), exact)) <= 1);
    }
  }
}

TEST_CASE("tanh and erf reach one and stay there") {
  for (ElementType type : both_types)
    for (UnaryFn fn : {UnaryFn::tanh, UnaryFn::erf}) {
      FunctionOfOne function = expanded(type, fn);
      for (double x : {type == ElementType::f64 ? 19.1 : 9.02, 30.0, 1e10, largest(type)}) {
        check_same(function(x), 1);
        check_same(function(-x), -1);
      }
    }
}

TEST_CASE("every lane computes what one lane computes") {
  const std::vector<double> x = {-90, -1, -0.5, nan_value, 0.25, 3, 88.5, infinity};
  for (ElementType type : both_types)
    for (const Stated& stated : tests::stated_functions()) {
      int wrong_lanes = 0;
      const auto make = [&](const Expr& argument) {
        const Expr expr = compiled_form(stated, argument, true);
        visit(expr, [&](const ir::ExprNode& node) { wrong_lanes += node.lanes != 8; });
        return expr;
      };
      const std::vector<double> y = FunctionOfOne(type, make, 8)(x);
      CHECK(wrong_lanes == 0);
      FunctionOfOne one = expanded(type, stated);
      for (size_t l = 0; l < x.size(); ++l) check_same(y[l], one(x[l]));
    }
}

TEST_CASE("transcendental functions are expanded wherever they stand, and nothing else") {
  const auto is_transcendental = [](const ir::ExprNode& node) {
    const auto* op = std::get_if<ir::UnaryOp>(&node.is);
    return op && op->fn >= UnaryFn::exp;
  };
  for (ElementType type : both_types) {
    const Expr x = ir::acc(type, 0);
    const Expr inner = unary(UnaryFn::tanh, unary(UnaryFn::log, unary(UnaryFn::exp, x)));
    int left = 0;
    visit(compiler::expand_math(select(ir::Compare::gt, x, inner, inner + x, x)),
          [&](const ir::ExprNode& node) { left += is_transcendental(node); });
    CHECK(left == 0);

    const Expr plain = fma(x, x, unary(UnaryFn::sqrt, x));
    CHECK(compiler::expand_math(plain) == plain);
  }
}

TEST_CASE("transcendental functions of types that lowering widens first are a bug") {
  for (ElementType type : {ElementType::f16, ElementType::bf16, ElementType::i32})
    CHECK_THROWS_AS(compiler::expand_math(unary(UnaryFn::exp, ir::acc(type, 0))), InternalError);
}

TEST_CASE("split_fma leaves no Fma and rounds twice") {
  const auto make = [](const Expr& x) { return fma(x, x, ir::imm(-1)); };
  const double x = 1 + 0x1p-12; // x * x = 1 + 2^-11 + 2^-24, of which rounding drops the last part
  check_same(FunctionOfOne(ElementType::f32, make)(x), 0x1p-11 + 0x1p-24);
  check_same(FunctionOfOne(ElementType::f32,
                           [&](const Expr& a) { return compiler::split_fma(make(a)); })(x),
             0x1p-11);
  for (ElementType type : both_types) {
    int left = 0;
    visit(compiler::split_fma(compiler::expand_math(unary(UnaryFn::erf, ir::imm(2, type)))),
          [&](const ir::ExprNode& node) { left += std::holds_alternative<ir::Fma>(node.is); });
    CHECK(left == 0);
  }
}
