// The tables of expand_math.h and lower_activation.h: every function, what it is exactly, and how
// far from that its expansion may be. Read by the tests that hold the code to them.
#pragma once

#include "compiler/lower/activation.h"
#include "compiler/nests/expand_math.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <string>
#include <vector>

namespace volute::tests {

/// Largest errors in units in the last place of the result, over all arguments.
struct Bound {
  double with_fma, split;
};

/// Arguments below `from` have a bound of their own.
struct Tail {
  double from = -std::numeric_limits<double>::infinity();
  Bound bound = {0, 0};
};

struct Stated {
  std::string name;
  std::function<ir::Expr(const ir::Expr&)> expr;
  double (*exact)(double);
  long double (*exact_wide)(long double);
  Bound f32, f64;
  Tail f32_tail = {}, f64_tail = {};
};

namespace exact {

template <class T>
T logistic(T x) {
  return 1 / (1 + std::exp(-x));
}
template <class T>
T silu(T x) {
  return x / (1 + std::exp(-x));
}
template <class T>
T hardswish(T x) {
  return x * std::clamp<T>(x + 3, 0, 6) / 6;
}
template <class T>
T elu(T x) {
  return x > 0 ? x : std::expm1(x);
}
template <class T>
T mish(T x) {
  return x * std::tanh(std::log1p(std::exp(x)));
}
template <class T>
T softplus(T x) {
  return x > 20 ? x : std::log1p(std::exp(x));
}
template <class T>
T gelu(T x) {
  return x / 2 * std::erfc(-x / std::numbers::sqrt2_v<T>);
}
/// Not by way of 1 + tanh, which cancels in any type.
template <class T>
T gelu_tanh(T x) {
  const T linear = std::sqrt(2 / std::numbers::pi_v<T>);
  const T u = linear * (x + static_cast<T>(0.044715) * x * x * x);
  return x / (1 + std::exp(-2 * u));
}

} // namespace exact

inline const std::vector<Stated>& stated_functions() {
  using ir::UnaryFn;
  const auto fn = [](UnaryFn f) { return [f](const ir::Expr& x) { return unary(f, x); }; };
  static const std::vector<Stated> functions = {
      {"exp", fn(UnaryFn::exp), std::exp, std::exp, {0.93, 1.19}, {0.9, 1.2}},
      {"expm1", fn(UnaryFn::expm1), std::expm1, std::expm1, {1.57, 1.71}, {1.9, 2.0}},
      {"log", fn(UnaryFn::log), std::log, std::log, {0.93, 0.93}, {0.9, 0.9}},
      {"log1p", fn(UnaryFn::log1p), std::log1p, std::log1p, {1.53, 1.54}, {1.45, 1.45}},
      {"tanh", fn(UnaryFn::tanh), std::tanh, std::tanh, {1.42, 1.36}, {1.45, 1.45}},
      {"erf", fn(UnaryFn::erf), std::erf, std::erf, {1.09, 1.32}, {1.1, 1.35}},
  };
  return functions;
}

inline const std::vector<Stated>& stated_activations() {
  using ir::UnaryKind;
  const auto of = [](UnaryKind kind) {
    return [kind](const ir::Expr& x) { return compiler::activation(ir::Unary{kind, {}, {}}, x); };
  };
  // Below -87.3 (f64: -708.4) e^x is a denormal with few digits, which x multiplies.
  const Tail single_tail{-87.3, {53, 53}}, double_tail{-708.4, {373, 373}};
  static const std::vector<Stated> activations = {
      {"sigmoid",
       of(UnaryKind::sigmoid),
       exact::logistic,
       exact::logistic,
       {2.41, 2.41},
       {2.5, 2.5}},
      {"silu",
       of(UnaryKind::silu),
       exact::silu,
       exact::silu,
       {3.35, 3.35},
       {3.5, 3.6},
       single_tail,
       double_tail},
      {"elu", of(UnaryKind::elu), exact::elu, exact::elu, {0.96, 1.07}, {1.2, 1.2}},
      {"hardswish",
       of(UnaryKind::hardswish),
       exact::hardswish,
       exact::hardswish,
       {1.88, 1.88},
       {1.9, 1.9}},
      {"mish",
       of(UnaryKind::mish),
       exact::mish,
       exact::mish,
       {3.95, 3.98},
       {4.1, 4.1},
       single_tail,
       double_tail},
      {"softplus",
       of(UnaryKind::softplus),
       exact::softplus,
       exact::softplus,
       {1.82, 1.78},
       {1.9, 1.9}},
      {"gelu", of(UnaryKind::gelu), exact::gelu, exact::gelu, {5.21, 5.46}, {5.3, 6}},
      {"gelu tanh",
       of(UnaryKind::gelu_tanh),
       exact::gelu_tanh,
       exact::gelu_tanh,
       {14, 15.1},
       {17, 18},
       {-3, {214, 214}},
       {-3, {2200, 2200}}},
  };
  return activations;
}

/// The expression that is compiled for a stated function.
inline ir::Expr compiled_form(const Stated& stated, const ir::Expr& x, bool with_fma) {
  const ir::Expr expanded = compiler::expand_math(stated.expr(x));
  return with_fma ? expanded : compiler::split_fma(expanded);
}

/// Distance in units in the last place that a Float of the exact value's size has. Exact has more
/// digits than Float.
template <class Float, class Exact>
double ulps(Float value, Exact exact) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  using Limits = std::numeric_limits<Float>;
  const auto rounded = static_cast<Float>(exact);
  if (std::isnan(rounded)) return std::isnan(value) ? 0 : infinity;
  if (std::isinf(rounded) || std::isinf(value)) return value == rounded ? 0 : infinity;
  int exponent = 0;
  std::frexp(exact, &exponent);
  const int last = std::max(exponent, Limits::min_exponent) - Limits::digits;
  return static_cast<double>(std::ldexp(std::fabs(value - exact), -last));
}

} // namespace volute::tests
