// An image as one block of bytes, and back: what a cache on disk holds.
//
//     8 bytes   magic            never changes
//     u32       format           changes with every change of what follows
//     u64       payload bytes    all that follows the header
//     u64       checksum         of the payload
//     payload   the image's fields in order; numbers little-endian, lists after their length
//
// Reading trusts nothing: what was cut off, damaged or written in another format is refused with a
// reason, and nothing is read or reserved beyond the bytes that are there. The checksum finds
// accidents; whether the code may be run is for whoever keeps the bytes to know.
#pragma once

#include "compiler/image/image.h"
#include "ir/diagnostic.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace volute::compiler {

/// What this library writes, and the only one that it reads.
constexpr uint32_t image_format = 5;

std::vector<std::byte> encode(const Image& image);
Expected<Image> decode(std::span<const std::byte> bytes);

/// Changes when any one aligned word of eight bytes changes, and for nearly all other changes.
uint64_t checksum(std::span<const std::byte> bytes);

} // namespace volute::compiler
