// Sums of a matrix unit, against values worked out by hand from the manual's rule. That it is the
// machine's too is tested by running its instructions (compiler/codegen/tiles_test.cpp).

#include "ir/tile_product.h"
#include "tests/support/catch.h"

#include <cmath>
#include <limits>

using namespace volute::ir;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

double bf16_sum(std::vector<double> a, std::vector<double> b, double start = 0) {
  Scalar sum{start, 0};
  std::vector<Scalar> left, right;
  for (const double x : a) left.push_back({x, 0});
  for (const double x : b) right.push_back({x, 0});
  add_bf16_products({1, 1, static_cast<int64_t>(a.size()) / 2, 2}, &sum, left.data(), right.data());
  return sum.real;
}

} // namespace

TEST_CASE("even and odd products are summed up apart, and then come to what was there") {
  // One after the other 1 would be lost three times.
  CHECK(bf16_sum({0x1p24, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1}) == 0x1p24 + 2 + 2);
  // Even ones: 2^24 + 1 is even again, + 1 as well. Odd ones: 3. 2^24 + 3 is a tie, to even: + 4.
  CHECK(bf16_sum({0x1p24, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1}) == 0x1p24 + 4);
  CHECK(bf16_sum({0x1p24, 0, 1, 0}, {1, 1, 1, 1}) == 0x1p24);
  CHECK(bf16_sum({1, 1}, {1, 1}, 0x1p24) == 0x1p24 + 2);
  CHECK(bf16_sum({1, 0}, {1, 1}, 0x1p24) == 0x1p24);
}

TEST_CASE("denormals are zero, before and after") {
  CHECK(fma_without_denormals(0x1p-130, 0x1p100, 0) == 0);
  CHECK(fma_without_denormals(0x1p-126, 1, 0x1p-127) == 0x1p-126);
  CHECK(fma_without_denormals(0x1p-64, 0x1p-63, 0) == 0);
  CHECK(std::signbit(fma_without_denormals(-0x1p-64, 0x1p-63, 0)));
  CHECK(fma_without_denormals(0x1p-63, 0x1p-63, 0) == 0x1p-126);
  // Two that are normal, and whose difference is not.
  CHECK(fma_without_denormals(1, 0x1.8p-126, -0x1p-126) == 0);
  CHECK(std::signbit(fma_without_denormals(1, -0x1.8p-126, 0x1p-126)));
}

TEST_CASE("a result just below the least normal number is one, if it rounds to one") {
  // 0x1.fep-64 squared and halved is (1 - 2^-8)^2 of it, far from rounding up; a sum comes closer.
  const double least = 0x1p-126;
  CHECK(fma_without_denormals(-0x1p-76, 0x1p-76, least) == least); // 2^-126 - 2^-152
  CHECK(fma_without_denormals(-0x1p-76, 0x1p-75, least) == least); // half a digit: to even
  CHECK(fma_without_denormals(-0x1p-75, 0x1p-75, least) == 0);     // a digit of a denormal less
  CHECK(fma_without_denormals(-0x1.02p-76, 0x1p-75, least) == 0);  // more than half of one
}

TEST_CASE("infinity and NaN go through") {
  CHECK(bf16_sum({infinity, 1}, {1, 1}) == infinity);
  CHECK(std::isnan(bf16_sum({infinity, 1}, {0, 1})));
  CHECK(std::isnan(bf16_sum({infinity, -infinity}, {1, 1})));
  CHECK(bf16_sum({0x1p127, 0}, {0x1p127, 0}) == infinity);
  CHECK(bf16_sum({0x1p127, 0x1p127}, {1, 1}) == infinity);
}

TEST_CASE("sums of bytes are exact and wrap") {
  const auto sum = [](int64_t a, int64_t b, int64_t start, int64_t steps) {
    Scalar value{0, start};
    const std::vector<Scalar> left(static_cast<size_t>(4 * steps), {0, a});
    const std::vector<Scalar> right(static_cast<size_t>(4 * steps), {0, b});
    add_byte_products({1, 1, steps, 4}, &value, left.data(), right.data());
    return value.integer;
  };
  CHECK(sum(255, 127, 0, 16) == 64 * 255 * 127);
  CHECK(sum(-128, -128, 0, 16) == 64 * 128 * 128);
  CHECK(sum(255, 255, std::numeric_limits<int32_t>::max(), 1) ==
        int64_t{std::numeric_limits<int32_t>::min()} + 4 * 255 * 255 - 1);
}

TEST_CASE("rows meet columns, each lane's group next to each other") {
  // 2 x 3 sums of 2 steps of 4: a[m][4k + p], b[k][4n + p].
  std::vector<Scalar> sums(6), a(16), b(24);
  for (size_t i = 0; i < a.size(); ++i) a[i].integer = static_cast<int64_t>(i + 1);
  for (size_t i = 0; i < b.size(); ++i) b[i].integer = static_cast<int64_t>(3 * i) - 20;
  add_byte_products({2, 3, 2, 4}, sums.data(), a.data(), b.data());
  for (size_t m = 0; m < 2; ++m)
    for (size_t n = 0; n < 3; ++n) {
      int64_t expected = 0;
      for (size_t i = 0; i < 8; ++i)
        expected += a[8 * m + i].integer * b[(i / 4 * 3 + n) * 4 + i % 4].integer;
      CHECK(sums[3 * m + n].integer == expected);
    }
}
