#include "tests/support/guarded_buffer.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

namespace volute::tests {
namespace {

constexpr std::byte pattern{0xff};
constexpr auto is_pattern = [](std::byte b) { return b == pattern; };

size_t page_size() { return static_cast<size_t>(sysconf(_SC_PAGESIZE)); }

} // namespace

GuardedBuffer::GuardedBuffer(size_t bytes, Wall wall) : size_(bytes) {
  const size_t page = page_size();
  pages_size_ = std::max<size_t>(1, (bytes + page - 1) / page) * page;
  void* mapping =
      mmap(nullptr, pages_size_ + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  mapping_ = static_cast<std::byte*>(mapping);
  pages_ = mapping_ + page;
  if (mprotect(pages_, pages_size_, PROT_READ | PROT_WRITE) != 0) {
    munmap(mapping_, pages_size_ + 2 * page);
    throw std::bad_alloc();
  }
  data_ = wall == Wall::at_end ? pages_ + pages_size_ - bytes : pages_;
  reset();
}

GuardedBuffer::~GuardedBuffer() { munmap(mapping_, pages_size_ + 2 * page_size()); }

void GuardedBuffer::reset() { std::memset(pages_, static_cast<int>(pattern), pages_size_); }

bool GuardedBuffer::margin_is_untouched() const {
  return std::all_of(pages_, data_, is_pattern) &&
         std::all_of(data_ + size_, pages_ + pages_size_, is_pattern);
}

} // namespace volute::tests
