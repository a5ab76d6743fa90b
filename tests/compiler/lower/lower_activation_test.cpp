#include "compiler/lower/activation.h"
#include "compiler/nests/expand_math.h"
#include "ir/number.h"
#include "tests/compiler/nests/function_of_one.h"
#include "tests/compiler/nests/stated_errors.h"
#include "tests/support/catch.h"
#include "tests/support/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

using namespace volute;
using ir::ElementType;
using ir::Expr;
using ir::Unary;
using ir::UnaryKind;
using tests::FunctionOfOne;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

struct Written {
  std::string statement; // the statement, as a program text has it
  Unary op;
};

const std::vector<Written> of_floats = {
    {"relu %x", {UnaryKind::relu, {}, {}}},
    {"relu6 %x", {UnaryKind::relu6, {}, {}}},
    {"clamp %x {min = -0.3, max = 0.7}", {UnaryKind::clamp, -0.3, 0.7}},
    {"clamp %x {min = 1e-40}", {UnaryKind::clamp, 1e-40, {}}},
    {"clamp %x {max = -2}", {UnaryKind::clamp, {}, -2}},
    {"clamp %x {min = -inf, max = inf}", {UnaryKind::clamp, -infinity, infinity}},
    {"leaky_relu %x", {UnaryKind::leaky_relu, {}, {}}},
    {"leaky_relu %x {slope = -1.5}", {UnaryKind::leaky_relu, -1.5, {}}},
    {"elu %x", {UnaryKind::elu, {}, {}}},
    {"elu %x {alpha = 0.7}", {UnaryKind::elu, 0.7, {}}},
    {"sigmoid %x", {UnaryKind::sigmoid, {}, {}}},
    {"tanh %x", {UnaryKind::tanh, {}, {}}},
    {"silu %x", {UnaryKind::silu, {}, {}}},
    {"hardsigmoid %x", {UnaryKind::hardsigmoid, {}, {}}},
    {"hardswish %x", {UnaryKind::hardswish, {}, {}}},
    {"mish %x", {UnaryKind::mish, {}, {}}},
    {"gelu %x", {UnaryKind::gelu, {}, {}}},
    {"gelu %x {approximate = tanh}", {UnaryKind::gelu_tanh, {}, {}}},
    {"softplus %x", {UnaryKind::softplus, {}, {}}},
    {"abs %x", {UnaryKind::abs, {}, {}}},
    {"neg %x", {UnaryKind::neg, {}, {}}},
    {"sqrt %x", {UnaryKind::sqrt, {}, {}}},
    {"exp %x", {UnaryKind::exp, {}, {}}},
};

FunctionOfOne compiled(const Unary& op, ElementType type) {
  return FunctionOfOne(
      type, [&](const Expr& x) { return compiler::expand_math(compiler::activation(op, x)); });
}

test::Numbers reference(const std::string& statement, ElementType type, const test::Numbers& x) {
  const std::string text = fmt::format("program @p(%x: {}[n=1, c={}]) {{ %y = {} return %y }}",
                                       to_string(type), x.size(), statement);
  return test::y_of(text, {{"x", x}});
}

double close_enough(double wanted, ElementType type) {
  const bool wide = type == ElementType::f64;
  return std::fabs(wanted) * (wide ? 0x1p-48 : 0x1p-20) + (wide ? 0x1p-1060 : 0x1p-140);
}

} // namespace

TEST_CASE("activations are the reference's, at NaN, infinities and zeros too") {
  for (ElementType type : {ElementType::f32, ElementType::f64}) {
    test::Numbers x = {0.0,  -0.0, infinity, -infinity, nan_value, 3,  -3, 6,
                       -1.5, 1e30, -1e30,    1e-30,     -1e-30,    20, 21, -40};
    for (int i = -39; i < 60; ++i) x.push_back(i / 10.0);
    x = ir::elements_of(ir::tensor_of({type, {{ir::Axis::n, 1}, {ir::Axis::c, std::ssize(x)}}}, x));
    for (const Written& written : of_floats) {
      const test::Numbers wanted = reference(written.statement, type, x);
      FunctionOfOne function = compiled(written.op, type);
      for (size_t i = 0; i < x.size(); ++i) {
        const double value = function(x[i]);
        INFO(written.statement << " of " << to_string(type) << " at " << x[i] << ": " << value
                               << ", not " << wanted[i]);
        CHECK(std::isnan(value) == std::isnan(wanted[i]));
        if (std::isnan(wanted[i])) continue;
        CHECK(
            (value == wanted[i] || std::fabs(value - wanted[i]) <= close_enough(wanted[i], type)));
        if (wanted[i] == 0 && value == 0) CHECK(std::signbit(value) == std::signbit(wanted[i]));
      }
    }
  }
}

