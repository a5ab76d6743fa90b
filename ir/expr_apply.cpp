#include "ir/denormals.h"
#include "ir/diagnostic.h"
#include "ir/expr.h"
#include "ir/number.h"
#include "ir/sum_to_odd.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>

namespace volute::ir {
namespace {

Scalar real(double value) { return {value, 0}; }
Scalar integer(int64_t value) { return {0, value}; }

int64_t bits_of(ElementType type) { return 8 * size_of(type); }

[[noreturn]] void refuse(ElementType type, std::string_view what) {
  throw InternalError(fmt::format("{} has no meaning on {}", what, to_string(type)));
}

double fma_in(ElementType type, double a, double b, double c) {
  if (type == ElementType::f64) return std::fma(a, b, c);
  if (type == ElementType::f32)
    return std::fma(static_cast<float>(a), static_cast<float>(b), static_cast<float>(c));
  return round_to(type, sum_to_odd(a * b, c)); // the product of two narrow numbers is exact
}

double integer_to_real(ElementType type, int64_t value) {
  if (type == ElementType::f64) return static_cast<double>(value);
  if (type == ElementType::f32) return static_cast<float>(value);
  const int64_t low = value & 0xffffffff;
  return round_to(type, sum_to_odd(static_cast<double>(value - low), static_cast<double>(low)));
}

int64_t real_to_integer(ElementType type, double value) {
  if (std::isnan(value)) return 0;
  const double rounded = std::nearbyint(value);
  // The limits of i64 are not doubles: compare before the conversion, which would overflow.
  if (rounded >= static_cast<double>(highest(type))) return highest(type);
  if (rounded <= static_cast<double>(lowest(type))) return lowest(type);
  return static_cast<int64_t>(rounded);
}

Scalar convert(ElementType to, ElementType from, Scalar a) {
  if (is_float(from))
    return is_float(to) ? real(round_to(to, a.real)) : integer(real_to_integer(to, a.real));
  return is_float(to) ? real(integer_to_real(to, a.integer)) : integer(wrap_to(to, a.integer));
}

Scalar bitcast(ElementType to, ElementType from, Scalar a) {
  std::byte bytes[8] = {};
  if (is_float(from))
    write_real(bytes, from, a.real);
  else
    write_integer(bytes, from, a.integer);
  return is_float(to) ? real(read_real(bytes, to)) : integer(read_integer(bytes, to));
}

Scalar unary_real(ElementType type, UnaryFn fn, double a) {
  switch (fn) {
  case UnaryFn::neg: return real(-a);
  case UnaryFn::abs: return real(std::fabs(a));
  case UnaryFn::sqrt:
    return real(type == ElementType::f32 ? std::sqrt(static_cast<float>(a))
                                         : round_to(type, std::sqrt(a)));
  case UnaryFn::rint: return real(std::nearbyint(a));
  case UnaryFn::exp: return real(round_to(type, std::exp(a)));
  case UnaryFn::expm1: return real(round_to(type, std::expm1(a)));
  case UnaryFn::log: return real(round_to(type, std::log(a)));
  case UnaryFn::log1p: return real(round_to(type, std::log1p(a)));
  case UnaryFn::tanh: return real(round_to(type, std::tanh(a)));
  case UnaryFn::erf: return real(round_to(type, std::erf(a)));
  default: refuse(type, to_string(fn));
  }
}

Scalar unary_integer(ElementType type, UnaryFn fn, int64_t a) {
  const auto negated = static_cast<int64_t>(0 - static_cast<uint64_t>(a));
  switch (fn) {
  case UnaryFn::neg: return integer(wrap_to(type, negated));
  case UnaryFn::abs: return integer(wrap_to(type, a < 0 ? negated : a));
  case UnaryFn::rint: return integer(a);
  default: refuse(type, to_string(fn));
  }
}

// In double for the narrow types too: with more than twice their digits, rounding twice gives what
// rounding once would.
template <class Float>
double arithmetic(BinaryFn fn, Float a, Float b) {
  switch (fn) {
  case BinaryFn::add: return a + b;
  case BinaryFn::sub: return a - b;
  case BinaryFn::mul: return a * b;
  case BinaryFn::div: return a / b;
  case BinaryFn::max: return a > b ? a : b;
  case BinaryFn::min: return a < b ? a : b;
  default: return 0;
  }
}

Scalar binary_real(ElementType type, BinaryFn fn, double a, double b) {
  if (fn > BinaryFn::min) refuse(type, to_string(fn));
  if (type == ElementType::f32)
    return real(arithmetic(fn, static_cast<float>(a), static_cast<float>(b)));
  return real(round_to(type, arithmetic(fn, a, b)));
}

// Integers wrap. What hardware leaves open is fixed here: x / 0 is 0, and a shift by the width or
// more (or by a negative number) leaves no bit but copies of the sign.
Scalar binary_integer(ElementType type, BinaryFn fn, int64_t a, int64_t b) {
  const auto ua = static_cast<uint64_t>(a);
  const auto ub = static_cast<uint64_t>(b);
  const bool out = b < 0 || b >= bits_of(type);
  const auto wrapped = [&](uint64_t v) { return integer(wrap_to(type, static_cast<int64_t>(v))); };
  switch (fn) {
  case BinaryFn::add: return wrapped(ua + ub);
  case BinaryFn::sub: return wrapped(ua - ub);
  case BinaryFn::mul: return wrapped(ua * ub);
  case BinaryFn::div: return b == 0 ? integer(0) : b == -1 ? wrapped(0 - ua) : integer(a / b);
  case BinaryFn::max: return integer(a > b ? a : b);
  case BinaryFn::min: return integer(a < b ? a : b);
  case BinaryFn::bit_and: return wrapped(ua & ub);
  case BinaryFn::bit_or: return wrapped(ua | ub);
  case BinaryFn::bit_xor: return wrapped(ua ^ ub);
  case BinaryFn::shift_left: return out ? integer(0) : wrapped(ua << ub);
  case BinaryFn::shift_right: return integer(out ? (a < 0 ? -1 : 0) : a >> b);
  }
  refuse(type, to_string(fn));
}

template <class T>
bool holds(Compare compare, T a, T b) {
  switch (compare) {
  case Compare::lt: return a < b;
  case Compare::le: return a <= b;
  case Compare::gt: return a > b;
  case Compare::ge: return a >= b;
  case Compare::eq: return a == b;
  case Compare::ne: return a != b;
  case Compare::unordered: return a != a || b != b;
  }
  return false;
}

// Float products are added one by one, the last of the group first, each by an fma.
Scalar apply_dot(ElementType type, const Dot& dot, const Scalar* x) {
  const Scalar* a = x + 1;
  const Scalar* b = a + dot.ways;
  Scalar sum = x[0];
  for (int32_t k = dot.ways - 1; k >= 0; --k) {
    if (is_float(type))
      sum.real = fma_in(type, a[k].real, b[k].real, sum.real);
    else
      sum.integer =
          binary_integer(type, BinaryFn::add, sum.integer,
                         binary_integer(type, BinaryFn::mul, a[k].integer, b[k].integer).integer)
              .integer;
  }
  return sum;
}

double upper_half(double single) {
  const auto bits = std::bit_cast<uint32_t>(static_cast<float>(single));
  return std::bit_cast<float>(bits & 0xffff0000);
}

Scalar apply_unary(ElementType type, const UnaryOp& op, Scalar a) {
  if (op.fn == UnaryFn::splat) return a;
  if (op.fn == UnaryFn::convert) return convert(type, op.a->type, a);
  if (op.fn == UnaryFn::flushed)
    return convert(type, op.a->type, real(without_denormal(ElementType::f32, a.real)));
  if (op.fn == UnaryFn::cut) return real(upper_half(a.real));
  if (op.fn == UnaryFn::bitcast) return bitcast(type, op.a->type, a);
  return is_float(type) ? unary_real(type, op.fn, a.real) : unary_integer(type, op.fn, a.integer);
}

} // namespace

Scalar apply(const ExprNode& node, const Scalar* x) {
  const ElementType type = node.type;
  if (std::holds_alternative<Fma>(node.is)) {
    if (is_float(type)) return real(fma_in(type, x[0].real, x[1].real, x[2].real));
    const Scalar product = binary_integer(type, BinaryFn::mul, x[0].integer, x[1].integer);
    return binary_integer(type, BinaryFn::add, product.integer, x[2].integer);
  }
  if (const auto* op = std::get_if<BinaryOp>(&node.is))
    return is_float(type) ? binary_real(type, op->fn, x[0].real, x[1].real)
                          : binary_integer(type, op->fn, x[0].integer, x[1].integer);
  if (const auto* op = std::get_if<UnaryOp>(&node.is)) return apply_unary(type, *op, x[0]);
  if (const auto* op = std::get_if<Select>(&node.is)) {
    const bool chosen = is_float(op->a->type) ? holds(op->compare, x[0].real, x[1].real)
                                              : holds(op->compare, x[0].integer, x[1].integer);
    return chosen ? x[2] : x[3];
  }
  if (const auto* op = std::get_if<Dot>(&node.is)) return apply_dot(type, *op, x);
  if (const auto* number = std::get_if<Imm>(&node.is))
    return is_float(type) ? real(round_to(type, number->real))
                          : integer(wrap_to(type, number->integer));
  throw InternalError("apply: a leaf that reads memory, registers or loop variables has no value "
                      "of its own");
}

} // namespace volute::ir
