#include "ir/diagnostic.h"
#include "ir/expr.h"
#include "ir/number.h"
#include "tests/support/catch.h"

#include <cmath>
#include <limits>
#include <random>

using namespace volute;
using namespace volute::ir;

namespace {

constexpr ElementType f32 = ElementType::f32, f64 = ElementType::f64, f16 = ElementType::f16,
                      bf16 = ElementType::bf16, i8 = ElementType::i8, u8 = ElementType::u8,
                      i32 = ElementType::i32, i64 = ElementType::i64;
const double inf = std::numeric_limits<double>::infinity();
const double quiet_nan = std::numeric_limits<double>::quiet_NaN();

Expr zero(ElementType type) { return is_float(type) ? imm(0, type) : imm_integer(0, type); }

double real(const Expr& node, std::vector<double> x) {
  std::vector<Scalar> operands;
  for (double v : x) operands.push_back({v, 0});
  return apply(*node, operands.data()).real;
}
int64_t integer(const Expr& node, std::vector<int64_t> x) {
  std::vector<Scalar> operands;
  for (int64_t v : x) operands.push_back({0, v});
  return apply(*node, operands.data()).integer;
}
double reals(ElementType type, BinaryFn fn, double a, double b) {
  return real(binary(fn, zero(type), zero(type)), {a, b});
}
int64_t integers(ElementType type, BinaryFn fn, int64_t a, int64_t b) {
  return integer(binary(fn, zero(type), zero(type)), {a, b});
}
int64_t to_integer(ElementType to, double a) {
  return apply(*convert_to(to, zero(f64)), std::vector<Scalar>{{a, 0}}.data()).integer;
}

std::string text(const Expr& e) {
  ExprNames names;
  names.vars = {"h", "w"};
  names.leaf = [](const ExprNode& node) {
    const auto* read = std::get_if<Read>(&node.is);
    return read ? std::string(1, static_cast<char>('a' + read->operand)) : std::string("acc");
  };
  return to_string(e, names);
}

const Expr a = read(f32, 0, {}), b = read(f32, 1, {}), c = read(f32, 2, {}), d = read(f32, 3, {});

} // namespace

TEST_CASE("f32 arithmetic rounds once to f32 and fma rounds product and sum together") {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (int i = 0; i < 1000; ++i) {
    const float x = normal(random), y = normal(random), z = normal(random);
    CHECK(reals(f32, BinaryFn::add, x, y) == x + y);
    CHECK(reals(f32, BinaryFn::mul, x, y) == x * y);
    CHECK(reals(f32, BinaryFn::div, x, y) == x / y);
    CHECK(real(fma(zero(f32), zero(f32), zero(f32)), {x, y, z}) == std::fma(x, y, z));
    CHECK(reals(f64, BinaryFn::mul, double{x}, double{y} / 3) == double{x} * (double{y} / 3));
  }
}

TEST_CASE("f16 and bf16 arithmetic rounds the exact result once") {
  CHECK(reals(bf16, BinaryFn::add, 256, 1) == 256);  // a tie, to even
  CHECK(reals(bf16, BinaryFn::add, 258, 1) == 260);  // a tie, to even
  CHECK(reals(f16, BinaryFn::mul, 300, 300) == inf); // beyond 65504
  CHECK(reals(f16, BinaryFn::add, 2048, 1) == 2048); // a tie, to even
  CHECK(reals(f16, BinaryFn::div, 1, 3) == round_to(f16, 1.0 / 3));
  // 5 * 53 / 256 lies halfway between two numbers of bf16, 7 * 37 / 256 too. A rest that double
  // cannot hold beside them decides.
  const Expr node = fma(zero(bf16), zero(bf16), zero(bf16));
  CHECK(real(node, {5, 53 * 0x1p-8, 0}) == 0x1.08p0);
  CHECK(real(node, {5, 53 * 0x1p-8, 0x1p-100}) == 0x1.0ap0);
  CHECK(real(node, {7, 37 * 0x1p-8, 0}) == 0x1.04p0);
  CHECK(real(node, {7, 37 * 0x1p-8, -0x1p-100}) == 0x1.02p0);
  CHECK(real(node, {-7, 37 * 0x1p-8, 0x1p-100}) == -0x1.02p0);
  CHECK(real(fma(zero(f16), zero(f16), zero(f16)), {300, 300, -30000}) == 60000);
}

