// volute cache: what is kept on disk.
#include "compiler/image/encode.h"
#include "compiler/image/generator.h"
#include "compiler/report/encode_report.h"
#include "compiler/target/target.h"
#include "ir/literals.h"
#include "runtime/cache_entry.h"
#include "runtime/cache_folder.h"
#include "runtime/disk_cache.h"
#include "runtime/kernel_state.h"
#include "runtime/options.h"
#include "tools/commands.h"
#include "tools/common_options.h"
#include "tools/output.h"
#include "tools/stop.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace volute::tools {
namespace {

using runtime::CacheFolder;
using Json = nlohmann::ordered_json;

struct CacheOptions {
  std::string dir;
  bool json = false;
};

/// What a kernel's file says of itself.
struct Entry {
  CacheFolder::Item item;
  runtime::EntrySummary summary;
  std::string fault; // why it is no kernel; empty: it is
};

struct Place {
  std::string path;
  std::optional<CacheFolder> folder; // none: nothing is kept yet
  int64_t limit_bytes;
};

Place place_of(const CacheOptions& options) {
  Place place;
  place.path = kept_in(options.dir);
  place.limit_bytes = runtime::options()->disk_cache_bytes;
  Expected<std::optional<CacheFolder>> folder = CacheFolder::open(place.path, false);
  if (!folder) refuse(folder.diagnostics().front());
  place.folder = std::move(*folder);
  return place;
}

/// All of a file's checks, or with `in_full` false those of its key.
std::string fault_of(const CacheFolder& folder, const std::string& name, bool in_full,
                     runtime::EntrySummary& summary) {
  // Of a list no more is read than the key, which stands in front, is likely to need.
  constexpr size_t key_bytes = 64 << 10;
  const auto file = folder.read(name, in_full ? SIZE_MAX : key_bytes);
  if (!file) return file.diagnostics().front().message;
  if (!*file) return "it is gone";
  const std::span<const std::byte> bytes = (*file)->bytes;
  const std::optional<std::string> key = runtime::key_in(bytes);
  if (!key) {
    if (!in_full && bytes.size() == key_bytes) return fault_of(folder, name, true, summary);
    const auto view = runtime::view_entry(bytes);
    return view ? "it has no key" : view.diagnostics().front().message;
  }
  const auto said = runtime::summary_of_key(*key);
  if (!said) return said.diagnostics().front().message;
  summary = *said;
  if (!in_full) return "";
  const auto view = runtime::view_entry(bytes);
  if (!view) return view.diagnostics().front().message;
  if (runtime::entry_name(view->key) != name) return "its name is another key's";
  if (!compiler::decode_report(view->report)) return "its report is none";
  const auto image = compiler::decode(view->image);
  if (!image) return image.diagnostics().front().message;
  if (auto fault = runtime::check_image(*image)) return fault->diagnostics.front().message;
  return "";
}

/// The kernels of a folder, those used last in front.
std::vector<Entry> entries_of(const Place& place, bool in_full) {
  std::vector<Entry> entries;
  if (!place.folder) return entries;
  for (const CacheFolder::Item& item : place.folder->items()) {
    if (!item.is_kernel) continue;
    Entry entry{item, {}, ""};
    entry.fault = fault_of(*place.folder, item.name, in_full, entry.summary);
    if (entry.fault != "it is gone") entries.push_back(std::move(entry));
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(b.item.used_ns, a.item.name) < std::tie(a.item.used_ns, b.item.name);
  });
  return entries;
}

bool is_of_this_generator(const Entry& entry) {
  return entry.summary.generator ==
         fmt::format("{}, LLVM {}", compiler::generator_version(), compiler::llvm_version());
}

std::string short_target(const std::string& canonical) {
  const Expected<compiler::Target> target = compiler::parse_target(canonical);
  return target ? compiler::short_text(*target) : ir::shown(canonical);
}

double seconds_since(int64_t ns) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(now.tv_sec) - 1e-9 * static_cast<double>(ns);
}

