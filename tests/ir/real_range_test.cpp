// The range of an expression holds every value that the evaluator gives it.

#include "ir/number.h"
#include "ir/real_range.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"

#include <cmath>
#include <limits>
#include <vector>

using namespace volute;
using namespace volute::ir;
using tests::Dice;

namespace {

constexpr ElementType f32 = ElementType::f32, f64 = ElementType::f64, u8 = ElementType::u8,
                      i8 = ElementType::i8, i32 = ElementType::i32;
constexpr double inf = std::numeric_limits<double>::infinity();

Expr drawn(Dice& dice, ElementType type, int depth) {
  static const std::vector<double> numbers = {
      0, -0.0, 1, -1, 0.5, 255, -128, 0.0123, 1e30, -1e38, inf, -inf, -300, 3e9, std::nan("")};
  switch (depth == 0 ? dice.between(0, 2) : dice.between(0, 7)) {
  case 0: return imm(round_to(type, dice.one_of(numbers)), type);
  case 1: return convert_to(type, read(dice.one_of(std::vector{u8, i8, i32}), 0, {}));
  case 2: return read(type, 0, {});
  case 3: return unary(UnaryFn::rint, drawn(dice, type, depth - 1));
  case 4: return convert_to(type, drawn(dice, type == f32 ? f64 : f32, depth - 1));
  default: {
    const std::vector<BinaryFn> functions = {BinaryFn::mul, BinaryFn::max, BinaryFn::min,
                                             BinaryFn::add};
    Expr a = drawn(dice, type, depth - 1);
    return binary(dice.one_of(functions), std::move(a), drawn(dice, type, depth - 1));
  }
  }
}

/// With a value drawn for each read: often one that is at an end of what there is.
Scalar value(Dice& dice, const Expr& e) {
  if (const auto* number = std::get_if<Imm>(&e->is)) return {number->real, number->integer};
  if (std::holds_alternative<Read>(e->is)) {
    if (is_float(e->type))
      return {round_to(e->type, dice.one_of(std::vector<double>{std::nan(""), inf, -inf, 0, 1e38,
                                                                1e-44, 7.5, -3e38})),
              0};
    return {0, dice.one_of({lowest(e->type), highest(e->type), 0, 1})};
  }
  std::vector<Scalar> operands;
  for (const Expr& child : children(e)) operands.push_back(value(dice, child));
  return apply(*e, operands.data());
}

void check(const RealRange& range, double low, double high, bool may_be_nan) {
  CHECK(range.low == low);
  CHECK(range.high == high);
  CHECK(range.may_be_nan == may_be_nan);
}

} // namespace

TEST_CASE("a range holds every value of the expression") {
  Dice dice(5);
  int64_t bounded = 0, never_nan = 0;
  for (int i = 0; i < 4000; ++i) {
    const Expr e = drawn(dice, dice.once_in(2) ? f32 : f64, 4);
    const RealRange range = range_of(e);
    bounded += range.low > -inf || range.high < inf;
    never_nan += !range.may_be_nan;
    for (int k = 0; k < 20; ++k) {
      const double v = value(dice, e).real;
      const bool holds = std::isnan(v) ? range.may_be_nan : range.low <= v && v <= range.high;
      if (!holds) FAIL("expression " << i << ": " << v << " is outside");
    }
  }
  CHECK(bounded > 500);
  CHECK(never_nan > 500);
}

TEST_CASE("a clamped product of a whole number and a scale is between the bounds and no NaN") {
  const Expr scaled = convert_to(f32, read(i32, 0, {})) * imm(0.0625);
  check(range_of(scaled), -0x1p27, 0x1p27, false);
  const Expr clamped = binary(BinaryFn::min, imm(255), binary(BinaryFn::max, scaled, imm(0)));
  check(range_of(clamped), 0, 255, false);
}

TEST_CASE("a NaN goes through a maximum where it stands last, and not where it stands first") {
  const Expr any = read(f32, 0, {});
  check(range_of(binary(BinaryFn::max, imm(0), any)), 0, inf, true);
  check(range_of(binary(BinaryFn::max, any, imm(0))), 0, inf, false);
}

TEST_CASE("what many expressions share is not looked through without end") {
  Expr e = convert_to(f32, read(u8, 0, {}));
  for (int i = 0; i < 200; ++i) e = binary(BinaryFn::max, e, e);
  CHECK(range_of(e).may_be_nan); // deeper than it looks
}
