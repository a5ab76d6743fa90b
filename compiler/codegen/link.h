// Object code -> image bytes: ORC's JITLink, with memory that is a plain block of bytes.
#pragma once

#include <llvm/ADT/StringRef.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace volute::compiler {

struct Linked {
  std::vector<std::byte> bytes; // text, then read-only data on a page of its own
  uint64_t text_bytes = 0;
  std::vector<uint64_t> entries, sizes; // of `symbols`, in order
};

/// Links the object against itself. Throws InternalError when it needs anything from outside, or
/// an address that depends on where the image will lie.
Linked link(llvm::StringRef object, const std::vector<std::string>& symbols);

} // namespace volute::compiler
