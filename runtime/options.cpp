#include "runtime/options.h"

#include "runtime/threads.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace volute::runtime {
namespace {

std::optional<int64_t> whole_number(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), value);
  if (error != std::errc() || end != text.end()) return std::nullopt;
  return value;
}

// Each sets its option, or gives what the value should have been.
using Reader = std::optional<std::string> (*)(const std::string& text, Options& options);

std::optional<std::string> read_threads(const std::string& text, Options& options) {
  const int available = available_threads();
  const std::optional<int64_t> count = text == "all" ? available : whole_number(text);
  if (!count || *count < 1 || *count > 1024) return "a number from 1 to 1024, or all";
  options.threads = static_cast<int>(*count);
  return std::nullopt;
}

std::optional<std::string> read_target(const std::string& text, Options& options) {
  options.target = text; // whoever compiles for it parses it, and names what is wrong
  return std::nullopt;
}

std::optional<std::string> read_accuracy(const std::string& text, Options& options) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !(number >= 0) ||
      !std::isfinite(number))
    return "a number of 0 or more";
  options.accuracy = number;
  return std::nullopt;
}

std::optional<std::string> read_bytes(const std::string& text, int64_t& bytes) {
  const std::optional<int64_t> number = bytes_in(text);
  if (!number) return "a number of bytes, or of K, M or G of them, as in 64M";
  bytes = *number;
  return std::nullopt;
}

std::optional<std::string> read_memory_cache(const std::string& text, Options& options) {
  return read_bytes(text, options.memory_cache_bytes);
}

std::optional<std::string> read_cache_dir(const std::string& text, Options& options) {
  if (text.front() != '/') return "a whole path, from / on";
  options.cache_dir = text;
  return std::nullopt;
}

std::optional<std::string> read_shared_cache(const std::string& text, Options& options) {
  std::vector<std::string> folders;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(':', at), text.size());
    folders.push_back(text.substr(at, end - at));
    if (!folders.back().starts_with('/')) return "whole paths, from / on, with : between";
    at = end + 1;
  }
  options.shared_caches = std::move(folders);
  return std::nullopt;
}

std::optional<std::string> read_compiler(const std::string& text, Options& options) {
  if (text.front() != '/') return "a whole path, from / on";
  options.compiler = text;
  return std::nullopt;
}

std::optional<std::string> read_disk_cache(const std::string& text, Options& options) {
  return read_bytes(text, options.disk_cache_bytes);
}

std::optional<std::string> read_compile_seconds(const std::string& text, Options& options) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !(number > 0))
    return "a number above 0";
  options.budget.seconds = number;
  return std::nullopt;
}

std::optional<std::string> read_compile_memory(const std::string& text, Options& options) {
  return read_bytes(text, options.budget.bytes);
}

std::optional<std::string> read_profile(const std::string& text, Options& options) {
  if (text == "map")
    options.profile = Options::Profile::map;
  else if (text == "jitdump")
    options.profile = Options::Profile::jitdump;
  else if (text == "vtune")
    options.profile = Options::Profile::vtune;
  else
    return "map, jitdump or vtune";
  return std::nullopt;
}

std::optional<std::string> read_debug(const std::string& text, Options& options) {
  if (text != "gdb") return "gdb";
  options.debug = true;
  return std::nullopt;
}

std::optional<std::string> read_verbose(const std::string& text, Options& options) {
  const std::string_view number = std::string_view(text).substr(0, text.find(','));
  const std::optional<int64_t> level = whole_number(number);
  const std::string_view rest = std::string_view(text).substr(number.size());
  if (!level || *level < 0 || *level > 3 || !(rest.empty() || rest == ",json"))
    return "0, 1, 2 or 3, or one of these and json, as in 2,json";
  options.verbose = static_cast<int>(*level);
  options.verbose_json = !rest.empty();
  return std::nullopt;
}

template <bool Options::*option>
std::optional<std::string> read_switch(const std::string& text, Options& options) {
  if (text != "0" && text != "1") return "0 or 1";
  options.*option = text == "1";
  return std::nullopt;
}

std::optional<std::string> from_environment(std::string_view name) {
  const char* value = secure_getenv(std::string(name).c_str());
  return value ? std::optional<std::string>(value) : std::nullopt;
}

struct Row {
  OptionRow text;
  Reader read;
};

