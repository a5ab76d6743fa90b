#include "ir/denormals.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

namespace volute::ir {
namespace {

// By its bits, so that nothing is computed with the number: the sign is shifted out, and what is
// left lies between 0 and the first exponent.
template <class Bits>
int64_t count_below(const std::byte* data, int64_t elements, int mantissa_bits) {
  const Bits first_normal = static_cast<Bits>(Bits{2} << mantissa_bits);
  int64_t count = 0;
  for (int64_t i = 0; i < elements; ++i) {
    Bits bits;
    std::memcpy(&bits, data + i * static_cast<int64_t>(sizeof bits), sizeof bits);
    const auto magnitude = static_cast<Bits>(bits << 1);
    count += magnitude != 0 && magnitude < first_normal ? 1 : 0;
  }
  return count;
}

} // namespace

bool may_be_denormal(ElementType element) {
  return element == ElementType::f32 || element == ElementType::f64 || element == ElementType::bf16;
}

double least_normal(ElementType element) {
  return element == ElementType::f64 ? 0x1p-1022 : 0x1p-126;
}

double without_denormal(ElementType element, double x) {
  return std::fabs(x) < least_normal(element) ? std::copysign(0.0, x) : x;
}

int64_t count_denormals(const std::byte* data, int64_t elements, ElementType element) {
  switch (element) {
  case ElementType::f32: return count_below<uint32_t>(data, elements, 23);
  case ElementType::f64: return count_below<uint64_t>(data, elements, 52);
  case ElementType::bf16: return count_below<uint16_t>(data, elements, 7);
  default: return 0;
  }
}

std::string denormals_text(int64_t count, int64_t elements, ElementType element) {
  if (count == 0) return "";
  return fmt::format("{} of {} elements are denormal (not 0, and below {:.2g}): many CPUs take a "
                     "hundred times as long for each; --flush-denormals takes them for 0",
                     count, elements, least_normal(element));
}

} // namespace volute::ir
