#include "ir/tile_product.h"

#include "ir/denormals.h"
#include "ir/number.h"
#include "ir/sum_to_odd.h"

#include <bit>
#include <cmath>

namespace volute::ir {
namespace {

// What is below rounds to a number below the normal ones, had f32 exponents for it: half a unit of
// its last digit less.
constexpr double least_that_rounds_up = 0x1p-126 - 0x1p-151;

double without_denormal(double x) { return ir::without_denormal(ElementType::f32, x); }

} // namespace

double fma_without_denormals(double a, double b, double c) {
  const double sum = sum_to_odd(without_denormal(a) * without_denormal(b), without_denormal(c));
  if (std::fabs(sum) < least_that_rounds_up) return std::copysign(0.0, sum);
  return round_to(ElementType::f32, sum);
}

void add_bf16_products(const TileShape& shape, Scalar* sums, const Scalar* a, const Scalar* b) {
  for (int64_t m = 0; m < shape.rows; ++m, a += shape.steps * shape.ways)
    for (int64_t n = 0; n < shape.lanes; ++n, ++sums) {
      double part[2] = {0, 0};
      for (int64_t k = 0; k < shape.steps; ++k)
        for (int64_t p = 0; p < 2; ++p)
          part[p] = fma_without_denormals(a[2 * k + p].real, b[(k * shape.lanes + n) * 2 + p].real,
                                          part[p]);
      const double both = fma_without_denormals(part[0], 1, part[1]);
      sums->real = fma_without_denormals(both, 1, sums->real);
    }
}

void add_byte_products(const TileShape& shape, Scalar* sums, const Scalar* a, const Scalar* b) {
  for (int64_t m = 0; m < shape.rows; ++m, a += shape.steps * shape.ways)
    for (int64_t n = 0; n < shape.lanes; ++n, ++sums) {
      int64_t sum = sums->integer; // of at most 64 products of bytes: no i64 is near
      for (int64_t k = 0; k < shape.steps; ++k)
        for (int64_t p = 0; p < shape.ways; ++p)
          sum += a[shape.ways * k + p].integer * b[(k * shape.lanes + n) * shape.ways + p].integer;
      sums->integer = wrap_to(ElementType::i32, sum);
    }
}

} // namespace volute::ir
