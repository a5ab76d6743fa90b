// What a thread asks of `new`, counted. Included by one file of a test program.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <new>

namespace volute::tests {

inline thread_local int64_t allocations = 0, bytes_asked_for = 0;

inline void* counted(size_t bytes) {
  ++allocations;
  bytes_asked_for += static_cast<int64_t>(bytes);
  return std::malloc(bytes ? bytes : 1);
}
inline void* counted_or_throw(size_t bytes) {
  if (void* memory = counted(bytes)) return memory;
  throw std::bad_alloc();
}

} // namespace volute::tests

// Each form: an address sanitizer's own would meet a delete that is not its own.
void* operator new(size_t bytes) { return volute::tests::counted_or_throw(bytes); }
void* operator new[](size_t bytes) { return volute::tests::counted_or_throw(bytes); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  return volute::tests::counted(bytes);
}
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept {
  return volute::tests::counted(bytes);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, size_t) noexcept { std::free(memory); }
