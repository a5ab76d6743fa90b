#include "tests/support/catch.h"
#include "tests/support/guarded_buffer.h"

#include <cmath>
#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

using volute::tests::GuardedBuffer;

namespace {

// Whether reading or writing the byte ends a process. A sanitizer that handles the signal ends it
// with a code of its own instead.
bool faults(volatile std::byte* at, bool write) {
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGSEGV, SIG_DFL);
    if (write)
      *at = std::byte{1};
    else
      (void)static_cast<std::byte>(*at);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

} // namespace

TEST_CASE("a guarded buffer ends at its wall") {
  for (const size_t bytes : {size_t{1}, size_t{100}, size_t{4096}, size_t{5000}}) {
    const GuardedBuffer buffer(bytes);
    CHECK(!faults(buffer.data(), true));
    CHECK(!faults(buffer.data() + bytes - 1, true));
    CHECK(faults(buffer.data() + bytes, false));
    CHECK(faults(buffer.data() + bytes, true));
  }
}

TEST_CASE("a guarded buffer may begin at its wall instead") {
  const GuardedBuffer buffer(100, GuardedBuffer::Wall::at_begin);
  CHECK(faults(buffer.data() - 1, false));
  CHECK(faults(buffer.data() - 1, true));
  CHECK(!faults(buffer.data(), true));
}

TEST_CASE("a guarded buffer is NaN until it is written, and its margin tells of a write") {
  GuardedBuffer buffer(8);
  CHECK(std::isnan(buffer.as<float>()[0]));
  CHECK(std::isnan(*buffer.as<double>()));
  buffer.as<float>()[1] = 1;
  CHECK(buffer.margin_is_untouched());
  buffer.data()[-1] = std::byte{0};
  CHECK(!buffer.margin_is_untouched());
  buffer.reset();
  CHECK(buffer.margin_is_untouched());
  CHECK(std::isnan(buffer.as<float>()[1]));
}
