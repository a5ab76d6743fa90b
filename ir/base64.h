// Bytes as text: what files of text and pages hold of them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace volute::ir {

inline constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648, with the padding.
std::string base64(const std::byte* bytes, size_t count);

} // namespace volute::ir
