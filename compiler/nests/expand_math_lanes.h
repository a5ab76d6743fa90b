// What the expansions of exp, log and their relatives are written with: constants and bits of one
// float type in as many lanes as the argument has.
#pragma once

#include "ir/expr.h"

#include <initializer_list>

namespace volute::compiler {

/// Coefficients in both types, highest degree first. Each list is a fit of its own.
struct Coefficients {
  std::initializer_list<double> f32, f64;
};

struct Lanes {
  ir::ElementType type; // f32 or f64
  int32_t lanes;

  bool wide() const { return type == ir::ElementType::f64; }
  int32_t mantissa_bits() const { return wide() ? 52 : 23; }
  int32_t exponent_bits() const { return wide() ? 11 : 8; }
  int64_t bias() const { return wide() ? 1023 : 127; }
  /// The exponent field of infinity, in place.
  int64_t exponent_mask() const { return (2 * bias() + 1) << mantissa_bits(); }
  int64_t sign_bit() const { return int64_t{-1} << (mantissa_bits() + exponent_bits()); }
  ir::ElementType bits_type() const { return wide() ? ir::ElementType::i64 : ir::ElementType::i32; }

  double pick(double f32, double f64) const { return wide() ? f64 : f32; }
  ir::Expr real(double value) const { return ir::imm(value, type, lanes); }
  ir::Expr real(double f32, double f64) const { return real(pick(f32, f64)); }
  ir::Expr whole(int64_t value) const { return ir::imm_integer(value, bits_type(), lanes); }

  // ln 2 in two parts. The first has 15 bits (f64: 41), so that its product with an exponent of 8
  // (11) bits is exact even without Fma.
  double ln2_high() const { return pick(0x1.62e4p-1, 0x1.62e42fefa3p-1); }
  double ln2_low() const { return pick(0x1.7f7d1cp-20, 0x1.3de6af278ece6p-42); }

  ir::Expr bits_of(ir::Expr a) const { return ir::bitcast_to(bits_type(), std::move(a)); }
  ir::Expr from_bits(ir::Expr a) const { return ir::bitcast_to(type, std::move(a)); }
  ir::Expr shift_left(ir::Expr a, int64_t by) const {
    return binary(ir::BinaryFn::shift_left, std::move(a), whole(by));
  }
  /// Of a value whose sign bit is known to be clear, or the shift is slow: instruction sets before
  /// AVX-512 have no arithmetic shift of 64 bits.
  ir::Expr shift_right(ir::Expr a, int64_t by) const {
    return binary(ir::BinaryFn::shift_right, std::move(a), whole(by));
  }
  ir::Expr masked(ir::Expr a, int64_t mask) const {
    return binary(ir::BinaryFn::bit_and, std::move(a), whole(mask));
  }

  /// c[0] * x^n + ... + c[n - 1] * x + c[n]
  ir::Expr polynomial(const ir::Expr& x, const Coefficients& coefficients) const {
    ir::Expr sum;
    for (double coefficient : wide() ? coefficients.f64 : coefficients.f32)
      sum = sum ? fma(sum, x, real(coefficient)) : real(coefficient);
    return sum;
  }
};

ir::Expr expand_exp(Lanes in, const ir::Expr& x);
ir::Expr expand_expm1(Lanes in, const ir::Expr& x);
ir::Expr expand_tanh(Lanes in, const ir::Expr& x);
ir::Expr expand_erf(Lanes in, const ir::Expr& x);
ir::Expr expand_log(Lanes in, const ir::Expr& x);
ir::Expr expand_log1p(Lanes in, const ir::Expr& x);

} // namespace volute::compiler
