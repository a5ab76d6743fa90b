// The one place that makes bytes executable.
//
// An image's bytes are copied into fresh pages that are writable and not executable; then the text
// becomes readable and executable, the rest read-only, and neither is ever writable again. No page
// is writable and executable at once, at any moment, in this process or (the pages being private)
// any other. The mapping belongs to the object; whoever may still call into it holds a shared
// pointer to it, and the last of them to go unmaps it.
#pragma once

#include "ir/diagnostic.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace volute::runtime {

class ExecutableMemory {
public:
  /// [0, text_bytes) becomes executable, the rest read-only, whole pages each. `name` is the
  /// failure's subject.
  static Expected<std::shared_ptr<const ExecutableMemory>>
  map(std::span<const std::byte> bytes, uint64_t text_bytes, const std::string& name);

  ExecutableMemory(const ExecutableMemory&) = delete;
  ExecutableMemory& operator=(const ExecutableMemory&) = delete;
  ~ExecutableMemory();

  const std::byte* data() const noexcept { return data_; }
  /// What the mapping takes: whole pages.
  size_t size() const noexcept { return size_; }

private:
  ExecutableMemory(std::byte* data, size_t size) : data_(data), size_(size) {}

  std::byte* data_;
  size_t size_;
};

} // namespace volute::runtime
