// One element of each element type: its bits, its value as double or int64, and rounding to it.
#pragma once

#include "ir/types.h"

#include <cstddef>
#include <cstdint>

namespace volute::ir {

float bf16_to_float(uint16_t bits);
uint16_t float_to_bf16(float value); // round to nearest even; NaN stays NaN
float f16_to_float(uint16_t bits);
uint16_t float_to_f16(float value); // round to nearest even, overflow to infinity, denormals kept

/// The value rounded to nearest even to a whole number.
double round_half_even(double value);
/// The value rounded to nearest even to a float type, in one rounding from double.
double round_to(ElementType type, double value);
/// An integer rounded to a float type, in one rounding from all of its 64 bits.
double round_integer_to(ElementType type, int64_t value);
/// The value rounded to nearest even to an integer type, saturated to its range; NaN becomes 0.
int64_t saturate_to(ElementType type, double value);
/// The value wrapped to the width of an integer type (two's complement).
int64_t wrap_to(ElementType type, int64_t value);
/// Smallest and largest value of an integer type.
int64_t lowest(ElementType type);
int64_t highest(ElementType type);

/// One element of memory in the caller's layout; `at` need not be aligned. Real functions are for
/// float types and integer functions for integer types.
double read_real(const std::byte* at, ElementType type);
int64_t read_integer(const std::byte* at, ElementType type);
void write_real(std::byte* at, ElementType type, double value);     // rounds to nearest even
void write_integer(std::byte* at, ElementType type, int64_t value); // wraps

} // namespace volute::ir
