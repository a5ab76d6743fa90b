// Everything that the environment may say. Every variable begins with VOLUTE_ and is in this one
// table; nothing else in the library reads the environment.
#pragma once

#include "ir/budget.h"
#include "ir/diagnostic.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace volute::runtime {

/// What a Session starts from when its program says nothing else.
struct Options {
  int threads = 1;                                 // VOLUTE_THREADS
  std::string target = "native";                   // VOLUTE_TARGET
  double accuracy = 2;                             // VOLUTE_ACCURACY
  int64_t memory_cache_bytes = int64_t{256} << 20; // VOLUTE_MEMORY_CACHE
  /// Where kernels are kept from process to process: a folder's whole path, or "" for nowhere.
  /// Nothing: where the environment says, else the user's own (default_cache_dir).
  std::optional<std::string> cache_dir = {};   // VOLUTE_CACHE_DIR
  int64_t disk_cache_bytes = int64_t{1} << 30; // VOLUTE_DISK_CACHE; 0 keeps and finds nothing
  /// Folders of kernels that others have made, by whole paths: looked into after cache_dir, never
  /// written. Nothing: what came with the installation.
  std::optional<std::vector<std::string>> shared_caches = {}; // VOLUTE_SHARED_CACHE
  /// The library that compiles, loaded once in a process; "": the one that is beside this.
  std::string compiler = "";    // VOLUTE_COMPILER
  bool flush_denormals = false; // VOLUTE_FLUSH_DENORMALS
  Budget budget = {};           // VOLUTE_COMPILE_SECONDS, VOLUTE_COMPILE_MEMORY
  int verbose = 0;              // VOLUTE_VERBOSE: how much is told (log.h)
  bool verbose_json = false;    // and whether for programs to read
  /// Who is told of kernels as they are loaded: profilers, debuggers.
  enum class Profile : uint8_t { none, map, jitdump, vtune };
  Profile profile = Profile::none; // VOLUTE_PROFILE
  bool debug = false;              // VOLUTE_DEBUG
  bool operator==(const Options&) const = default;
};

/// A number of bytes, or of K, M or G of them; nothing for every other text.
std::optional<int64_t> bytes_in(std::string_view text);

/// A row of the table, for `volute --help`.
struct OptionRow {
  /// A column each.
  std::string_view variable, values, meaning;
};
/// All of its rows.
std::span<const OptionRow> option_rows();
/// The table as text, a row a line, in columns.
std::string options_help();

/// Reads each variable of the table through `get`; an empty value is as good as none. Every value
/// that does not fit is named, not only the first.
Expected<Options>
read_options(const std::function<std::optional<std::string>(std::string_view)>& get);

/// The folder of `$VOLUTE_CACHE_DIR`, `$XDG_CACHE_HOME/volute` or `$HOME/.cache/volute`, the first
/// that there is; "" where there is none, and where VOLUTE_DISK_CACHE is 0. What is no whole path,
/// from / on, is as good as none; read_options refuses it as VOLUTE_CACHE_DIR.
std::string cache_dir_of(const std::function<std::optional<std::string>(std::string_view)>& get);
/// The same of the process's environment, read once.
const std::string& default_cache_dir();

/// The process's environment, read once, at the first call. A process that has more rights than
/// the user who started it takes nothing from there.
const Expected<Options>& options();
/// The same with some options said by the caller, as texts: variables by the rest of their names in
/// lower case, {"threads", "4"}; of two for one option the last counts. A name that there is not is
/// refused, and every value that does not fit.
Expected<Options> options_with(std::span<const std::pair<std::string, std::string>> given);

} // namespace volute::runtime
