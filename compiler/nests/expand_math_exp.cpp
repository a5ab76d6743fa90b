// exp and what is made of it: expm1, tanh, erf.
//
// Polynomials here and in expand_math_log.cpp are minimax fits: Lawson's or Remez' iteration on
// Chebyshev nodes against 40-digit values. Coefficients are rounded one after the other from the
// lowest degree up where that matters, the higher ones fitted again after each rounding. "Error" is
// that of the rounded polynomial in exact arithmetic, f32 first.

#include "compiler/nests/expand_math_lanes.h"

namespace volute::compiler {
namespace {

using ir::BinaryFn;
using ir::Compare;
using ir::Expr;

// Clamps write the constant first: max(c, x) and min(c, x) are x when x is NaN.
Expr at_least(Expr bound, Expr x) { return binary(BinaryFn::max, std::move(bound), std::move(x)); }
Expr at_most(Expr bound, Expr x) { return binary(BinaryFn::min, std::move(bound), std::move(x)); }
Expr absolute(Expr a) { return ir::unary(ir::UnaryFn::abs, std::move(a)); }

/// x = exponent * ln 2 + rest, |rest| <= ln 2 / 2 and a rounding error.
struct Reduced {
  Expr exponent_bits; // exponent + offset in the low mantissa bits, some constant above them
  Expr rest;
};

/// For |x| < 2^20. Adding 1.5 * 2^mantissa_bits leaves the nearest whole number in the low bits of
/// the sum: no conversion to integers, which is slower, has NaN to care for and does not exist for
/// 64 bits before AVX-512. An offset rides along for nothing. Of a NaN the exponent is arbitrary
/// and the rest NaN.
Reduced reduce(Lanes in, const Expr& x, int64_t offset) {
  const Expr round = in.real(in.pick(0x1.8p23, 0x1.8p52) + static_cast<double>(offset));
  const Expr shifted = fma(x, in.real(0x1.715476p+0, 0x1.71547652b82fep+0), round);
  const Expr whole = shifted - round;
  const Expr most = fma(whole, in.real(-in.ln2_high()), x);
  return {in.bits_of(shifted), fma(whole, in.real(-in.ln2_low()), most)};
}

/// 2^(low bits - bias): the bits above them are shifted out, as long as bias <= 2^exponent_bits.
Expr power_of_two(Lanes in, const Expr& biased) {
  return in.from_bits(in.shift_left(biased, in.mantissa_bits()));
}

/// (e^r - 1 - r) / r^2 for |r| <= 0.34665: degree 4, 1.4e-8 of e^r - 1 and 4.8e-9 of e^r; f64:
/// degree 10, 9.1e-19 of e^r - 1.
Expr exp_tail(Lanes in, const Expr& r) {
  return in.polynomial(
      r,
      {{0x1.6b9a26p-10, 0x1.12253ep-7, 0x1.5556f4p-5, 0x1.5554b4p-3, 0x1.fffffep-2},
       {0x1.1ee905711f88cp-29, 0x1.af5e8283ff28bp-26, 0x1.27e535ddf14e5p-22, 0x1.71ddf877b27b8p-19,
        0x1.a01a017bea1cdp-16, 0x1.a01a01afd661bp-13, 0x1.6c16c16c1f006p-10, 0x1.111111110f6d4p-7,
        0x1.555555555553fp-5, 0x1.5555555555559p-3, 0x1p-1}});
}

/// e^r for a reduced argument.
Expr exp_of_rest(Lanes in, const Expr& r) {
  const Expr one = in.real(1);
  return fma(fma(exp_tail(in, r), r, one), r, one);
}

/// e^x where neither it nor 2^exponent leaves the normal numbers.
Expr exp_inside(Lanes in, const Expr& x) {
  const Reduced reduced = reduce(in, x, in.bias());
  return exp_of_rest(in, reduced.rest) * power_of_two(in, reduced.exponent_bits);
}

/// The magnitude, with the sign of x.
Expr with_sign_of(Lanes in, const Expr& x, const Expr& magnitude) {
  const Expr sign = in.masked(in.bits_of(x), in.sign_bit());
  return in.from_bits(binary(BinaryFn::bit_or, in.bits_of(magnitude), sign));
}

} // namespace

Expr expand_exp(Lanes in, const Expr& x) {
  // e^-104 rounds to 0 and e^89 overflows (f64: -746 and 710). Exponents reach -150 and 128 (-1076
  // and 1024), which is more than one power of two holds: the first factor keeps the product
  // normal, the second rounds once.
  const Expr inside = at_most(in.real(89, 710), at_least(in.real(-104, -746), x));
  const Reduced reduced = reduce(in, inside, 2 * in.bias());
  const int64_t low = (int64_t{2} << in.exponent_bits()) - 1;
  const Expr both = in.masked(reduced.exponent_bits, low);
  const Expr half = in.shift_right(both, 1);
  return exp_of_rest(in, reduced.rest) * power_of_two(in, half) * power_of_two(in, both - half);
}

Expr expand_expm1(Lanes in, const Expr& x) {
  // e^x - 1 = 2^k (e^r - 1) + (2^k - 1), at half size because 2^128 is not a number. Tiny arguments
  // are their own result, which also keeps -0.
  const Expr inside = at_most(in.real(89, 710), at_least(in.real(-20, -40), x));
  const Reduced reduced = reduce(in, inside, in.bias() - 1);
  const Expr& r = reduced.rest;
  const Expr less_one = fma(exp_tail(in, r) * r, r, r);
  const Expr scale = power_of_two(in, reduced.exponent_bits);
  const Expr half = fma(less_one, scale, scale - in.real(0.5));
  return select(Compare::lt, absolute(x), in.real(0x1p-24, 0x1p-53), x, half + half);
}

Expr expand_tanh(Lanes in, const Expr& x) {
  // (tanh x - x) / x^3 in x^2, for |x| <= 0.6: degree 4, 2.8e-9 of tanh x; f64: degree 11, 6.1e-18.
  const Expr square = x * x;
  const Expr tail = in.polynomial(
      square,
      {{-0x1.828776p-8, 0x1.54c3c2p-6, -0x1.b89abap-5, 0x1.1109bep-3, -0x1.55553ep-2},
       {0x1.b2d23b1d44cb3p-18, -0x1.051e0f5d12bap-15, 0x1.83bb068febf7fp-14, -0x1.f20c32155a85fp-13,
        0x1.35209fe7e6985p-11, -0x1.7d9e8ca8d69a2p-10, 0x1.d6d3869fe633ep-9, -0x1.226e33e121311p-7,
        0x1.664f4878fc55ap-6, -0x1.ba1ba1b9f5ffep-5, 0x1.1111111110ecap-3, -0x1.5555555555554p-2}});
  const Expr small = fma(tail, square, in.real(1)) * x; // keeps -0, x + ... would not
  // Beyond, 1 - 2 / (e^2|x| + 1); from 9.02 (f64: 19.1) on it rounds to 1.
  const Expr magnitude = absolute(x);
  const Expr power = exp_inside(in, at_most(in.real(40), magnitude + magnitude));
  const Expr large = in.real(1) - in.real(2) / (power + in.real(1));
  return select(Compare::lt, magnitude, in.real(0.6), small, with_sign_of(in, x, large));
}

Expr expand_erf(Lanes in, const Expr& x) {
  // erf x / x - 1 in x^2, for |x| <= 0.93: degree 6, 9.0e-10 of erf x; f64: degree 11, 1.4e-17.
  const Expr square = x * x;
  const Expr tail =
      in.polynomial(square, {{0x1.4f6760p-14, -0x1.a60a2ep-11, 0x1.544a1ap-8, -0x1.b8011ap-6,
                              0x1.ce2d64p-4, -0x1.812740p-2, 0x1.06eba8p-3},
                             {-0x1.7dc05ad0dba0cp-31, 0x1.c9a64babd97a7p-27, -0x1.5a5384ce4d6a3p-23,
                              0x1.b94193880d4afp-20, -0x1.f4c4c75ee6562p-17, 0x1.f9a26a08168c4p-14,
                              -0x1.c02dad4975d3dp-11, 0x1.565bcce7de687p-8, -0x1.b82ce3118431ep-6,
                              0x1.ce2f21a03f31p-4, -0x1.812746b037999p-2, 0x1.06eba8214db68p-3}});
  const Expr small = fma(tail, x, x);
  // Beyond, 1 - e^g with g = log(erfc |x|) on [0.9, 3.925]: degree 6, 1.7e-9 of erf x; f64: on
  // [0.92, 5.95], degree 18, 2.8e-18. From 3.92 (5.93) on it rounds to 1.
  const Expr magnitude = absolute(x);
  const Expr g = in.polynomial(
      at_most(in.real(4, 5.95), magnitude),
      {{0x1.9fb3e4p-13, -0x1.91cd5ep-9, 0x1.6d9cf4p-6, -0x1.aa7326p-4, -0x1.4621bap-1,
        -0x1.20b752p+0, -0x1.5d10e4p-13},
       {0x1.6e72b8a1378fbp-40, -0x1.010bb4b498edep-34, 0x1.51b2793556abbp-30,
        -0x1.13ca755949a8cp-26, 0x1.392465c597479p-23, -0x1.054135d0d006bp-20,
        0x1.48ac01515b56cp-18, -0x1.37c4d92206ed8p-16, 0x1.ab8b8370b24a6p-15,
        -0x1.5fe8a08879fe9p-14, -0x1.523f8b4def0c6p-16, 0x1.3d656260f3a26p-11,
        -0x1.c4f81ad62b60dp-10, 0x1.ff2a6ff7c5771p-13, 0x1.38fcd16e3e517p-6, -0x1.a4e7878c4fab2p-4,
        -0x1.45f397c45afe6p-1, -0x1.20dd661b7554ap+0, -0x1.697d110bf0682p-24}});
  const Expr large = in.real(1) - exp_inside(in, g);
  return select(Compare::lt, magnitude, in.real(0.93), small, with_sign_of(in, x, large));
}

} // namespace volute::compiler
