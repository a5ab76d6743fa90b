// The unary operators as formulas, with torch's answers for NaN and infinities.
//
// max(a, b) and min(a, b) are b where either is NaN, so a bound is written first: max(0, x) is NaN
// for NaN, and -0 for -0. A formula that torch computes by cancelling is written so that small
// results keep their digits: x / (1 + e^-2u) rather than x / 2 (1 + tanh u).

#include "compiler/lower_nest.h"

#include <cmath>
#include <numbers>

namespace volute::compiler {

using ir::BinaryFn;
using ir::Compare;
using ir::Expr;
using ir::imm;
using ir::UnaryFn;
using ir::UnaryKind;

namespace {

Expr at_least(double bound, Expr x) { return binary(BinaryFn::max, imm(bound), std::move(x)); }
Expr at_most(double bound, Expr x) { return binary(BinaryFn::min, imm(bound), std::move(x)); }
Expr exp_of(Expr x) { return unary(UnaryFn::exp, std::move(x)); }
Expr negated(Expr x) { return unary(UnaryFn::neg, std::move(x)); }

Expr clamp(const ir::Unary& op, Expr x) {
  if (op.a) x = at_least(*op.a, std::move(x));
  if (op.b) x = at_most(*op.b, std::move(x));
  return x;
}

/// min(max(x + 3, 0), 6) / 6
Expr hardsigmoid(const Expr& x) { return at_most(6, at_least(0, x + imm(3))) / imm(6); }

/// x tanh(log(1 + e)) with e = e^x: the tanh is p / (p + 2), where p = e (e + 2). From 20 on it
/// rounds to 1, and e must not overflow.
Expr mish(const Expr& x) {
  const Expr e = exp_of(at_most(20, x));
  const Expr p = e * (e + imm(2));
  return x * (p / (p + imm(2)));
}

/// x / 2 (1 + tanh u) with u = sqrt(2 / pi) (x + 0.044715 x^3).
Expr gelu_tanh(const Expr& x) {
  const double linear = std::sqrt(2 / std::numbers::pi);
  const Expr minus_2u = x * fma(x * x, imm(-2 * linear * 0.044715), imm(-2 * linear));
  return x / (imm(1) + exp_of(minus_2u));
}

/// max(x, 0) + log(1 + e^-|x|)
Expr softplus(const Expr& x) {
  const Expr magnitude = unary(UnaryFn::abs, x);
  return at_least(0, x) + unary(UnaryFn::log1p, exp_of(negated(magnitude)));
}

} // namespace

Expr activation(const ir::Unary& op, const Expr& x) {
  switch (op.kind) {
  case UnaryKind::relu: return at_least(0, x);
  case UnaryKind::relu6: return at_most(6, at_least(0, x));
  case UnaryKind::clamp: return clamp(op, x);
  case UnaryKind::leaky_relu:
    return select(Compare::gt, x, imm(0), x, x * imm(op.a.value_or(0.01)));
  case UnaryKind::elu:
    return select(Compare::gt, x, imm(0), x, unary(UnaryFn::expm1, x) * imm(op.a.value_or(1)));
  case UnaryKind::sigmoid: return imm(1) / (imm(1) + exp_of(negated(x)));
  case UnaryKind::tanh: return unary(UnaryFn::tanh, x);
  case UnaryKind::silu: return x / (imm(1) + exp_of(negated(x)));
  case UnaryKind::hardsigmoid: return hardsigmoid(x);
  case UnaryKind::hardswish: return x * hardsigmoid(x);
  case UnaryKind::mish: return mish(x);
  case UnaryKind::gelu:
    return x * imm(0.5) * (imm(1) + unary(UnaryFn::erf, x * imm(std::numbers::sqrt2 / 2)));
  case UnaryKind::gelu_tanh: return gelu_tanh(x);
  case UnaryKind::softplus: return softplus(x);
  case UnaryKind::abs: return unary(UnaryFn::abs, x);
  case UnaryKind::neg: return negated(x);
  case UnaryKind::sqrt: return unary(UnaryFn::sqrt, x);
  case UnaryKind::exp: return exp_of(x);
  }
  return x;
}

} // namespace volute::compiler