TEST_CASE("max and min give the second operand when either is NaN or they are equal") {
  CHECK(reals(f32, BinaryFn::max, 2.0, 1.0) == 2);
  CHECK(reals(f32, BinaryFn::min, 2.0, 1.0) == 1);
  CHECK(reals(f32, BinaryFn::max, quiet_nan, 1.0) == 1);
  CHECK(std::isnan(reals(f32, BinaryFn::max, 1.0, quiet_nan)));
  CHECK(std::signbit(reals(f32, BinaryFn::max, 0.0, -0.0)));
  CHECK_FALSE(std::signbit(reals(f32, BinaryFn::min, -0.0, 0.0)));
  CHECK(integers(i8, BinaryFn::max, -3, -5) == -3);
}

TEST_CASE("integers wrap to the width of their type") {
  CHECK(integers(u8, BinaryFn::add, 250, 10) == 4);
  CHECK(integers(i8, BinaryFn::mul, 100, 2) == -56);
  CHECK(integers(i32, BinaryFn::sub, -2147483648, 1) == 2147483647);
  CHECK(integers(i64, BinaryFn::add, highest(i64), 1) == lowest(i64));
  CHECK(integers(i64, BinaryFn::mul, lowest(i64), -1) == lowest(i64));
  CHECK(integer(unary(UnaryFn::neg, zero(i8)), {-128}) == -128);
  CHECK(integer(unary(UnaryFn::abs, zero(i64)), {lowest(i64)}) == lowest(i64));
  CHECK(integer(unary(UnaryFn::abs, zero(i32)), {-5}) == 5);
  CHECK(integer(fma(zero(i8), zero(i8), zero(i8)), {100, 2, 60}) == 4);
}

TEST_CASE("integer division and shifts are defined for every operand") {
  CHECK(integers(i32, BinaryFn::div, -7, 2) == -3);
  CHECK(integers(i32, BinaryFn::div, 7, 0) == 0);
  CHECK(integers(i32, BinaryFn::div, lowest(i32), -1) == lowest(i32));
  CHECK(integers(i64, BinaryFn::div, lowest(i64), -1) == lowest(i64));
  CHECK(integers(i32, BinaryFn::shift_left, 3, 31) == lowest(i32));
  CHECK(integers(i32, BinaryFn::shift_left, 1, 32) == 0);
  CHECK(integers(i32, BinaryFn::shift_right, -8, 1) == -4);
  CHECK(integers(i32, BinaryFn::shift_right, -8, 40) == -1);
  CHECK(integers(i32, BinaryFn::bit_and, 12, 10) == 8);
  CHECK(integers(i32, BinaryFn::bit_or, 12, 10) == 14);
  CHECK(integers(i32, BinaryFn::bit_xor, 12, 10) == 6);
}

TEST_CASE("conversion to an integer rounds to even, saturates, and makes NaN 0") {
  CHECK(to_integer(i32, 2.5) == 2);
  CHECK(to_integer(i32, 3.5) == 4);
  CHECK(to_integer(u8, 300) == 255);
  CHECK(to_integer(u8, -1) == 0);
  CHECK(to_integer(i8, -128.5) == -128);
  CHECK(to_integer(i8, -1000) == -128);
  CHECK(to_integer(i64, 1e30) == highest(i64));
  CHECK(to_integer(i64, -inf) == lowest(i64));
  CHECK(to_integer(i64, 0x1p62) == int64_t{1} << 62);
  CHECK(to_integer(i32, quiet_nan) == 0);
}

TEST_CASE("other conversions round once or wrap, and a bitcast keeps the bits") {
  CHECK(integer(convert_to(u8, zero(i32)), {-1}) == 255);
  CHECK(integer(convert_to(i8, zero(i64)), {200}) == -56);
  const int64_t large = (int64_t{1} << 60) + (int64_t{1} << 36) + 1; // just above a tie of f32
  CHECK(apply(*convert_to(f32, zero(i64)), std::vector<Scalar>{{0, large}}.data()).real ==
        static_cast<float>(large));
  // Just above a tie of bf16, by less than double can tell.
  const int64_t above = (int64_t{1} << 60) + (int64_t{1} << 52) + 1;
  CHECK(apply(*convert_to(bf16, zero(i64)), std::vector<Scalar>{{0, above}}.data()).real ==
        0x1.02p60);
  CHECK(real(convert_to(f16, zero(f32)), {1 + 0x1p-11}) == 1);
  CHECK(apply(*bitcast_to(i32, zero(f32)), std::vector<Scalar>{{-2.0, 0}}.data()).integer ==
        static_cast<int32_t>(0xc0000000));
  CHECK(apply(*bitcast_to(f32, zero(i32)), std::vector<Scalar>{{0, 0x3f800000}}.data()).real == 1);
}

