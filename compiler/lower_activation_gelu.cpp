// gelu with all its digits. x / 2 (1 + erf(x / sqrt 2)) has none left below -5, where the sum
// cancels; here nothing does:
//
//     gelu(x) = max(x, 0) - h(|x|)     h(t) = t Phi(-t) = t e^(-t^2 / 2) R(t)
//
// R, which falls slowly from 1/2 like 0.4 / t, is a quotient of polynomials with positive
// coefficients. t^2 needs more digits than the type has, or e^ would lose as many as its argument
// has before the point: t = high + low with half the digits each makes high^2 exact, and the rest
// of the square a small number whose e^ is a polynomial.

#include "compiler/lower_activation.h"

#include <initializer_list>

namespace volute::compiler {

using ir::BinaryFn;
using ir::Compare;
using ir::ElementType;
using ir::Expr;
using ir::UnaryFn;

namespace {

struct Fit {
  double largest;                           // from here on h rounds to 0
  int64_t high_digits;                      // mask of the upper half of a number's digits
  std::initializer_list<double> p, q, tail; // R = p / q, (e^v - 1) / v; highest degree first
};

// |x|: 14.6. R: 6.1e-9 of it, its rounded coefficients 3e-8. v in [-0.057, 0]: 4.2e-9 of e^v.
const Fit single = {14.6,
                    ~int64_t{0xfff},
                    {0x1.0e4732p-8, 0x1.4d4c46p-5, 0x1.77959ep-3, 0x1.c10760p-2, 0.5},
                    {0x1.52bd50p-7, 0x1.a1c0d0p-4, 0x1.e128aap-2, 0x1.340196p+0, 0x1.acc5e0p+0, 1},
                    {0x1.4c014cp-3, 0x1.ffd846p-2, 0x1.ffffdp-1}};

// |x|: 38.7. R: 1.0e-18 of it. v in [-3.7e-5, 0]: 8e-20 of e^v.
const Fit wide = {
    38.7,
    ~int64_t{0x7ffffff},
    {0x1.e036e0772ee7bp-23, 0x1.d327a68872fd1p-18, 0x1.be3249ee040ebp-14, 0x1.1024d87595f3fp-10,
     0x1.d237ec17eae1ap-8, 0x1.23e3fb6bed7d5p-5, 0x1.0e35cff5f171ep-3, 0x1.6db24e4a03c91p-2,
     0x1.5bd0731ec5a1bp-1, 0x1.a7cde03ad8aa8p-1, 0.5},
    {0x1.2cee027167aa5p-21, 0x1.24bef401ae676p-16, 0x1.18332d18a1f8cp-12, 0x1.575e70dd7a4c1p-9,
     0x1.288278e7384f6p-6, 0x1.7858af565c524p-4, 0x1.6460b944137c5p-2, 0x1.f57c7326e2104p-1,
     0x1.001033cb51a95p+1, 0x1.6877c69b2eb09p+1, 0x1.3a0804ecbd2e8p+1, 1},
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
  const Expr slow = t * polynomial(t, fit.p) / polynomial(t, fit.q);
  const Expr corrected = fma(slow * v, polynomial(v, fit.tail), slow);
  // e^ last: where it is denormal the result is too, and is rounded about as finely.
  const Expr h = corrected * unary(UnaryFn::exp, high * high * real(-0.5));
  // x * 0 rather than 0: it keeps -0, and makes NaN of -infinity as -infinity * Phi does.
  return select(Compare::gt, x, real(0), x, x * real(0)) - h;
}

} // namespace volute::compiler