TEST_CASE("small results of activations keep their digits") {
  const auto relative = [](UnaryKind kind, ElementType type, double x, double wanted) {
    return std::fabs(compiled(Unary{kind, {}, {}}, type)(x) / wanted - 1);
  };
  const auto phi = [](double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; };
  for (double x : {-4.0, -5.5, -8.0, -12.5}) {
    CHECK(relative(UnaryKind::gelu, ElementType::f32, x, x * phi(x)) < 0x1p-20);
    CHECK(relative(UnaryKind::gelu, ElementType::f64, x, x * phi(x)) < 0x1p-45);
  }
  CHECK(relative(UnaryKind::gelu, ElementType::f64, -37, -37 * phi(-37)) < 0x1p-42); // erfc's error
  CHECK(relative(UnaryKind::silu, ElementType::f32, -87, -87 * std::exp(-87.0)) < 0x1p-20);
  CHECK(relative(UnaryKind::silu, ElementType::f32, -89, -89 * std::exp(-89.0)) < 0x1p-16);
  CHECK(relative(UnaryKind::sigmoid, ElementType::f32, -90, std::exp(-90.0)) < 0x1p-16);
  CHECK(relative(UnaryKind::mish, ElementType::f32, -80, -80 * std::exp(-80.0)) < 0x1p-20);
  CHECK(relative(UnaryKind::elu, ElementType::f32, -1e-20, -1e-20) < 0x1p-20);
}

TEST_CASE("operators of integers are exact over the whole type") {
  const std::vector<Written> of_integers = {
      {"relu %x", {UnaryKind::relu, {}, {}}},
      {"relu6 %x", {UnaryKind::relu6, {}, {}}},
      {"abs %x", {UnaryKind::abs, {}, {}}},
      {"neg %x", {UnaryKind::neg, {}, {}}},
      {"clamp %x {min = -7, max = 100}", {UnaryKind::clamp, -7, 100}},
      {"clamp %x {min = 3}", {UnaryKind::clamp, 3, {}}},
      {"clamp %x {max = 1e30}", {UnaryKind::clamp, {}, 1e30}},
      {"clamp %x {min = -1e30, max = -1000}", {UnaryKind::clamp, -1e30, -1000}},
      {"clamp %x {min = -inf, max = inf}", {UnaryKind::clamp, -infinity, infinity}},
  };
  for (ElementType type : {ElementType::i8, ElementType::u8, ElementType::i32, ElementType::i64}) {
    std::set<int64_t> values = {0, 6, 7, 100, 101, ir::lowest(type), ir::highest(type)};
    if (ir::size_of(type) == 1) {
      for (int64_t x = ir::lowest(type); x <= ir::highest(type); ++x) values.insert(x);
    } else {
      for (int64_t x : {-1, -7, -8, -999, -1001}) values.insert(x);
      values.insert(ir::lowest(type) + 1);
    }
    if (type == ElementType::i64) // beyond what a double holds: compared by hand below
      values.erase(ir::highest(type)), values.erase(ir::lowest(type) + 1);
    const test::Numbers x(values.begin(), values.end());
    for (const Written& written : of_integers) {
      const test::Numbers wanted = reference(written.statement, type, x);
      FunctionOfOne function = compiled(written.op, type);
      for (size_t i = 0; i < x.size(); ++i) {
        INFO(written.statement << " of " << to_string(type) << " at " << x[i]);
        CHECK(static_cast<double>(function.whole(static_cast<int64_t>(x[i]))) == wanted[i]);
      }
    }
  }
  constexpr int64_t most = std::numeric_limits<int64_t>::max();
  const auto of_most = [](Unary op, int64_t x) { return compiled(op, ElementType::i64).whole(x); };
  CHECK(of_most({UnaryKind::relu, {}, {}}, most) == most);
  CHECK(of_most({UnaryKind::clamp, -1e30, 1e30}, most) == most);
  CHECK(of_most({UnaryKind::clamp, {}, 0x1p62}, most) == int64_t{1} << 62);
  CHECK(of_most({UnaryKind::neg, {}, {}}, -most) == most);
  CHECK(of_most({UnaryKind::abs, {}, {}}, -most) == most);
}

TEST_CASE("a bound that no integer passes costs nothing") {
  const Expr x = ir::acc(ElementType::i8, 0);
  CHECK(compiler::activation({UnaryKind::clamp, -128, 127}, x) == x);
  CHECK(compiler::activation({UnaryKind::clamp, -infinity, 1e9}, x) == x);
  const Expr u = ir::acc(ElementType::u8, 0);
  CHECK(compiler::activation({UnaryKind::clamp, -5, {}}, u) == u);
  CHECK(compiler::activation({UnaryKind::relu, {}, {}}, u) == u);
}

TEST_CASE("activations have the lanes and the type of their operand") {
  for (ElementType type : {ElementType::f32, ElementType::f64}) {
    const ElementType bits = type == ElementType::f64 ? ElementType::i64 : ElementType::i32;
    const Expr x = ir::load(type, 8, ir::Load{0, {ir::Affine(0)}, 0, 1, 0, 8, 0});
    for (const Written& written : of_floats) {
      const Expr y = compiler::expand_math(compiler::activation(written.op, x));
      INFO(written.statement);
      CHECK(y->type == type);
      visit(y, [&](const ir::ExprNode& node) {
        CHECK(node.lanes == 8);
        CHECK((node.type == type || node.type == bits));
      });
    }
  }
}