TEST_CASE("on the way to bf16 denormal numbers may be taken for 0 of their sign") {
  const auto flushed = [](double x) { return real(flushed_bf16(zero(f32)), {x}); };
  CHECK(flushed(1 + 0x1p-8) == 1);
  CHECK(flushed(1 + 3 * 0x1p-8) == 1 + 0x1p-6);
  CHECK(flushed(0x1p-126) == 0x1p-126);
  CHECK(flushed(-0x1p-126 + 0x1p-149) == 0); // which would be rounded up to the least normal one
  CHECK(std::signbit(flushed(-0x1p-126 + 0x1p-149)));
  CHECK_FALSE(std::signbit(flushed(0x1p-149)));
  CHECK(flushed(-inf) == -inf);
  CHECK(flushed(0x1.ffp127) == inf);
  CHECK(std::isnan(flushed(quiet_nan)));
  const auto cut = [](double x) { return real(cut_bf16(zero(f32)), {x}); };
  CHECK(cut(1 + 0x1.fep-7) == 1 + 0x1p-7);
  CHECK(cut(-1 - 0x1.fep-7) == -1 - 0x1p-7);
  CHECK(cut(0x1.fffffep127) == 0x1.fep127);
  CHECK(cut(0x1.8p-133) == 0x1p-133); // among denormals too
  CHECK(std::signbit(cut(-0x1p-134)));
  CHECK(cut(-0x1p-134) == 0);
  CHECK(cut(-inf) == -inf);
  CHECK(std::isnan(cut(quiet_nan)));
}

TEST_CASE("functions of one argument are rounded to their type") {
  CHECK(real(unary(UnaryFn::sqrt, zero(f32)), {2}) == std::sqrt(2.0f));
  CHECK(real(unary(UnaryFn::rint, zero(f32)), {-2.5}) == -2);
  CHECK(real(unary(UnaryFn::abs, zero(f64)), {-2.5}) == 2.5);
  CHECK(std::signbit(real(unary(UnaryFn::neg, zero(f32)), {0})));
  CHECK(real(unary(UnaryFn::exp, zero(f32)), {1}) == static_cast<float>(std::exp(1.0)));
  CHECK(real(unary(UnaryFn::expm1, zero(f64)), {1e-9}) == std::expm1(1e-9));
  CHECK(real(unary(UnaryFn::log1p, zero(f64)), {1e-9}) == std::log1p(1e-9));
  CHECK(real(unary(UnaryFn::tanh, zero(bf16)), {1}) == round_to(bf16, std::tanh(1.0)));
  CHECK(real(unary(UnaryFn::erf, zero(f32)), {0.5}) == static_cast<float>(std::erf(0.5)));
}

TEST_CASE("comparisons are false on NaN but for != and unordered") {
  const auto chosen = [](Compare compare, double x, double y) {
    return real(select(compare, zero(f32), zero(f32), zero(f32), zero(f32)), {x, y, 1, 0}) == 1;
  };
  for (Compare compare : {Compare::lt, Compare::le, Compare::gt, Compare::ge, Compare::eq})
    CHECK_FALSE(chosen(compare, quiet_nan, 1));
  CHECK(chosen(Compare::ne, quiet_nan, 1));
  CHECK(chosen(Compare::unordered, 1, quiet_nan));
  CHECK_FALSE(chosen(Compare::unordered, 1, 2));
  CHECK(chosen(Compare::lt, 1, 2));
  CHECK(chosen(Compare::le, 2, 2));
  CHECK(chosen(Compare::ge, 2, 2));
  CHECK(chosen(Compare::eq, -0.0, 0.0));
  // The comparison may be of floats and the choice of integers: arg-max.
  const Expr pick = select(Compare::gt, zero(f32), zero(f32), zero(i64), zero(i64));
  CHECK(pick->type == i64);
  const Scalar operands[] = {{2, 0}, {1, 0}, {0, 7}, {0, 8}};
  CHECK(apply(*pick, operands).integer == 7);
}

TEST_CASE("a dot product adds its groups into the wide lane") {
  const Expr bytes = dot(4, zero(i32), imm_integer(0, u8, 4), imm_integer(0, i8, 4));
  CHECK(integer(bytes, {10, 1, 2, 3, 255, -1, 5, -6, 127}) == 10 - 1 + 10 - 18 + 255 * 127);
  const Expr narrow = dot(2, zero(f32), imm(0, bf16, 2), imm(0, bf16, 2));
  CHECK(real(narrow, {1, 2, 3, 4, 5}) == 1 + 15 + 8);
}

