// Rounding twice without an error (Boldo and Melquiond, Emulation of a FMA and Correctly Rounded
// Sums, 2008, section 3).
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace volute::ir {

/// p + c as a double whose last bit tells that something was cut off. Rounding it again to a type
/// with less than half a double's digits gives what one rounding of the exact sum would.
inline double sum_to_odd(double p, double c) {
  const double sum = p + c;
  if (!std::isfinite(sum)) return sum;
  const double c_part = sum - p;
  const double error = (p - (sum - c_part)) + (c - c_part);
  if (error == 0 || (std::bit_cast<uint64_t>(sum) & 1)) return sum;
  return std::nextafter(sum, error > 0 ? HUGE_VAL : -HUGE_VAL);
}

} // namespace volute::ir
