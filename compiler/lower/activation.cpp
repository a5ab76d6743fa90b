// max(a, b) and min(a, b) are b where either is NaN, so a bound is written first: max(0, x) is NaN
// for NaN, and -0 for -0. A formula that torch computes by cancelling is written so that small
// results keep their digits, and e^ takes negative arguments only: it may vanish but not overflow,
// which would cut off results that are small but normal.

#include "compiler/lower/activation.h"

#include "ir/number.h"

#include <cmath>
#include <numbers>

namespace volute::compiler {

using ir::BinaryFn;
using ir::Compare;
using ir::Expr;
using ir::UnaryFn;
using ir::UnaryKind;

namespace {

/// A number of x's type in as many lanes.
Expr constant(const Expr& x, double value) {
  return is_float(x->type) ? ir::imm(value, x->type, x->lanes)
                           : ir::imm_integer(ir::saturate_to(x->type, value), x->type, x->lanes);
}

Expr at_least(double bound, const Expr& x) { return binary(BinaryFn::max, constant(x, bound), x); }
Expr at_most(double bound, const Expr& x) { return binary(BinaryFn::min, constant(x, bound), x); }
Expr plus(const Expr& x, double value) { return x + constant(x, value); }
Expr exp_of(Expr x) { return unary(UnaryFn::exp, std::move(x)); }
Expr negated(Expr x) { return unary(UnaryFn::neg, std::move(x)); }
Expr absolute(Expr x) { return unary(UnaryFn::abs, std::move(x)); }
bool is_signed(const Expr& x) { return x->type != ir::ElementType::u8; }

/// No code for a bound that no element of the type passes.
Expr clamp(const ir::Unary& op, Expr x) {
  const bool whole = is_integer(x->type);
  if (op.a && !(whole && ir::saturate_to(x->type, *op.a) == ir::lowest(x->type)))
    x = at_least(*op.a, x);
  if (op.b && !(whole && ir::saturate_to(x->type, *op.b) == ir::highest(x->type)))
    x = at_most(*op.b, x);
  return x;
}

/// min(max(x + 3, 0), 6) / 6
Expr hardsigmoid(const Expr& x) { return at_most(6, at_least(0, plus(x, 3))) / constant(x, 6); }

/// factor / (1 + e^-u) where u has the sign of x, which below 0 is factor e^u / (1 + e^u). `decay`
/// is e^-|u|.
Expr times_sigmoid(const Expr& x, const Expr& factor, const Expr& decay) {
  const Expr above = select(Compare::lt, x, constant(x, 0), factor * decay, factor);
  return above / plus(decay, 1);
}

Expr sigmoid(const Expr& x) {
  const Expr decay = exp_of(negated(absolute(x)));
  return times_sigmoid(x, constant(x, 1), decay);
}

Expr silu(const Expr& x) {
  const Expr decay = exp_of(negated(absolute(x)));
  return times_sigmoid(x, x, decay);
}

/// x / 2 (1 + tanh u) with u = sqrt(2 / pi) (x + 0.044715 x^3), which is x / (1 + e^-2u).
Expr gelu_tanh(const Expr& x) {
  const double linear = std::sqrt(2 / std::numbers::pi);
  const Expr minus_2u =
      absolute(x) * fma(x * x, constant(x, -2 * linear * 0.044715), constant(x, -2 * linear));
  const Expr decay = exp_of(minus_2u);
  return times_sigmoid(x, x, decay);
}

/// x tanh(log(1 + e)) with e = e^x: the tanh is p / (p + 2), where p = e^2 + 2 e. From 20 on it
/// rounds to 1, and e must not overflow.
Expr mish(const Expr& x) {
  const Expr e = exp_of(at_most(20, x));
  const Expr p = fma(e, e, e + e);
  return x * (p / plus(p, 2));
}

/// max(x, 0) + log(1 + e^-|x|); above 20 x itself, where PyTorch stops computing the rest.
Expr softplus(const Expr& x) {
  const Expr sum = at_least(0, x) + unary(UnaryFn::log1p, exp_of(negated(absolute(x))));
  // In f32 the rest is less than half a unit in the last place there.
  return x->type == ir::ElementType::f32 ? sum : select(Compare::gt, x, constant(x, 20), x, sum);
}

Expr positive_or(const Expr& x, const Expr& below) {
  return select(Compare::gt, x, constant(x, 0), x, below);
}

} // namespace

Expr activation(const ir::Unary& op, const Expr& x) {
  switch (op.kind) {
  case UnaryKind::relu: return is_signed(x) ? at_least(0, x) : x;
  case UnaryKind::relu6: return at_most(6, is_signed(x) ? at_least(0, x) : x);
  case UnaryKind::clamp: return clamp(op, x);
  case UnaryKind::leaky_relu: return positive_or(x, x * constant(x, op.a.value_or(0.01)));
  case UnaryKind::elu:
    return positive_or(x, unary(UnaryFn::expm1, x) * constant(x, op.a.value_or(1)));
  case UnaryKind::sigmoid: return sigmoid(x);
  case UnaryKind::tanh: return unary(UnaryFn::tanh, x);
  case UnaryKind::silu: return silu(x);
  case UnaryKind::hardsigmoid: return hardsigmoid(x);
  case UnaryKind::hardswish: return x * hardsigmoid(x);
  case UnaryKind::mish: return mish(x);
  case UnaryKind::gelu: return gelu(x);
  case UnaryKind::gelu_tanh: return gelu_tanh(x);
  case UnaryKind::softplus: return softplus(x);
  case UnaryKind::abs: return is_signed(x) ? absolute(x) : x;
  case UnaryKind::neg: return negated(x);
  case UnaryKind::sqrt: return unary(UnaryFn::sqrt, x);
  case UnaryKind::exp: return exp_of(x);
  }
  return x;
}

} // namespace volute::compiler
