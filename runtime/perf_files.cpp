#include "runtime/perf_files.h"

#include "runtime/file.h"

#include <fmt/format.h>

#include <cerrno>
#include <ctime>
#include <elf.h>
#include <fcntl.h>
#include <mutex>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace volute::runtime {
namespace {

std::mutex& files_lock() {
  static std::mutex& lock = *new std::mutex;
  return lock;
}

/// A file of this process's in /tmp, where perf looks for it. Whoever could have put something else
/// there in its place is refused: a link, another user's file. After a fork it is the child's own.
struct OwnFile {
  int descriptor = -1;
  pid_t of = 0;
  std::string failure;

  bool open_as(const std::string& path, int flags) {
    if (of == getpid()) return descriptor >= 0;
    if (descriptor >= 0) close(descriptor);
    of = getpid();
    failure.clear();
    descriptor = open(path.c_str(), O_CREAT | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
    struct stat found {};
    if (descriptor < 0)
      failure = fmt::format("{}: {}", path, system_words(errno));
    else if (fstat(descriptor, &found) != 0 || found.st_uid != geteuid() || !S_ISREG(found.st_mode))
      failure = fmt::format("{}: it is not this user's own file", path);
    if (!failure.empty() && descriptor >= 0) close(descriptor), descriptor = -1;
    return descriptor >= 0;
  }
  void write_all(const std::string& bytes) {
    const char* at = bytes.data();
    for (size_t left = bytes.size(); left > 0;) {
      const ssize_t wrote = write(descriptor, at, left);
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote <= 0) {
        failure = system_words(errno);
        return;
      }
      at += wrote, left -= static_cast<size_t>(wrote);
    }
  }
};

uint64_t monotonic_nanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

template <class T>
void put(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// The head of a jitdump, as perf's specification has it.
std::string jitdump_head() {
  std::string head;
  put(head, uint32_t{0x4A695444}); // "JiTD", which also tells the byte order
  put(head, uint32_t{1});          // version
  put(head, uint32_t{40});         // bytes of this
  put(head, uint32_t{EM_X86_64});
  put(head, uint32_t{0});
  put(head, static_cast<uint32_t>(getpid()));
  put(head, monotonic_nanoseconds());
  put(head, uint64_t{0});
  return head;
}

/// The record that says which lines the code of the next one is of; nothing where that is not
/// known.
std::string jitdump_lines(const compiler::ImageStep& step, const std::byte* code,
                          const std::string& source, const std::vector<CodeLine>& lines) {
  std::string entries;
  uint64_t count = 0;
  for (const CodeLine& line : lines) {
    if (line.line <= 0 || line.offset < step.entry || line.offset >= step.entry + step.size)
      continue;
    put(entries, reinterpret_cast<uint64_t>(code) + line.offset);
    put(entries, line.line);
    put(entries, int32_t{0}); // discriminator
    entries += source;
    entries += '\0';
    ++count;
  }
  if (count == 0 || source.empty()) return "";
  std::string record;
  put(record, uint32_t{2}); // JIT_CODE_DEBUG_INFO
  put(record, static_cast<uint32_t>(16 + 16 + entries.size()));
  put(record, monotonic_nanoseconds());
  put(record, reinterpret_cast<uint64_t>(code) + step.entry);
  put(record, count);
  return record + entries;
}

} // namespace

std::string add_to_perf_map(const compiler::Image& image, const std::byte* code) {
  const std::lock_guard guard(files_lock());
  static OwnFile& file = *new OwnFile;
  if (!file.open_as(fmt::format("/tmp/perf-{}.map", getpid()), O_WRONLY | O_APPEND))
    return file.failure;
  std::string lines;
  for (const compiler::ImageStep& step : image.steps)
    if (step.size > 0)
      lines += fmt::format("{:x} {:x} {}\n", reinterpret_cast<uintptr_t>(code) + step.entry,
                           step.size, step.symbol);
  file.write_all(lines);
  return file.failure;
}

std::string add_to_jitdump(const compiler::Image& image, const std::byte* code,
                           const std::string& source, const std::vector<CodeLine>& lines) {
  const std::lock_guard guard(files_lock());
  static OwnFile& file = *new OwnFile;
  static uint64_t index = 0;
  const bool is_new = file.of != getpid();
  if (!file.open_as(fmt::format("/tmp/jit-{}.dump", getpid()), O_RDWR | O_TRUNC))
    return file.failure;
  if (is_new) {
    file.write_all(jitdump_head());
    // perf notices the file by an executable mapping of it, which stays.
    if (mmap(nullptr, static_cast<size_t>(sysconf(_SC_PAGESIZE)), PROT_READ | PROT_EXEC,
             MAP_PRIVATE, file.descriptor, 0) == MAP_FAILED)
      file.failure = fmt::format("mapping /tmp/jit-{}.dump: {}", getpid(), system_words(errno));
  }
  for (const compiler::ImageStep& step : image.steps) {
    if (step.size == 0) continue;
    const auto address = reinterpret_cast<uint64_t>(code) + step.entry;
    std::string record = jitdump_lines(step, code, source, lines);
    put(record, uint32_t{0}); // JIT_CODE_LOAD
    put(record, static_cast<uint32_t>(16 + 40 + step.symbol.size() + 1 + step.size));
    put(record, monotonic_nanoseconds());
    put(record, static_cast<uint32_t>(getpid()));
    put(record, static_cast<uint32_t>(syscall(SYS_gettid)));
    put(record, address);
    put(record, address);
    put(record, step.size);
    put(record, index++);
    record += step.symbol;
    record += '\0';
    record.append(reinterpret_cast<const char*>(code) + step.entry, step.size);
    file.write_all(record);
  }
  return file.failure;
}

} // namespace volute::runtime
