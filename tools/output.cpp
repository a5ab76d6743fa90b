#include "tools/output.h"

#include "runtime/file.h"
#include "tools/stop.h"

#include <fmt/format.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

namespace volute::tools {
namespace {

bool reader_is_gone = false;

void check_written(bool written) {
  if (written) return;
  const int error = errno;
  if (error == EPIPE) {
    reader_is_gone = true;
    return;
  }
  throw Stop(exit_refused,
             fmt::format("error: standard output: {}\n", runtime::system_words(error)));
}

} // namespace

void prepare_streams() {
  std::signal(SIGPIPE, SIG_IGN);
  for (int stream = 0; stream <= 2; ++stream) {
    if (fcntl(stream, F_GETFD) != -1 || errno != EBADF) continue;
    // Open the wrong way round, so that using it still fails as on a closed stream.
    if (open("/dev/null", stream == 0 ? O_WRONLY : O_RDONLY) != stream) return;
  }
}

void print(std::string_view text) {
  if (reader_is_gone || text.empty()) return;
  errno = 0;
  check_written(std::fwrite(text.data(), 1, text.size(), stdout) == text.size());
}

void flush() {
  if (reader_is_gone) return;
  errno = 0;
  check_written(std::fflush(stdout) == 0);
}

Progress::Progress(std::string what) : what_(std::move(what)) {
  if (isatty(STDERR_FILENO)) thread_ = std::thread([this] { show(); });
}

Progress::~Progress() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Progress::now(std::string what) {
  const std::lock_guard lock(mutex_);
  what_ = std::move(what);
}

void Progress::print_above(std::string_view text) {
  const std::lock_guard lock(mutex_);
  if (is_shown_) fmt::print(stderr, "\r\x1b[K");
  is_shown_ = false;
  std::fflush(stderr);
  print(text);
  flush();
}

void Progress::show() {
  using namespace std::chrono;
  const auto start = steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, milliseconds(500), [this] { return is_over_; })) {
    const double seconds = duration<double>(steady_clock::now() - start).count();
    if (seconds < 1) continue;
    // Back to the line's begin, the text, and whatever a longer one before left behind.
    fmt::print(stderr, "\r{} ... {:.0f} s\x1b[K", what_, seconds);
    std::fflush(stderr);
    is_shown_ = true;
  }
  if (is_shown_) fmt::print(stderr, "\r\x1b[K");
}

std::string human_bytes(int64_t bytes) {
  const auto value = static_cast<double>(bytes);
  if (bytes < 1 << 10) return fmt::format("{} B", bytes);
  if (bytes < 1 << 20) return fmt::format("{:.1f} KiB", value / (1 << 10));
  if (bytes < 1 << 30) return fmt::format("{:.1f} MiB", value / (1 << 20));
  return fmt::format("{:.1f} GiB", value / (1 << 30));
}

std::string place_in_line(size_t done, size_t all, double seconds) {
  constexpr size_t width = 20;
  if (all == 1) return "";
  const std::string left =
      done == 0 ? ""
                : fmt::format(", {:.0f} s left", seconds / static_cast<double>(done) *
                                                     static_cast<double>(all - done));
  const size_t full = width * done / all;
  return fmt::format("[{:#<{}}{:.<{}}] {}/{}{}: ", "", full, "", width - full, done + 1, all, left);
}

} // namespace volute::tools
