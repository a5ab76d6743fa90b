// Polynomials here are minimax fits: Lawson's iteration on Chebyshev nodes against 40-digit values,
// coefficients rounded to f32 one after the other from the lowest degree up, the higher ones fitted
// again after each rounding. "Error" is that of the rounded polynomial in exact arithmetic.

#include "compiler/passes/expand_math.h"

#include <initializer_list>
#include <limits>

namespace volute::compiler {
namespace {

using ir::BinaryFn;
using ir::Compare;
using ir::ElementType;
using ir::Expr;

/// Constants in as many lanes as the argument has.
struct Lanes {
  int32_t lanes;
  Expr real(float value) const { return ir::imm(value, ElementType::f32, lanes); }
  Expr whole(int32_t value) const { return ir::imm_integer(value, ElementType::i32, lanes); }
};

Expr larger(Expr a, Expr b) { return ir::binary(BinaryFn::max, std::move(a), std::move(b)); }
Expr smaller(Expr a, Expr b) { return ir::binary(BinaryFn::min, std::move(a), std::move(b)); }
Expr absolute(Expr a) { return ir::unary(ir::UnaryFn::abs, std::move(a)); }
Expr bits_of(Expr a) { return ir::bitcast_to(ElementType::i32, std::move(a)); }
Expr shift_left(Expr a, Expr by) {
  return binary(BinaryFn::shift_left, std::move(a), std::move(by));
}
Expr shift_right(Expr a, Expr by) {
  return binary(BinaryFn::shift_right, std::move(a), std::move(by));
}

/// c[0] * x^n + ... + c[n - 1] * x + c[n], highest degree first.
Expr polynomial(Lanes in, const Expr& x, std::initializer_list<float> coefficients) {
  Expr sum;
  for (float coefficient : coefficients)
    sum = sum ? fma(sum, x, in.real(coefficient)) : in.real(coefficient);
  return sum;
}

/// 2^exponent, for exponents in [-126, 127].
Expr power_of_two(Lanes in, const Expr& exponent) {
  return ir::bitcast_to(ElementType::f32, shift_left(exponent + in.whole(127), in.whole(23)));
}

// ln 2 in two parts. The first has 15 bits, so that its product with an exponent (8 bits) is exact
// even without Fma.
constexpr float ln2_high = 0x1.62e4p-1f;
constexpr float ln2_low = 0x1.7f7d1cp-20f;

/// x = exponent * ln 2 + rest, |rest| <= ln 2 / 2 and a rounding error.
struct Reduced {
  Expr exponent; // i32
  Expr rest;
};

/// For |x| < 2^20. Adding 1.5 * 2^23 leaves the nearest whole number in the low bits of the sum:
/// no conversion to integers, which is slower and has NaN to care for. Of a NaN the exponent is
/// arbitrary and the rest NaN.
Reduced reduce(Lanes in, const Expr& x) {
  const Expr round = in.real(0x1.8p23f);
  const Expr shifted = fma(x, in.real(0x1.715476p+0f), round);
  const Expr whole = shifted - round;
  const Expr most = fma(whole, in.real(-ln2_high), x);
  return {bits_of(shifted) - bits_of(round), fma(whole, in.real(-ln2_low), most)};
}

/// (e^r - 1 - r) / r^2 for |r| <= 0.34665: degree 4; 1.4e-8 of e^r - 1, 4.8e-9 of e^r.
Expr exp_tail(Lanes in, const Expr& r) {
  return polynomial(
      in, r, {0x1.6b9a26p-10f, 0x1.12253ep-7f, 0x1.5556f4p-5f, 0x1.5554b4p-3f, 0x1.fffffep-2f});
}

/// e^r for a reduced argument.
Expr exp_of_rest(Lanes in, const Expr& r) {
  const Expr one = in.real(1);
  return fma(fma(exp_tail(in, r), r, one), r, one);
}

/// e^x where neither it nor 2^exponent leaves the normal numbers.
Expr exp_inside(Lanes in, const Expr& x) {
  const Reduced reduced = reduce(in, x);
  return exp_of_rest(in, reduced.rest) * power_of_two(in, reduced.exponent);
}

/// The magnitude, below or above, with the sign of x.
Expr with_sign_of(Lanes in, const Expr& x, const Expr& magnitude) {
  const Expr sign =
      binary(BinaryFn::bit_and, bits_of(x), in.whole(std::numeric_limits<int32_t>::min()));
  return ir::bitcast_to(ElementType::f32, binary(BinaryFn::bit_or, bits_of(magnitude), sign));
}

// Clamps write the constant first: max(c, x) and min(c, x) are x when x is NaN.

Expr expand_exp(Lanes in, const Expr& x) {
  // e^-104 rounds to 0 and e^89 overflows. Exponents reach -150 and 128, which is more than one
  // power of two holds: the first factor keeps the product normal, the second rounds once.
  const Reduced reduced = reduce(in, smaller(in.real(89), larger(in.real(-104), x)));
  const Expr half = shift_right(reduced.exponent, in.whole(1));
  return exp_of_rest(in, reduced.rest) * power_of_two(in, half) *
         power_of_two(in, reduced.exponent - half);
}

Expr expand_expm1(Lanes in, const Expr& x) {
  // e^x - 1 = 2^k (e^r - 1) + (2^k - 1), at half size because 2^128 is not a number. Tiny arguments
  // are their own result, which also keeps -0.
  const Reduced reduced = reduce(in, smaller(in.real(89), larger(in.real(-20), x)));
  const Expr& r = reduced.rest;
  const Expr less_one = fma(exp_tail(in, r) * r, r, r);
  const Expr scale = power_of_two(in, reduced.exponent - in.whole(1));
  const Expr half = fma(less_one, scale, scale - in.real(0.5f));
  return select(Compare::lt, absolute(x), in.real(0x1p-24f), x, half + half);
}

Expr expand_log1p(Lanes in, const Expr& x) {
  // 1 + x = 2^k (1 + f) with 1 + f in [1/sqrt 2, sqrt 2]; k comes from the rounded sum, f from x
  // itself: f = 2^-k x + (2^-k - 1) is rounded once, and exact for k = 0. k reaches 128, so 2^-k is
  // applied in two halves.
  const Expr sum = x + in.real(1);
  const Expr k = shift_right(bits_of(sum) - in.whole(0x3f3504f3), in.whole(23));
  const Expr half = shift_right(k, in.whole(1));
  const Expr scale0 = power_of_two(in, in.whole(0) - half);
  const Expr scale1 = power_of_two(in, half - k);
  const Expr f = fma(x * scale0, scale1, fma(scale0, scale1, in.real(-1)));

  // (log(1 + f) - f + f^2 / 2) / f^3 on [-0.2930, 0.4143]: degree 7; 5.9e-9 of log(1 + f).
  const Expr tail = polynomial(in, f,
                               {-0x1.38e342p-4f, 0x1.056dbcp-3f, -0x1.0d84d6p-3f, 0x1.22d758p-3f,
                                -0x1.547210p-3f, 0x1.99a02ap-3f, -0x1.000228p-2f, 0x1.555554p-2f});
  const Expr exponent = ir::convert_to(ElementType::f32, k);
  const Expr curved = f * f * fma(f, tail, in.real(-0.5f));
  const Expr small = fma(exponent, in.real(ln2_low), curved);
  const Expr inside = fma(exponent, in.real(ln2_high), small + f);

  constexpr float infinity = std::numeric_limits<float>::infinity();
  const Expr tiny = select(Compare::lt, absolute(x), in.real(0x1p-24f), x, inside);
  const Expr up_to_infinity = select(Compare::lt, x, in.real(infinity), tiny, x);
  const Expr at_most_one = select(Compare::eq, x, in.real(-1), in.real(-infinity),
                                  in.real(std::numeric_limits<float>::quiet_NaN()));
  return select(Compare::gt, x, in.real(-1), up_to_infinity, at_most_one);
}

Expr expand_tanh(Lanes in, const Expr& x) {
  // (tanh x - x) / x^3 in x^2, for |x| <= 0.6: degree 4; 2.8e-9 of tanh x.
  const Expr square = x * x;
  const Expr tail = polynomial(
      in, square,
      {-0x1.828776p-8f, 0x1.54c3c2p-6f, -0x1.b89abap-5f, 0x1.1109bep-3f, -0x1.55553ep-2f});
  const Expr small = fma(tail, square, in.real(1)) * x; // keeps -0, x + ... would not
  // Beyond, 1 - 2 / (e^2|x| + 1); from 9.02 on it rounds to 1.
  const Expr magnitude = absolute(x);
  const Expr power = exp_inside(in, smaller(in.real(20), magnitude + magnitude));
  const Expr large = in.real(1) - in.real(2) / (power + in.real(1));
  return select(Compare::lt, magnitude, in.real(0.6f), small, with_sign_of(in, x, large));
}

Expr expand_erf(Lanes in, const Expr& x) {
  // erf x / x - 1 in x^2, for |x| <= 0.93: degree 6; 9.0e-10 of erf x.
  const Expr square = x * x;
  const Expr tail = polynomial(in, square,
                               {0x1.4f6760p-14f, -0x1.a60a2ep-11f, 0x1.544a1ap-8f, -0x1.b8011ap-6f,
                                0x1.ce2d64p-4f, -0x1.812740p-2f, 0x1.06eba8p-3f});
  const Expr small = fma(tail, x, x);
  // Beyond, 1 - e^g with g = log(erfc |x|) on [0.9, 3.925]: degree 6; 1.7e-9 of erf x. From 3.92 on
  // it rounds to 1.
  const Expr magnitude = absolute(x);
  const Expr g = polynomial(in, smaller(in.real(4), magnitude),
                            {0x1.9fb3e4p-13f, -0x1.91cd5ep-9f, 0x1.6d9cf4p-6f, -0x1.aa7326p-4f,
                             -0x1.4621bap-1f, -0x1.20b752p+0f, -0x1.5d10e4p-13f});
  const Expr large = in.real(1) - exp_inside(in, g);
  return select(Compare::lt, magnitude, in.real(0.93f), small, with_sign_of(in, x, large));
}

} // namespace

Expr expand_math(const Expr& expr) {
  return rewrite(expr, [](const Expr& node) {
    const auto* op = std::get_if<ir::UnaryOp>(&node->is);
    if (!op || node->type != ElementType::f32) return node;
    const Lanes in{node->lanes};
    switch (op->fn) {
    case ir::UnaryFn::exp: return expand_exp(in, op->a);
    case ir::UnaryFn::expm1: return expand_expm1(in, op->a);
    case ir::UnaryFn::log1p: return expand_log1p(in, op->a);
    case ir::UnaryFn::tanh: return expand_tanh(in, op->a);
    case ir::UnaryFn::erf: return expand_erf(in, op->a);
    default: return node;
    }
  });
}

Expr split_fma(const Expr& expr) {
  return rewrite(expr, [](const Expr& node) {
    const auto* op = std::get_if<ir::Fma>(&node->is);
    return op ? op->a * op->b + op->c : node;
  });
}

} // namespace volute::compiler
