#include "ir/number.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace volute::ir {
namespace {

/// A 16-bit float: sign, exponent, mantissa, from the top bit down.
struct Narrow {
  int mantissa_bits;
  int smallest_exponent; // of a normal number
  double largest;        // finite value
};
constexpr Narrow f16 = {10, -14, 65504.0};
constexpr Narrow bf16 = {7, -126, 0x1.FEp127};

double round_to(const Narrow& format, double value) {
  if (!std::isfinite(value) || value == 0) return value;
  // The spacing of the format's numbers around the value is 2^unit; denormals share one spacing.
  const int unit = std::max(std::ilogb(value), format.smallest_exponent) - format.mantissa_bits;
  const double rounded = std::ldexp(round_half_even(std::ldexp(value, -unit)), unit);
  if (std::abs(rounded) > format.largest)
    return std::copysign(std::numeric_limits<double>::infinity(), value);
  return rounded;
}

uint16_t encode_f16(double value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isnan(value)) return sign | 0x7E00;
  const double magnitude = std::abs(round_to(f16, value));
  if (std::isinf(magnitude)) return sign | 0x7C00;
  if (magnitude < 0x1p-14) return sign | static_cast<uint16_t>(std::ldexp(magnitude, 24));
  const int exponent = std::ilogb(magnitude);
  const int mantissa = static_cast<int>(std::ldexp(magnitude, 10 - exponent)) - 1024;
  return static_cast<uint16_t>(sign | (exponent + 15) << 10 | mantissa);
}

uint16_t encode_bf16(double value) {
  // A bf16 is the upper half of a float, so that a value rounded to bf16 is cut off exactly.
  const auto bits = std::bit_cast<uint32_t>(static_cast<float>(round_to(bf16, value)));
  const uint32_t quiet = std::isnan(value) ? 0x00400000 : 0;
  return static_cast<uint16_t>((bits | quiet) >> 16);
}

template <class T>
T read(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <class T>
void write(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

} // namespace

float bf16_to_float(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}
uint16_t float_to_bf16(float value) { return encode_bf16(value); }

float f16_to_float(uint16_t bits) {
  const float sign = bits & 0x8000 ? -1.0f : 1.0f;
  const int exponent = bits >> 10 & 0x1F;
  const int mantissa = bits & 0x3FF;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -24);
  if (exponent < 31) return sign * std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
  return std::copysign(mantissa == 0 ? std::numeric_limits<float>::infinity()
                                     : std::numeric_limits<float>::quiet_NaN(),
                       sign);
}
uint16_t float_to_f16(float value) { return encode_f16(value); }

double round_half_even(double value) {
  if (!std::isfinite(value)) return value;
  double whole = std::floor(value);
  const double rest = value - whole;
  const bool odd = std::fmod(whole, 2) != 0;
  if (rest > 0.5 || (rest == 0.5 && odd)) whole += 1;
  return std::copysign(whole, value); // -0.3 is -0
}

double round_to(ElementType type, double value) {
  switch (type) {
  case ElementType::f32: return static_cast<float>(value);
  case ElementType::f16: return round_to(f16, value);
  case ElementType::bf16: return round_to(bf16, value);
  default: return value;
  }
}

double round_integer_to(ElementType type, int64_t value) {
  if (type == ElementType::f64) return static_cast<double>(value);
  if (type == ElementType::f32) return static_cast<float>(value);
  // To 11 bits or fewer: everything below the 53rd bit matters only by being zero or not, so one
  // bit can stand for it, and the conversion to double is exact.
  const int64_t low = value & 0xFFF;
  const int64_t held = std::abs(static_cast<double>(value)) < 0x1p52
                           ? value
                           : (value & ~int64_t{0xFFF}) | (low != 0 ? 0x800 : 0);
  return round_to(type, static_cast<double>(held));
}

int64_t saturate_to(ElementType type, double value) {
  if (std::isnan(value)) return 0;
  const double rounded = round_half_even(value);
  // Compared from outside the range: the largest i64 is not a double, but 2^63 is.
  if (rounded <= static_cast<double>(lowest(type))) return lowest(type);
  if (rounded >= static_cast<double>(highest(type))) return highest(type);
  return static_cast<int64_t>(rounded);
}

int64_t wrap_to(ElementType type, int64_t value) {
  switch (type) {
  case ElementType::i8: return static_cast<int8_t>(value);
  case ElementType::u8: return static_cast<uint8_t>(value);
  case ElementType::i32: return static_cast<int32_t>(value);
  default: return value;
  }
}

int64_t lowest(ElementType type) {
  switch (type) {
  case ElementType::i8: return std::numeric_limits<int8_t>::min();
  case ElementType::u8: return std::numeric_limits<uint8_t>::min();
  case ElementType::i32: return std::numeric_limits<int32_t>::min();
  default: return std::numeric_limits<int64_t>::min();
  }
}

int64_t highest(ElementType type) {
  switch (type) {
  case ElementType::i8: return std::numeric_limits<int8_t>::max();
  case ElementType::u8: return std::numeric_limits<uint8_t>::max();
  case ElementType::i32: return std::numeric_limits<int32_t>::max();
  default: return std::numeric_limits<int64_t>::max();
  }
}

double read_real(const std::byte* at, ElementType type) {
  switch (type) {
  case ElementType::f32: return read<float>(at);
  case ElementType::f16: return f16_to_float(read<uint16_t>(at));
  case ElementType::bf16: return bf16_to_float(read<uint16_t>(at));
  default: return read<double>(at);
  }
}

int64_t read_integer(const std::byte* at, ElementType type) {
  switch (type) {
  case ElementType::i8: return read<int8_t>(at);
  case ElementType::u8: return read<uint8_t>(at);
  case ElementType::i32: return read<int32_t>(at);
  default: return read<int64_t>(at);
  }
}

void write_real(std::byte* at, ElementType type, double value) {
  switch (type) {
  case ElementType::f32: return write(at, static_cast<float>(value));
  case ElementType::f16: return write(at, encode_f16(value));
  case ElementType::bf16: return write(at, encode_bf16(value));
  default: return write(at, value);
  }
}

void write_integer(std::byte* at, ElementType type, int64_t value) {
  switch (type) {
  case ElementType::i8: return write(at, static_cast<int8_t>(value));
  case ElementType::u8: return write(at, static_cast<uint8_t>(value));
  case ElementType::i32: return write(at, static_cast<int32_t>(value));
  default: return write(at, value);
  }
}

} // namespace volute::ir
