// gelu with all its digits. x / 2 (1 + erf(x / sqrt 2)) has none left below -5, where the sum
// cancels; here nothing does:
//
//     gelu(x) = max(x, 0) - h(|x|)     h(t) = t Phi(-t)
//
// With r = t / (t + a), h is r e^(-t^2 / 2) H(r), and H varies little: from a / 2 to 0.4. t^2 needs
// more digits than the type has, or e^ would lose as many as its argument has before the point:
// t = high + low with half the digits each makes high^2 exact, and the rest of the square a small
// number whose e^ is a polynomial.

#include "compiler/lower/activation.h"

#include <initializer_list>

namespace volute::compiler {

using ir::BinaryFn;
using ir::Compare;
using ir::ElementType;
using ir::Expr;
using ir::UnaryFn;

namespace {

struct Fit {
  double largest;      // from here on h rounds to 0
  int64_t high_digits; // mask of the upper half of a number's digits
  double a;
  std::initializer_list<double> h, tail; // H in 2 r - 1, (e^v - 1) / v; highest degree first
};

// H: 2.0e-8 of it. v in [-0.057, 0]: 4.2e-9 of e^v.
const Fit single = {14.6,
                    ~int64_t{0xfff},
                    4,
                    {-0x1.c9fcf2p-14, 0x1.b7e468p-13, 0x1.97a700p-10, -0x1.cfdfdcp-9,
                     -0x1.ecfb0cp-8, 0x1.eee372p-5, -0x1.7e002cp-3, 0x1.8c6d72p-2, -0x1.373e38p-1,
                     0x1.82b4bcp-1},
                    {0x1.4c014cp-3, 0x1.ffd846p-2, 0x1.ffffdp-1}};

// H: 5.5e-17 of it. v in [-3.7e-5, 0]: 8e-20 of e^v.
const Fit wide = {
    38.7,
    ~int64_t{0x7ffffff},
    5,
    {0x1.15d54b2e113c7p-29, 0x1.eecb1c782a89dp-28,  -0x1.5f2b401650547p-27, -0x1.18c382c36adc4p-24,
     0x1.768f48efdbe1fp-25, 0x1.d0a84a47b03f1p-22,  -0x1.6a9fe6d722bc0p-22, -0x1.73a9577e17220p-19,
     0x1.0b312c9b1970fp-18, 0x1.17dd0974421f8p-16,  -0x1.a1713bad18bf3p-15, -0x1.f2146087fa45fp-15,
     0x1.1daf1ea4d8732p-11, -0x1.a25037de0ba93p-11, -0x1.88590eb5bc6aap-9,  0x1.54b4d4f4cc330p-6,
     -0x1.1b1c254c94473p-4, 0x1.51f6329f0158bp-3,   -0x1.410ed5f875b35p-2,  0x1.fb31653876f99p-2,
     -0x1.54ad03f27ca16p-1, 0x1.89d3abe1f95aep-1},
    {0x1.5555555555555p-3, 0.5, 1}};

} // namespace

Expr gelu(const Expr& x) {
  const bool is_wide = x->type == ElementType::f64;
  const Fit& fit = is_wide ? wide : single;
  const ElementType bits = is_wide ? ElementType::i64 : ElementType::i32;
  const auto real = [&](double value) { return ir::imm(value, x->type, x->lanes); };
  const auto polynomial = [&](const Expr& at, std::initializer_list<double> coefficients) {
    Expr sum;
    for (double coefficient : coefficients)
      sum = sum ? fma(sum, at, real(coefficient)) : real(coefficient);
    return sum;
  };

  const Expr t = binary(BinaryFn::min, real(fit.largest), unary(UnaryFn::abs, x)); // NaN stays
  const Expr mask = ir::imm_integer(fit.high_digits, bits, x->lanes);
  const Expr high =
      ir::bitcast_to(x->type, binary(BinaryFn::bit_and, ir::bitcast_to(bits, t), mask));
  const Expr v = (t - high) * (t + high) * real(-0.5);
  const Expr r = t / (t + real(fit.a));
  const Expr slow = r * polynomial(fma(r, real(2), real(-1)), fit.h);
  const Expr corrected = fma(slow * v, polynomial(v, fit.tail), slow);
  // e^ last: where it is denormal the result is too, and is rounded about as finely.
  const Expr h = corrected * unary(UnaryFn::exp, high * high * real(-0.5));
  // x * 0 rather than 0: it keeps -0, and makes NaN of -infinity as -infinity * Phi does.
  return select(Compare::gt, x, real(0), x, x * real(0)) - h;
}

} // namespace volute::compiler
