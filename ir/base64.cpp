#include "ir/base64.h"

#include <cstdint>

namespace volute::ir {

std::string base64(const std::byte* bytes, size_t count) {
  std::string text;
  text.reserve((count + 2) / 3 * 4);
  for (size_t i = 0; i < count; i += 3) {
    uint32_t word = 0;
    for (size_t j = 0; j < 3; ++j)
      word = word << 8 | (i + j < count ? std::to_integer<uint32_t>(bytes[i + j]) : 0);
    for (size_t j = 0; j < 4; ++j)
      text += i + j > count ? '=' : base64_digits[word >> (18 - 6 * j) & 63];
  }
  return text;
}

} // namespace volute::ir
