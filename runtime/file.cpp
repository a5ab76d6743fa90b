#include "runtime/file.h"

#include <fmt/format.h>

#include <cerrno>
#include <sys/stat.h>
#include <system_error>

namespace volute::runtime {
namespace {

Status refused(const std::string& path, int error) {
  return Status::failed(StatusCode::file_failed, [&] {
    return Diagnostic{{}, path, system_words(error), ""};
  });
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

} // namespace volute::runtime
