#include "runtime/tell_tools.h"

#include "runtime/debug_object.h"
#include "runtime/file.h"
#include "runtime/gdb_interface.h"
#include "runtime/options.h"
#include "runtime/perf_files.h"
#include "runtime/replace_files.h"
#include "runtime/vtune.h"

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

bool wants_debug_objects() {
  using Profile = Options::Profile;
  return chosen() && (chosen()->debug || chosen()->profile == Profile::jitdump ||
                      chosen()->profile == Profile::vtune);
}

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
  using Profile = Options::Profile;
  if (options->profile == Profile::map) complain(add_to_perf_map(image, code));

  // What has lines has the text that they are of in a file.
  std::string source;
  std::vector<CodeLine> lines;
  if (wants_debug_objects() && image.debug) {
    const compiler::DebugObject& debug = *image.debug;
    source = debug.folder + "/" + debug.file;
    const Status written = replace_file(source, [&](std::FILE* file) {
      return write_bytes(file, source, debug.text.data(), debug.text.size());
    });
    if (!written.ok()) complain(written.message());
    if (options->profile != Profile::none) lines = lines_of(debug.elf, image.steps);
  }
  if (options->profile == Profile::jitdump) complain(add_to_jitdump(image, code, source, lines));
  auto told = std::make_shared<std::vector<std::shared_ptr<const void>>>();
  if (options->profile == Profile::vtune) {
    std::string failure;
    told->push_back(tell_vtune(image, code, source, lines, failure));
    complain(failure);
  }
  if (options->debug && image.debug) {
    std::vector<std::byte> placed = placed_object(image.debug->elf, image.steps, code);
    if (placed.empty())
      complain(fmt::format("the object of @{} is not what it should be", image.name));
    else
      told->push_back(register_with_gdb(std::move(placed)));
  }
  if (told->empty()) return nullptr;
  return told;
}

} // namespace volute::runtime