TEST_CASE("apply refuses operations that have no meaning on a type, and leaves") {
  const auto refused = [](const Expr& node) {
    try {
      const Scalar operands[4] = {};
      apply(*node, operands);
    } catch (const InternalError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(refused(binary(BinaryFn::bit_and, a, b)) == "& has no meaning on f32");
  CHECK(refused(unary(UnaryFn::sqrt, zero(i32))) == "sqrt has no meaning on i32");
  CHECK(refused(acc(f32, 0)) == "apply: a leaf that reads memory, registers or loop variables has "
                                "no value of its own");
}

TEST_CASE("expressions print with the parentheses that they need and no others") {
  CHECK(text(a + b + c) == "a + b + c");
  CHECK(text(a + (b + c)) == "a + (b + c)");
  CHECK(text((a + b) * c) == "(a + b) * c");
  CHECK(text(a + b * c) == "a + b * c");
  CHECK(text(a - (b - c)) == "a - (b - c)");
  CHECK(text(a / (b * c)) == "a / (b * c)");
  CHECK(text(unary(UnaryFn::neg, a + b) * c) == "-(a + b) * c");
  CHECK(text(binary(BinaryFn::max, imm(0), acc(f32, 0))) == "max(0, acc)");
  CHECK(text(fma(splat_to(16, a), b, c + d)) == "fma(splat a, b, c + d)");
  CHECK(text(select(Compare::lt, a, b + c, d, a)) == "a < b + c ? d : a");
  CHECK(text(select(Compare::lt, a, b, c, d) + a) == "(a < b ? c : d) + a");
  CHECK(text(select(Compare::unordered, a, b, c, d)) == "unordered(a, b) ? c : d");
  CHECK(text(binary(BinaryFn::bit_or, binary(BinaryFn::shift_left, a, b), c)) == "(a << b) | c");
  CHECK(text(convert_to(i32, unary(UnaryFn::rint, a))) == "i32(rint(a))");
  CHECK(text(bitcast_to(i32, a)) == "bits_as_i32(a)");
  CHECK(text(flushed_bf16(a)) == "bf16_flushed(a)");
  CHECK(text(cut_bf16(a)) == "bf16_cut(a)");
  CHECK(text(dot(4, a, b, c)) == "dot4(a, b, c)");
  CHECK(text(position(56 * Affine(Var{0}) + Var{1}, i64)) == "i64[56*h + w]");
  CHECK(text(a + imm(-1.5)) == "a + -1.5");
  CHECK(text(imm(0.1f)) == "0.1");
  CHECK(text(imm(0.1, f64)) == "0.1");
  CHECK(text(imm(-inf)) == "-inf");
  CHECK(text(imm_integer(-128, i8)) == "-128");
}

TEST_CASE("an index prints its subscripts, those of tables inside the table's name") {
  const Index index = {Affine(Var{0}) - 1, {Affine(Var{1}), 0}};
  CHECK(to_string(index, {"h", "w"}, {"table0"}) == "[h - 1, table0[w]]");
  CHECK(to_string(Index{}, {}, {}) == "[]");
}

TEST_CASE("a rewrite sees shared nodes once and keeps them shared") {
  Expr tower = a;
  for (int i = 0; i < 60; ++i) tower = tower + tower; // 2^60 paths
  int seen = 0;
  const Expr doubled = rewrite(tower, [&](const Expr& node) {
    ++seen;
    return node == a ? b : node;
  });
  CHECK(seen == 61);
  int visited = 0;
  visit(doubled, [&](const ExprNode& node) {
    ++visited;
    if (const auto* read = std::get_if<Read>(&node.is)) CHECK(read->operand == 1);
  });
  CHECK(visited == 61);
  CHECK(rewrite(tower, [](const Expr& node) { return node; }) == tower);
}

TEST_CASE("a node keeps its type and lanes over other operands") {
  const Expr wide = select(Compare::le, a, b, c, d);
  const Expr other = with_children(wide, {d, c, b, a});
  CHECK(text(other) == "d <= c ? b : a");
  CHECK(text(with_children(fma(a, b, c), {b, c, d})) == "fma(b, c, d)");
  CHECK(text(with_children(dot(2, a, b, c), {b, c, d})) == "dot2(b, c, d)");
  const Expr splat = with_children(splat_to(8, a), {b});
  CHECK(splat->lanes == 8);
  CHECK(splat_to(8, splat) == splat);
  CHECK(convert_to(f32, a) == a);
}
