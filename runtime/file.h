// Files as the runtime reads them, and failures in the system's words. Writing is
// replace_files.h.
#pragma once

#include "ir/diagnostic.h"
#include "runtime/status.h"

#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

namespace volute::runtime {

struct CloseFile {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using OpenFile = std::unique_ptr<std::FILE, CloseFile>;

/// Opens for reading. A failure's subject is the path: "in.npy: No such file or directory".
Expected<OpenFile> open_to_read(const std::string& path);

/// All that a text holds, if that is no more than `most` bytes: what never ends is not read for
/// ever. A failure's subject is the name; `what` is what it should have been, "program".
Expected<std::string> read_text(std::FILE* file, const std::string& name, size_t most,
                                std::string_view what);

/// What the system says about an errno.
std::string system_words(int error);

/// fwrite, with the system's words when it falls short.
Status write_bytes(std::FILE* file, const std::string& path, const void* data, size_t bytes);

} // namespace volute::runtime