std::string for_how_long(double seconds) {
  if (seconds < 60) return "seconds";
  if (seconds < 3600) return fmt::format("{:.0f} min", seconds / 60);
  if (seconds < 86400) return fmt::format("{:.0f} h", seconds / 3600);
  return fmt::format("{:.0f} days", seconds / 86400);
}

void print_json(const Json& json) { print(json.dump(2) + "\n"); }

// ---- the four commands --------------------------------------------------------------------------

int list(const CacheOptions& options) {
  const Place place = place_of(options);
  const std::vector<Entry> entries = entries_of(place, false);
  if (options.json) {
    Json rows = Json::array();
    for (const Entry& entry : entries) {
      Json row = {{"file", entry.item.name},
                  {"bytes", entry.item.bytes},
                  {"used", entry.item.used_ns / 1'000'000'000}};
      if (entry.fault.empty())
        row.update({{"program", entry.summary.program},
                    {"target", entry.summary.target},
                    {"schedule", entry.summary.schedule},
                    {"generator", entry.summary.generator},
                    {"current", is_of_this_generator(entry)}});
      else
        row["fault"] = entry.fault;
      rows.push_back(std::move(row));
    }
    print_json({{"folder", place.path}, {"kernels", rows}});
    return exit_done;
  }
  size_t width = 7;
  for (const Entry& entry : entries) width = std::max(width, entry.summary.program.size() + 1);
  if (!entries.empty())
    print(fmt::format("{:<{}}  {:>9}  {:>8}  {:<16}  {}\n", "program", width, "bytes", "unused",
                      "generator", "target"));
  for (const Entry& entry : entries)
    if (entry.fault.empty())
      print(fmt::format(
          "{:<{}}  {:>9}  {:>8}  {:<16}  {}{}\n", "@" + ir::shown(entry.summary.program), width,
          human_bytes(entry.item.bytes), for_how_long(seconds_since(entry.item.used_ns)),
          is_of_this_generator(entry)
              ? "this one"
              : ir::shown(entry.summary.generator.substr(0, entry.summary.generator.find(','))),
          short_target(entry.summary.target),
          entry.summary.schedule == "auto" ? "" : ", scheduled by hand"));
    else
      print(fmt::format("{}: {}\n", entry.item.name, entry.fault));
  print(fmt::format("{} kernel{} in {}\n", entries.size(), entries.size() == 1 ? "" : "s",
                    place.path));
  return exit_done;
}

int stats(const CacheOptions& options) {
  const Place place = place_of(options);
  int64_t bytes = 0, kernels = 0, current = 0, current_bytes = 0, left = 0, oldest = INT64_MAX;
  for (const Entry& entry : entries_of(place, false)) {
    ++kernels;
    bytes += entry.item.bytes;
    oldest = std::min(oldest, entry.item.used_ns);
    if (!entry.fault.empty() || !is_of_this_generator(entry)) continue;
    ++current;
    current_bytes += entry.item.bytes;
  }
  if (place.folder)
    for (const CacheFolder::Item& item : place.folder->items()) left += !item.is_kernel;
  if (options.json) {
    print_json({{"folder", place.path},
                {"exists", place.folder.has_value()},
                {"kernels", kernels},
                {"bytes", bytes},
                {"limit_bytes", place.limit_bytes},
                {"of_this_generator", current},
                {"of_this_generator_bytes", current_bytes},
                {"unfinished", left},
                {"generator", std::string(compiler::generator_version())},
                {"llvm", std::string(compiler::llvm_version())}});
    return exit_done;
  }
  print(fmt::format("folder     {}{}\n", place.path,
                    place.folder ? "" : " (made with the first kernel)"));
  print(fmt::format("kernels    {}, {} of at most {}\n", kernels, human_bytes(bytes),
                    human_bytes(place.limit_bytes)));
  print(fmt::format("usable     {}, {}: made by generator {}, LLVM {}\n", current,
                    human_bytes(current_bytes), compiler::generator_version(),
                    compiler::llvm_version()));
  if (kernels > 0)
    print(fmt::format("longest    unused for {}\n", for_how_long(seconds_since(oldest))));
  if (left > 0) print(fmt::format("unfinished {}, swept away after ten minutes\n", left));
  return exit_done;
}

int verify(const CacheOptions& options) {
  const Place place = place_of(options);
  const std::vector<Entry> entries = entries_of(place, true);
  std::vector<const Entry*> faulty;
  for (const Entry& entry : entries)
    if (!entry.fault.empty()) faulty.push_back(&entry);
  if (options.json) {
    Json rows = Json::array();
    for (const Entry* entry : faulty)
      rows.push_back({{"file", entry->item.name}, {"fault", entry->fault}});
    print_json({{"folder", place.path}, {"kernels", entries.size()}, {"faulty", rows}});
    return faulty.empty() ? exit_done : exit_refused;
  }
  std::string text;
  for (const Entry* entry : faulty)
    text += fmt::format("error: {}/{}: {}\n", place.path, entry->item.name, entry->fault);
  if (!faulty.empty())
    throw Stop(exit_refused, text + fmt::format("{} of {} kernels cannot be used; they are made "
                                                "anew when they are asked for\n",
                                                faulty.size(), entries.size()));
  print(fmt::format("{} kernel{} in {}, all whole\n", entries.size(),
                    entries.size() == 1 ? "" : "s", place.path));
  return exit_done;
}

int clear(const CacheOptions& options) {
  const Place place = place_of(options);
  int64_t bytes = 0, removed = 0, left = 0;
  if (place.folder)
    for (const CacheFolder::Item& item : place.folder->items()) {
      if (place.folder->remove(item.name)) {
        bytes += item.bytes;
        removed += item.is_kernel;
      } else if (item.is_kernel) {
        ++left;
      }
    }
  if (options.json)
    print_json({{"folder", place.path}, {"removed", removed}, {"bytes", bytes}, {"left", left}});
  else
    print(fmt::format("{} kernel{}, {}, removed from {}\n", removed, removed == 1 ? "" : "s",
                      human_bytes(bytes), place.path));
  if (left > 0)
    throw Stop(exit_refused, fmt::format("error: {}: {} kernel{} could not be removed\n",
                                         place.path, left, left == 1 ? "" : "s"));
  return exit_done;
}

} // namespace

void add_cache(CLI::App& app, Actions& actions) {
  struct Command {
    const char *name, *does;
    int (*run)(const CacheOptions&);
  };
  constexpr Command commands[] = {
      {"list", "The kernels, those used last in front", list},
      {"stats", "Where they are, how many, and what they take", stats},
      {"verify", "Reads every kernel in full and checks it; a faulty one is an error", verify},
      {"clear", "Removes all of them", clear},
  };
  CLI::App* sub = app.add_subcommand("cache", "The compiled kernels on disk");
  sub->footer("The folder is --cache-dir, else $VOLUTE_CACHE_DIR, $XDG_CACHE_HOME/volute or\n"
              "~/.cache/volute. Alone, `volute cache` lists.\n\n"
              "Examples:\n"
              "  volute cache stats\n"
              "  volute cache list --json\n"
              "  volute cache verify && echo all whole");
  sub->require_subcommand(0, 1);
  auto options = std::make_shared<CacheOptions>();
  const auto add_options = [&](CLI::App& to) {
    to.add_option("--cache-dir", options->dir, "Another folder")->type_name("DIR");
    to.add_flag("--json", options->json, "As JSON");
  };
  add_options(*sub);
  for (const Command& command : commands) {
    CLI::App* each = sub->add_subcommand(command.name, command.does);
    add_options(*each);
    actions.emplace_back(each, [options, run = command.run] { return run(*options); });
  }
  actions.emplace_back(sub, [options] { return list(*options); });
}

} // namespace volute::tools