constexpr std::array<Row, 14> rows = {{
    {{"VOLUTE_THREADS", "1, 2, ... or all", "threads that run a kernel (1)"}, read_threads},
    {{"VOLUTE_TARGET", "native or CPU[+feature,-feature...]", "what to compile for (native)"},
     read_target},
    {{"VOLUTE_ACCURACY", "0 or more", "largest error of an algorithm, in direct f32's (2)"},
     read_accuracy},
    {{"VOLUTE_MEMORY_CACHE", "bytes, or 64M, 1G, ...",
      "what the kernels that a session keeps may take (256M)"},
     read_memory_cache},
    {{"VOLUTE_CACHE_DIR", "a folder's whole path",
      "where kernels are kept from process to process"},
     read_cache_dir},
    {{"VOLUTE_DISK_CACHE", "bytes, or 64M, 1G, ...", "what they may take there, 0 for none (1G)"},
     read_disk_cache},
    {{"VOLUTE_SHARED_CACHE", "folders' whole paths, a : between",
      "kernels that others have made, read and not written"},
     read_shared_cache},
    {{"VOLUTE_COMPILER", "a file's whole path",
      "libvolute-compiler.so, where it is not beside Volute"},
     read_compiler},
    {{"VOLUTE_COMPILE_SECONDS", "above 0", "processor time that compiling may take (10)"},
     read_compile_seconds},
    {{"VOLUTE_COMPILE_MEMORY", "bytes, or 64M, 1G, ...", "memory that compiling may take (1G)"},
     read_compile_memory},
    {{"VOLUTE_FLUSH_DENORMALS", "0 or 1", "whether kernels take denormal numbers for 0 (0)"},
     read_switch<&Options::flush_denormals>},
    {{"VOLUTE_PROFILE", "map, jitdump or vtune",
      "tell profilers of kernels: perf their names (/tmp/perf-PID.map), or their code and lines "
      "too (/tmp/jit-PID.dump); VTune"},
     read_profile},
    {{"VOLUTE_DEBUG", "gdb", "tell GDB of kernels, with the text of their loops as the source"},
     read_debug},
    {{"VOLUTE_VERBOSE", "0 to 3, 1,json to 3,json",
      "a line on standard error for each compile and what is found (1), passes (2), choices (3)"},
     read_verbose},
}};

constexpr std::string_view prefix = "VOLUTE_";

/// "memory_cache" for VOLUTE_MEMORY_CACHE.
std::string option_name(std::string_view variable) {
  std::string name(variable.substr(prefix.size()));
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return name;
}

constexpr auto row_texts = [] {
  std::array<OptionRow, rows.size()> texts;
  for (size_t i = 0; i < rows.size(); ++i) texts[i] = rows[i].text;
  return texts;
}();

} // namespace

std::optional<int64_t> bytes_in(std::string_view digits) {
  int shift = 0;
  if (digits.ends_with('K')) shift = 10;
  if (digits.ends_with('M')) shift = 20;
  if (digits.ends_with('G')) shift = 30;
  if (shift > 0) digits.remove_suffix(1);
  const std::optional<int64_t> count = whole_number(digits);
  if (!count || *count < 0 || *count > INT64_MAX >> shift) return std::nullopt;
  return *count << shift;
}

std::span<const OptionRow> option_rows() { return row_texts; }

std::string options_help() {
  size_t variable = 0, values = 0;
  for (const OptionRow& row : row_texts) {
    variable = std::max(variable, row.variable.size());
    values = std::max(values, row.values.size());
  }
  std::string text;
  for (const OptionRow& row : row_texts)
    text += fmt::format("  {:{}}  {:{}}  {}\n", row.variable, variable, row.values, values,
                        row.meaning);
  return text;
}

Expected<Options>
read_options(const std::function<std::optional<std::string>(std::string_view)>& get) {
  Options options;
  Failure failure;
  for (const Row& row : rows) {
    const std::optional<std::string> text = get(row.text.variable);
    if (!text || text->empty()) continue;
    if (const auto wanted = row.read(*text, options))
      failure.diagnostics.push_back(
          {{}, std::string(row.text.variable), fmt::format("'{}' is not {}", *text, *wanted), ""});
  }
  if (!failure.diagnostics.empty()) return failure;
  return options;
}

std::string cache_dir_of(const std::function<std::optional<std::string>(std::string_view)>& get) {
  struct Place {
    std::string_view variable, below;
  };
  constexpr Place places[] = {
      {"VOLUTE_CACHE_DIR", ""}, {"XDG_CACHE_HOME", "/volute"}, {"HOME", "/.cache/volute"}};
  if (get("VOLUTE_DISK_CACHE") == "0") return "";
  for (const Place& place : places)
    if (const auto value = get(place.variable); value && value->starts_with('/'))
      return *value + std::string(place.below);
  return "";
}

// Never destroyed, both: threads may make sessions while the process ends.

const std::string& default_cache_dir() {
  static const auto& dir = *new std::string(cache_dir_of(from_environment));
  return dir;
}

const Expected<Options>& options() {
  static const auto& read = *new Expected<Options>(read_options(from_environment));
  return read;
}

Expected<Options> options_with(std::span<const std::pair<std::string, std::string>> given) {
  const Expected<Options>& environment = runtime::options();
  if (!environment) return environment;
  Options options = *environment;
  Failure failure;
  for (const auto& [name, text] : given) {
    const auto row = std::find_if(rows.begin(), rows.end(), [&, &name = name](const Row& each) {
      return option_name(each.text.variable) == name;
    });
    if (row == rows.end()) {
      std::string names;
      for (const Row& each : rows)
        names += (names.empty() ? "" : ", ") + option_name(each.text.variable);
      failure.diagnostics.push_back(
          {{}, name, "there is no such option", fmt::format("there are {}", names)});
    } else if (const auto wanted = row->read(text, options)) {
      failure.diagnostics.push_back({{}, name, fmt::format("'{}' is not {}", text, *wanted), ""});
    }
  }
  if (!failure.diagnostics.empty()) return failure;
  return options;
}

} // namespace volute::runtime
