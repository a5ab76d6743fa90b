// log and log1p.

#include "compiler/nests/expand_math_lanes.h"

#include <limits>

namespace volute::compiler {
namespace {

using ir::Compare;
using ir::Expr;

constexpr double infinity = std::numeric_limits<double>::infinity();

/// x = 2^k m with m in [1/sqrt 2, sqrt 2], of a positive normal number.
struct Parts {
  Expr biased; // k + bias where a number has its exponent
  Expr m;
};

Parts parts(Lanes in, const Expr& x) {
  const Expr bits = in.bits_of(x);
  const int64_t one = in.bias() << in.mantissa_bits();
  const int64_t root = in.wide() ? 0x3fe6a09e667f3bcd : 0x3f3504f3; // 1 / sqrt 2
  const Expr biased = in.masked(bits + in.whole(one - root), in.exponent_mask());
  return {biased, in.from_bits(bits + in.whole(one) - biased)};
}

/// k + bias as a number: put into the low mantissa bits of 2^mantissa_bits, for no instruction
/// before AVX-512 converts 64 bits.
Expr biased_exponent(Lanes in, const Parts& of) {
  const int64_t low_bits = (in.bias() + in.mantissa_bits()) << in.mantissa_bits();
  const Expr shifted = in.shift_right(of.biased, in.mantissa_bits());
  return in.from_bits(binary(ir::BinaryFn::bit_or, shifted, in.whole(low_bits)));
}

/// What biased_exponent gives for k = 0.
double exponent_zero(Lanes in) { return in.pick(0x1p23, 0x1p52) + static_cast<double>(in.bias()); }

/// k ln 2 + log(1 + f) for f in [-0.2930, 0.4143].
Expr log_of_parts(Lanes in, const Expr& k, const Expr& f) {
  const Expr high = in.real(in.ln2_high()), low = in.real(in.ln2_low());
  if (!in.wide()) {
    // (log(1 + f) - f + f^2 / 2) / f^3: degree 7, 5.9e-9 of log(1 + f).
    const Expr tail =
        in.polynomial(f, {{-0x1.38e342p-4, 0x1.056dbcp-3, -0x1.0d84d6p-3, 0x1.22d758p-3,
                           -0x1.547210p-3, 0x1.99a02ap-3, -0x1.000228p-2, 0x1.555554p-2},
                          {}});
    const Expr curved = f * f * fma(f, tail, in.real(-0.5));
    return fma(k, high, fma(k, low, curved) + f);
  }
  // With s = f / (2 + f), log(1 + f) = 2 atanh s = 2 s + s R(s^2), and 2 s = f - s f, so that f
  // itself enters without an error: f - (f^2 / 2 - s (f^2 / 2 + R)). R / s^2: degree 6, 2.0e-18 of
  // log(1 + f). A polynomial in f would need three times the degree, more than a division costs.
  const Expr s = f / (in.real(2) + f);
  const Expr z = s * s;
  const Expr r =
      z * in.polynomial(z, {{},
                            {0x1.2f088868fbbd5p-3, 0x1.39a16e977b63ep-3, 0x1.746641b5ce8a6p-3,
                             0x1.c71c51fc7053cp-3, 0x1.2492494200223p-2, 0x1.999999997fcb9p-2,
                             0x1.5555555555593p-1}});
  const Expr half_square = in.real(0.5) * f * f;
  return fma(k, high, f - (half_square - fma(s, half_square + r, k * low)));
}

/// `inside` above the pole, -infinity at it, NaN below and for NaN, infinity at infinity.
Expr with_edges(Lanes in, const Expr& x, double pole, const Expr& inside) {
  const Expr up_to_infinity = select(Compare::lt, x, in.real(infinity), inside, x);
  const Expr at_most_pole = select(Compare::eq, x, in.real(pole), in.real(-infinity),
                                   in.real(std::numeric_limits<double>::quiet_NaN()));
  return select(Compare::gt, x, in.real(pole), up_to_infinity, at_most_pole);
}

} // namespace

Expr expand_log(Lanes in, const Expr& x) {
  // Denormals are taken at 2^mantissa_bits their size.
  const Expr least = in.real(0x1p-126, 0x1p-1022);
  const Expr normal = select(Compare::lt, x, least, x * in.real(0x1p23, 0x1p52), x);
  const double zero = exponent_zero(in);
  const Expr from =
      select(Compare::lt, x, least, in.real(zero + in.mantissa_bits()), in.real(zero));
  const Parts of = parts(in, normal);
  const Expr k = biased_exponent(in, of) - from;
  return with_edges(in, x, 0, log_of_parts(in, k, of.m - in.real(1)));
}

Expr expand_log1p(Lanes in, const Expr& x) {
  // 1 + x = sum + error = 2^k (m + 2^-k error). The error is exact, or of no weight beside a sum
  // that is so large; where 2^-k would be denormal it is 0. Halved, so that 2^(1 - k) serves, which
  // is 0 and not beyond all exponents where k is largest.
  const Expr sum = x + in.real(1);
  const Expr error = x - (sum - in.real(1));
  const Parts of = parts(in, sum);
  const Expr scale = in.from_bits(in.whole(in.exponent_mask()) - of.biased);
  const Expr f = fma(in.real(0.5) * error, scale, of.m - in.real(1));
  const Expr k = biased_exponent(in, of) - in.real(exponent_zero(in));
  // Tiny arguments are their own result, which also keeps -0.
  const Expr tiny = select(Compare::lt, ir::unary(ir::UnaryFn::abs, x), in.real(0x1p-24, 0x1p-53),
                           x, log_of_parts(in, k, f));
  return with_edges(in, x, -1, tiny);
}

} // namespace volute::compiler
