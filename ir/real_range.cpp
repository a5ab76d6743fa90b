#include "ir/real_range.h"

#include "ir/number.h"

#include <algorithm>
#include <cmath>

namespace volute::ir {
namespace {

RealRange range_of(const UnaryOp& op, ElementType type, int32_t depth) {
  // Both round each of a range's ends as they round what lies between: order is kept.
  if (op.fn == UnaryFn::convert && is_integer(op.a->type))
    return {round_integer_to(type, lowest(op.a->type)), round_integer_to(type, highest(op.a->type)),
            false};
  if (op.fn == UnaryFn::rint || op.fn == UnaryFn::convert) {
    const RealRange a = range_of(op.a, depth);
    const auto rounded = [&](double v) {
      return round_to(type, op.fn == UnaryFn::rint ? round_half_even(v) : v);
    };
    return {rounded(a.low), rounded(a.high), a.may_be_nan};
  }
  if (op.fn == UnaryFn::splat) return range_of(op.a, depth);
  return {};
}

// Of numbers, one of the four products of ends is the lowest, and one the highest. A product of a
// zero and an infinity is NaN.
RealRange product(const RealRange& a, const RealRange& b, ElementType type) {
  const bool is_finite = std::isfinite(a.low) && std::isfinite(a.high) && std::isfinite(b.low) &&
                         std::isfinite(b.high) && !a.may_be_nan && !b.may_be_nan;
  if (!is_finite) return {};
  const auto [low, high] =
      std::minmax({a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high});
  return {round_to(type, low), round_to(type, high), false};
}

// Both give their second operand where either is NaN.
RealRange larger(const RealRange& a, const RealRange& b) {
  return {a.may_be_nan ? b.low : std::max(a.low, b.low), std::max(a.high, b.high), b.may_be_nan};
}

RealRange smaller(const RealRange& a, const RealRange& b) {
  return {std::min(a.low, b.low), a.may_be_nan ? b.high : std::min(a.high, b.high), b.may_be_nan};
}

} // namespace

RealRange range_of(const Expr& expr, int32_t depth) {
  if (depth == 0 || !is_float(expr->type)) return {};
  if (const auto* number = std::get_if<Imm>(&expr->is))
    return std::isnan(number->real) ? RealRange{} : RealRange{number->real, number->real, false};
  if (const auto* op = std::get_if<UnaryOp>(&expr->is)) return range_of(*op, expr->type, depth - 1);
  if (const auto* op = std::get_if<BinaryOp>(&expr->is)) {
    const auto a = [&] { return range_of(op->a, depth - 1); };
    const auto b = [&] { return range_of(op->b, depth - 1); };
    if (op->fn == BinaryFn::mul) return product(a(), b(), expr->type);
    if (op->fn == BinaryFn::max) return larger(a(), b());
    if (op->fn == BinaryFn::min) return smaller(a(), b());
  }
  return {};
}

} // namespace volute::ir
