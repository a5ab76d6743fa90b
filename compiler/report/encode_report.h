// A report as a block of bytes, and back: an entry of the cache on disk keeps what the compiler
// said of its code.
#pragma once

#include "compiler/report/report.h"

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace volute::compiler {

std::vector<std::byte> encode_report(const Report& report);
/// Nothing when the bytes are not those of a report.
std::optional<Report> decode_report(std::span<const std::byte> bytes);

} // namespace volute::compiler
