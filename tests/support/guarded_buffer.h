// Memory with a wall: one edge touches a page that can be neither read nor written, so a kernel
// that takes one byte too much is caught by the processor; and every byte is 0xff (NaN in every
// float type, -1 in every integer one), so an element that a kernel forgot is seen in the result.
#pragma once

#include <cstddef>
#include <cstdint>

namespace volute::tests {

class GuardedBuffer {
public:
  enum class Wall {
    at_end,   // the byte after the last one faults
    at_begin, // the byte before the first one faults
  };
  /// With the wall at the end, the buffer starts wherever its size puts it: at a multiple of
  /// `bytes`' largest power of two. Throws std::bad_alloc when there is no memory.
  explicit GuardedBuffer(size_t bytes, Wall wall = Wall::at_end);
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;
  ~GuardedBuffer();

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }

  /// All bytes, those in the margin too, 0xff again.
  void reset();
  /// Whether the margin, the rest of the buffer's pages on the side without the wall, is as it was:
  /// a write there is as wrong but does not fault.
  bool margin_is_untouched() const;

private:
  std::byte* mapping_ = nullptr; // [wall page | pages | wall page]
  std::byte* pages_ = nullptr;
  size_t pages_size_ = 0;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

} // namespace volute::tests
