#include "runtime/tell_tools.h"

#include "runtime/debug_object.h"
#include "runtime/file.h"
#include "runtime/gdb_interface.h"
#include "runtime/options.h"
#include "runtime/perf_files.h"
#include "runtime/replace_files.h"

#include <fmt/format.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <sys/stat.h>

namespace volute::runtime {
namespace {

/// Once a process: what cannot be told now cannot be told later.
void complain(const std::string& why) {
  static std::once_flag once;
  if (!why.empty())
    std::call_once(once, [&] { fmt::print(stderr, "volute: tools are not told: {}\n", why); });
}

const Options* chosen() {
  const Expected<Options>& read = options();
  return read ? &*read : nullptr;
}

std::string made_folder() {
  std::string path = "/tmp/volute-debug-XXXXXX"; // the user's alone: 0700
  if (mkdtemp(path.data())) return path;
  complain(fmt::format("{}: {}", path, system_words(errno)));
  return "";
}

} // namespace

bool wants_debug_objects() { return chosen() && chosen()->debug; }

std::string debug_folder() {
  static const std::string& all = *new std::string(made_folder());
  static std::atomic<int> made{0};
  if (all.empty()) return "";
  // Two kernels may have programs of one name.
  std::string folder = fmt::format("{}/{}", all, ++made);
  if (mkdir(folder.c_str(), 0700) == 0) return folder;
  complain(fmt::format("{}: {}", folder, system_words(errno)));
  return "";
}

std::shared_ptr<const void> tell_tools(const compiler::Image& image, const std::byte* code) {
  const Options* options = chosen();
  if (!options || !code) return nullptr;
  if (options->profile == Options::Profile::map) complain(add_to_perf_map(image, code));
  if (options->profile == Options::Profile::jitdump) complain(add_to_jitdump(image, code));
  if (!options->debug || !image.debug) return nullptr;
  const compiler::DebugObject& debug = *image.debug;
  const std::string path = debug.folder + "/" + debug.file;
  const Status written = replace_file(path, [&](std::FILE* file) {
    return write_bytes(file, path, debug.text.data(), debug.text.size());
  });
  if (!written.ok()) complain(written.message());
  std::vector<std::byte> placed = placed_object(debug.elf, image.steps, code);
  if (placed.empty()) {
    complain(fmt::format("the object of @{} is not what it should be", image.name));
    return nullptr;
  }
  return register_with_gdb(std::move(placed));
}

} // namespace volute::runtime
