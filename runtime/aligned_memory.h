// Memory for tensors, packed weights and workspaces: 64-byte aligned (a cache line, and the widest
// vector), on huge pages when large, zeroed unless somebody is about to write it all.
#pragma once

#include <cstddef>
#include <cstdint>

namespace volute::runtime {

/// Memory at a multiple of 64 bytes, on huge pages when it is large.
class AlignedMemory {
public:
  /// None; that of another, which has none then.
  AlignedMemory() noexcept = default;
  AlignedMemory(AlignedMemory&& other) noexcept;
  AlignedMemory& operator=(AlignedMemory&& other) noexcept;
  AlignedMemory(const AlignedMemory&) = delete;
  AlignedMemory& operator=(const AlignedMemory&) = delete;
  ~AlignedMemory();

  /// `bytes` zeroed bytes (0 gives a valid address too), or an empty object when the system has
  /// not got them or `bytes` is negative.
  static AlignedMemory allocate(int64_t bytes) noexcept;
  /// The same with anything in it.
  static AlignedMemory allocate_unset(int64_t bytes) noexcept;

  /// Whether there is some; where; bytes that were asked for.
  explicit operator bool() const noexcept { return data_ != nullptr; }
  std::byte* data() const noexcept { return data_; }
  int64_t size() const noexcept { return size_; }
  /// What so many bytes take of the system's memory.
  static int64_t taken_by(int64_t bytes) noexcept;

private:
  std::byte* data_ = nullptr;
  int64_t size_ = 0;
  size_t mapped_ = 0; // bytes of the mapping; 0 when the memory is from the heap
};

} // namespace volute::runtime
