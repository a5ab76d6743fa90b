#include "runtime/aligned_memory.h"

#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <utility>

namespace volute::runtime {
namespace {

constexpr size_t alignment = 64;
constexpr size_t huge_page = size_t{2} << 20;
// From two huge pages on, whole ones fit inside and a mapping of its own costs less than clearing.
constexpr size_t mapped_from = 2 * huge_page;

size_t rounded_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

// A fresh mapping is zero already, and its pages cost nothing until they are touched. It starts on
// a huge page's boundary: one huge page more is mapped, and what sticks out is given back.
std::byte* map_zeroed(size_t bytes) {
  void* mapping =
      mmap(nullptr, bytes + huge_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  const auto start = reinterpret_cast<uintptr_t>(mapping);
  const size_t before = rounded_up(start, huge_page) - start;
  if (before > 0) munmap(mapping, before);
  auto* data = static_cast<std::byte*>(mapping) + before;
  if (before < huge_page) munmap(data + bytes, huge_page - before);
  madvise(data, bytes, MADV_HUGEPAGE); // advice: a kernel without huge pages refuses, no matter
  return data;
}

} // namespace

AlignedMemory AlignedMemory::allocate(int64_t bytes) noexcept {
  AlignedMemory memory = allocate_unset(bytes);
  if (memory && memory.mapped_ == 0) std::memset(memory.data_, 0, static_cast<size_t>(bytes));
  return memory;
}

AlignedMemory AlignedMemory::allocate_unset(int64_t bytes) noexcept {
  AlignedMemory memory;
  // The largest tensor of the language is 2^62 bytes; rounding up from there cannot overflow.
  if (bytes < 0 || bytes > (int64_t{1} << 62)) return memory;
  const auto size = static_cast<size_t>(bytes);
  if (size >= mapped_from) {
    const size_t mapped = rounded_up(size, huge_page);
    memory.data_ = map_zeroed(mapped);
    if (memory.data_) memory.mapped_ = mapped;
  } else {
    const size_t rounded = size == 0 ? alignment : rounded_up(size, alignment);
    memory.data_ = static_cast<std::byte*>(std::aligned_alloc(alignment, rounded));
  }
  if (memory.data_) memory.size_ = bytes;
  return memory;
}

int64_t AlignedMemory::taken_by(int64_t bytes) noexcept {
  if (bytes <= 0) return 0;
  const auto size = static_cast<size_t>(bytes);
  return static_cast<int64_t>(rounded_up(size, size >= mapped_from ? huge_page : alignment));
}

AlignedMemory::AlignedMemory(AlignedMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)),
      mapped_(std::exchange(other.mapped_, 0)) {}

AlignedMemory& AlignedMemory::operator=(AlignedMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

AlignedMemory::~AlignedMemory() {
  if (mapped_ > 0)
    munmap(data_, mapped_);
  else
    std::free(data_);
}

} // namespace volute::runtime
