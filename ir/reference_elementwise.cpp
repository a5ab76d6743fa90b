// Element-wise operators, with PyTorch's formulas and its answers at NaN and infinity.
#include "ir/reference_operators.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace volute::ir::reference {
namespace {

/// NaN compares false with both bounds and so passes through.
template <class Number>
Number clamp(Number x, Number least, Number most) {
  return x < least ? least : x > most ? most : x;
}

/// Far out the tail keeps its digits: e^ may vanish but does not overflow.
double sigmoid(double x) {
  const double decay = std::exp(-std::abs(x));
  return (x < 0 ? decay : 1) / (1 + decay);
}
/// Above 20 the logarithm is x to 2e-9, where PyTorch stops computing it.
double softplus(double x) { return x > 20 ? x : std::log1p(std::exp(x)); }
double hardsigmoid(double x) { return clamp(x + 3, 0.0, 6.0) / 6; }
double gelu(double x) {
  return x / 2 * std::erfc(-x / std::numbers::sqrt2);
} // 1 + erf(z) = erfc(-z)
double gelu_tanh(double x) {
  const double inner = std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x);
  return x * sigmoid(2 * inner); // (1 + tanh(z)) / 2 = sigmoid(2 z)
}

double unary(const Unary& op, double x, ElementType) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  switch (op.kind) {
  case UnaryKind::relu: return clamp(x, 0.0, infinity);
  case UnaryKind::relu6: return clamp(x, 0.0, 6.0);
  case UnaryKind::clamp: return clamp(x, op.a.value_or(-infinity), op.b.value_or(infinity));
  case UnaryKind::leaky_relu: return x > 0 ? x : op.a.value_or(0.01) * x;
  case UnaryKind::elu: return x > 0 ? x : op.a.value_or(1) * std::expm1(x);
  case UnaryKind::sigmoid: return sigmoid(x);
  case UnaryKind::tanh: return std::tanh(x);
  case UnaryKind::silu: return x * sigmoid(x);
  case UnaryKind::hardsigmoid: return hardsigmoid(x);
  case UnaryKind::hardswish: return x * hardsigmoid(x);
  case UnaryKind::mish: return x * std::tanh(std::log1p(std::exp(x)));
  case UnaryKind::gelu: return gelu(x);
  case UnaryKind::gelu_tanh: return gelu_tanh(x);
  case UnaryKind::softplus: return softplus(x);
  case UnaryKind::abs: return std::abs(x);
  case UnaryKind::neg: return -x;
  case UnaryKind::sqrt: return std::sqrt(x);
  case UnaryKind::exp: return std::exp(x);
  }
  return x;
}

// Integers wrap: computed unsigned, where overflow is defined, and cut to their width when stored.
int64_t add(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
}
int64_t sub(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}
int64_t mul(int64_t a, int64_t b) {
  return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
}

/// The operators that need no fractions; the language has no others for integers. A bound of clamp
/// beyond the element type is one that no element reaches.
int64_t unary(const Unary& op, int64_t x, ElementType type) {
  const double infinity = std::numeric_limits<double>::infinity();
  switch (op.kind) {
  case UnaryKind::relu: return clamp(x, int64_t{0}, highest(type));
  case UnaryKind::relu6: return clamp(x, int64_t{0}, int64_t{6});
  case UnaryKind::clamp:
    return clamp(x, saturate_to(type, op.a.value_or(-infinity)),
                 saturate_to(type, op.b.value_or(infinity)));
  case UnaryKind::abs: return x < 0 ? sub(0, x) : x;
  case UnaryKind::neg: return sub(0, x);
  default: return x;
  }
}

// The larger or smaller; NaN when either is NaN.
double max(double a, double b) { return std::isnan(a) || a > b ? a : b; }
double min(double a, double b) { return std::isnan(a) || a < b ? a : b; }

double binary(BinaryKind kind, double a, double b) {
  switch (kind) {
  case BinaryKind::add: return a + b;
  case BinaryKind::sub: return a - b;
  case BinaryKind::mul: return a * b;
  case BinaryKind::max: return max(a, b);
  case BinaryKind::min: return min(a, b);
  }
  return a;
}

int64_t binary(BinaryKind kind, int64_t a, int64_t b) {
  switch (kind) {
  case BinaryKind::add: return add(a, b);
  case BinaryKind::sub: return sub(a, b);
  case BinaryKind::mul: return mul(a, b);
  case BinaryKind::max: return std::max(a, b);
  case BinaryKind::min: return std::min(a, b);
  }
  return a;
}

} // namespace

Any unary(const Unary& op, const Any& any, const TensorType& type) {
  return std::visit(
      [&](const auto& x) -> Any {
        std::decay_t<decltype(x)> y(type);
        for_each_point(type, [&](const Point& p) { y.set(p, unary(op, x.at(p), type.element)); });
        return y;
      },
      any);
}

Any binary(BinaryKind kind, const Any& any_a, const Any& any_b, const TensorType& type) {
  return std::visit(
      [&](const auto& a) -> Any {
        using G = std::decay_t<decltype(a)>;
        const G& b = std::get<G>(any_b);
        G y(type);
        for_each_point(type, [&](const Point& p) { y.set(p, binary(kind, a.at(p), b.at(p))); });
        return y;
      },
      any_a);
}

Real prelu(const Real& x, const Real& slope, const TensorType& type) {
  Real y(type);
  const bool shared = slope.size(Axis::c) == 1;
  for_each_point(type, [&](const Point& p) {
    const double value = x.at(p);
    y.set(p, value > 0 ? value : value * slope.at({.c = shared ? 0 : p.c}));
  });
  return y;
}

Real batch_norm(const BatchNorm& op, const Real& x, const Real& scale, const Real& shift,
                const Real& mean, const Real& var, const TensorType& type) {
  Real y(type);
  for_each_point(type, [&](const Point& p) {
    const double deviation = std::sqrt(var.at(p) + op.epsilon);
    y.set(p, (x.at(p) - mean.at(p)) / deviation * scale.at(p) + shift.at(p));
  });
  return y;
}

} // namespace volute::ir::reference
