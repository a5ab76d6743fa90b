#include "runtime/executable_memory.h"

#include "runtime/file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

namespace volute::runtime {
namespace {

// An image larger than this is damaged: code generation stops long before.
constexpr size_t largest_image = size_t{1} << 30;

Failure refused(const std::string& name, std::string_view doing, size_t bytes, int error) {
  // Each image takes two mappings, and the kernel counts them before it counts bytes.
  const char* hint =
      error == ENOMEM ? "out of memory, or of mappings: see /proc/sys/vm/max_map_count" : "";
  return fail(
      name, fmt::format("{} {} bytes of code failed: {}", doing, bytes, system_words(error)), hint);
}

} // namespace

Expected<std::shared_ptr<const ExecutableMemory>>
ExecutableMemory::map(std::span<const std::byte> bytes, uint64_t text_bytes,
                      const std::string& name) {
  if (bytes.empty() && text_bytes == 0)
    return std::shared_ptr<const ExecutableMemory>(new ExecutableMemory(nullptr, 0)); // no work
  if (text_bytes == 0 || text_bytes > bytes.size())
    return fail(
        name, fmt::format("the image has {} bytes of text in {} bytes", text_bytes, bytes.size()));
  if (bytes.size() > largest_image)
    return fail(name, fmt::format("the image has {} bytes, above the limit of {}", bytes.size(),
                                  largest_image));
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const size_t size = (bytes.size() + page - 1) / page * page;
  // Read-only data begin on a page of their own, so the text's last page is text and padding.
  const size_t text = (static_cast<size_t>(text_bytes) + page - 1) / page * page;

  void* pages = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return refused(name, "mapping", size, errno);
  auto* data = static_cast<std::byte*>(pages);
  std::shared_ptr<const ExecutableMemory> memory(new ExecutableMemory(data, size));
  std::memcpy(data, bytes.data(), bytes.size());

  if (mprotect(data, text, PROT_READ | PROT_EXEC) != 0)
    return refused(name, "making executable", text, errno);
  if (text < size && mprotect(data + text, size - text, PROT_READ) != 0)
    return refused(name, "protecting", size - text, errno);
  // Nothing on x86-64, where instruction fetches see earlier writes; other processors must be told.
  __builtin___clear_cache(reinterpret_cast<char*>(data), reinterpret_cast<char*>(data + text));
  return memory;
}

ExecutableMemory::~ExecutableMemory() { munmap(data_, size_); }

} // namespace volute::runtime
