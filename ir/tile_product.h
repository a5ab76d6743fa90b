// What a matrix unit computes with one instruction, to the last bit: sums[m, n] gets the products
// of a's row m with b's column n, `ways` of them next to each other in both.
//
//     sums   rows x lanes          a   rows x steps * ways          b   steps x lanes * ways
//
// Of bytes (TDPBSSD, TDPBSUD, TDPBUSD, TDPBUUD) the sum is exact and wraps at 32 bits. Of bf16
// (TDPBF16PS) it is what Intel's manual says: the products of even places and those of odd ones are
// summed up apart, each from 0, step after step by multiply-adds; then both are added, and their
// sum to what was there. All of it in f32, rounded to nearest even, whatever the caller's rounding:
// denormals are read as zero, and a result that is one becomes zero.
#pragma once

#include "ir/expr.h"

#include <cstdint>

namespace volute::ir {

struct TileShape {
  int64_t rows = 0, lanes = 0; // of the sums
  int64_t steps = 0, ways = 0;
};

void add_bf16_products(const TileShape& shape, Scalar* sums, const Scalar* a, const Scalar* b);
void add_byte_products(const TileShape& shape, Scalar* sums, const Scalar* a, const Scalar* b);

/// a * b + c of f32 with one rounding, denormals taken as zero before and after; a * b must be
/// exact in a double, as it is for bf16.
double fma_without_denormals(double a, double b, double c);

} // namespace volute::ir
