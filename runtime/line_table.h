// Which line of the loops each instruction of a kernel is for, read from the line table (DWARF) of
// its object file.
#pragma once

#include "compiler/image/image.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace volute::runtime {

struct CodeLine {
  uint64_t offset = 0; // in the image's text; up to the next one's
  int32_t line = 0;
  bool operator==(const CodeLine&) const = default;
};

/// In the order of the code. Empty when the object is not that of these steps, and as far as its
/// table holds together.
std::vector<CodeLine> lines_of(const std::vector<std::byte>& elf,
                               const std::vector<compiler::ImageStep>& steps);

} // namespace volute::runtime
