#include "runtime/file.h"

#include <fmt/format.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace volute::runtime {
namespace {

Status refused(const std::string& path, int error) {
  return Status::failed(StatusCode::file_failed, [&] {
    return Diagnostic{{}, path, system_words(error), ""};
  });
}

// Where a symbolic link leads, so that the rename replaces its target and not the link. A link to
// nothing is left to fail or to be replaced as the system has it.
std::string resolved(const std::string& path) {
  char* real = realpath(path.c_str(), nullptr);
  if (!real) return path;
  std::string target = real;
  std::free(real);
  return target;
}

bool is_written_in_place(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

Status write_and_close(OpenFile file, const std::string& path,
                       const std::function<Status(std::FILE*)>& write) {
  if (Status status = write(file.get()); !status) return status;
  errno = 0;
  if (std::fclose(file.release()) != 0) return refused(path, errno);
  return {};
}

// Names of this process do not meet (the counter), nor do those of two (the process id); one left
// over by a process that died under the same id is in the way only until the next number.
OpenFile create_beside(const std::string& path, std::string& name) {
  static std::atomic<unsigned> counter{0};
  for (int attempt = 0; attempt < 100; ++attempt) {
    name = fmt::format("{}.{}-{}.tmp", path, getpid(), counter++);
    // 0666 less the user's umask, as any other file they write.
    const int fd = open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0) {
      OpenFile file(fdopen(fd, "wb"));
      if (!file) {
        close(fd);
        unlink(name.c_str());
      }
      return file;
    }
    if (errno != EEXIST) return nullptr;
  }
  return nullptr;
}

} // namespace

std::string system_words(int error) {
  return error == 0 ? "unknown input or output failure" : std::generic_category().message(error);
}

Expected<OpenFile> open_to_read(const std::string& path) {
  OpenFile file(std::fopen(path.c_str(), "rbe"));
  if (!file) return fail(path, system_words(errno));
  struct stat status;
  // A directory opens well enough and fails at the first read, in words that help less.
  if (fstat(fileno(file.get()), &status) == 0 && S_ISDIR(status.st_mode))
    return fail(path, system_words(EISDIR));
  return file;
}

Expected<std::string> read_text(std::FILE* file, const std::string& name, size_t most,
                                std::string_view what) {
  std::string text;
  char block[1 << 16];
  errno = 0;
  while (const size_t got = std::fread(block, 1, sizeof block, file)) {
    if (text.size() + got > most)
      return fail(name, fmt::format("longer than {} MiB, which no {} is", most >> 20, what));
    text.append(block, got);
  }
  if (std::ferror(file)) return fail(name, system_words(errno));
  return text;
}

Status write_bytes(std::FILE* file, const std::string& path, const void* data, size_t bytes) {
  errno = 0;
  if (bytes > 0 && std::fwrite(data, 1, bytes, file) != bytes) return refused(path, errno);
  return {};
}

Status replace_file(const std::string& path, const std::function<Status(std::FILE*)>& write) {
  if (is_written_in_place(path)) {
    OpenFile file(std::fopen(path.c_str(), "wbe"));
    if (!file) return refused(path, errno);
    return write_and_close(std::move(file), path, write);
  }
  const std::string target = resolved(path);
  std::string beside;
  OpenFile file = create_beside(target, beside);
  if (!file) return refused(path, errno);
  try {
    if (Status status = write_and_close(std::move(file), path, write); !status) {
      unlink(beside.c_str());
      return status;
    }
  } catch (...) {
    unlink(beside.c_str());
    throw;
  }
  if (std::rename(beside.c_str(), target.c_str()) != 0) {
    const int error = errno;
    unlink(beside.c_str());
    return refused(path, error);
  }
  return {};
}

} // namespace volute::runtime
