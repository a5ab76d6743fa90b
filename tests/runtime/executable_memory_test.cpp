#include "runtime/executable_memory.h"
#include "tests/runtime/failure_text.h"
#include "tests/runtime/memory_map.h"
#include "tests/support/catch.h"

#include <atomic>
#include <cstdio>
#include <fstream>
#include <thread>

using namespace volute;
using runtime::ExecutableMemory;
using volute::tests::failure_text;
using volute::tests::mappings;
using volute::tests::permissions_at;

namespace {

// mov eax, 42; ret
constexpr unsigned char forty_two[] = {0xb8, 0x2a, 0x00, 0x00, 0x00, 0xc3};

std::vector<std::byte> image(size_t size) {
  std::vector<std::byte> bytes(size, std::byte{0x11});
  for (size_t i = 0; i < sizeof forty_two; ++i) bytes[i] = std::byte{forty_two[i]};
  return bytes;
}

} // namespace

#if defined(__x86_64__)
TEST_CASE("text is mapped executable and can be called, read-only data cannot") {
  const auto memory = *ExecutableMemory::map(image(4096 + 100), 4096, "k");
  CHECK(memory->size() == 2 * 4096);
  const auto function = reinterpret_cast<int (*)()>(reinterpret_cast<uintptr_t>(memory->data()));
  CHECK(function() == 42);
  CHECK(memory->data()[4096] == std::byte{0x11});
  CHECK(permissions_at(memory->data()) == "r-xp");
  CHECK(permissions_at(memory->data() + 4096) == "r--p");
}
#endif

TEST_CASE("an image without read-only data is one executable page") {
  const auto memory = *ExecutableMemory::map(image(6), 6, "k");
  CHECK(memory->size() == 4096);
  CHECK(permissions_at(memory->data()) == "r-xp");
}

TEST_CASE("the last user unmaps") {
  auto memory = *ExecutableMemory::map(image(4096 + 100), 4096, "k");
  const std::byte* at = memory->data();
  auto second = memory;
  memory.reset();
  CHECK(permissions_at(at) == "r-xp");
  second.reset();
  CHECK(permissions_at(at) != "r-xp"); // somebody else may have mapped something there
}

TEST_CASE("an image whose sizes cannot be is refused") {
  CHECK(failure_text(ExecutableMemory::map(image(10), 0, "k")) ==
        "k: the image has 0 bytes of text in 10 bytes");
  CHECK(failure_text(ExecutableMemory::map(image(10), 11, "k")) ==
        "k: the image has 11 bytes of text in 10 bytes");
  const std::span<const std::byte> vast(reinterpret_cast<const std::byte*>(forty_two),
                                        size_t{1} << 31);
  CHECK(failure_text(ExecutableMemory::map(vast, 4096, "k")) ==
        "k: the image has 2147483648 bytes, above the limit of 1073741824");
}

TEST_CASE("no page is ever writable and executable, and 2,000 images leave no mapping behind") {
  std::atomic<bool> stop{false};
  std::atomic<int> looks{0}, writable_code{0};
  std::thread watcher([&] {
    while (!stop) {
      for (const tests::Mapping& mapping : mappings())
        if (mapping.permissions.find("wx") != std::string::npos) ++writable_code;
      ++looks;
    }
  });
  const std::vector<std::byte> bytes = image(4096 + 100);
  const auto count_code = [] {
    size_t count = 0;
    for (const tests::Mapping& mapping : mappings())
      if (mapping.permissions == "r-xp" && mapping.file.empty()) ++count;
    return count;
  };
  const size_t before = count_code();
  {
    std::vector<std::shared_ptr<const ExecutableMemory>> all;
    for (int i = 0; i < 2000; ++i) all.push_back(*ExecutableMemory::map(bytes, 4096, "k"));
    CHECK(count_code() == before + 2000);
  }
  CHECK(count_code() == before);
  while (looks == 0) std::this_thread::yield();
  stop = true;
  watcher.join();
  CHECK(writable_code == 0);
}
