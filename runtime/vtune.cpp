#include "runtime/vtune.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <dlfcn.h>

namespace volute::runtime {
namespace {

constexpr const char* variable = "INTEL_JIT_PROFILER64";

// ---- the interface of the library, laid out as it has it
enum : unsigned { sampling_on = 1 };
enum : unsigned { method_load_finished = 13, method_unload_start = 14 };
struct LineNumber {
  unsigned offset, line;
};
struct Method {
  unsigned id = 0;
  char* name = nullptr;
  void* address = nullptr;
  unsigned size = 0, line_count = 0;
  LineNumber* lines = nullptr;
  unsigned class_id = 0; // obsolete
  char* class_file = nullptr;
  char* source_file = nullptr;
};
using Initialize = unsigned (*)();
using NotifyEvent = unsigned (*)(unsigned, void*);

struct Collector {
  NotifyEvent notify = nullptr;
  std::string failure;
};

/// A process that has more rights than its user loads nothing that the environment names.
Collector opened() {
  const char* path = secure_getenv(variable);
  if (!path || !*path)
    return {nullptr,
            fmt::format("VOLUTE_PROFILE=vtune: {} names no library; VTune sets it for what "
                        "it starts",
                        variable)};
  void* library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
  if (!library) {
    const char* why = dlerror();
    return {nullptr, fmt::format("{}: {}", variable, why ? why : path)};
  }
  const auto initialize = reinterpret_cast<Initialize>(dlsym(library, "Initialize"));
  const auto notify = reinterpret_cast<NotifyEvent>(dlsym(library, "NotifyEvent"));
  if (!initialize || !notify)
    return {nullptr, fmt::format("{}: {} has no Initialize and NotifyEvent", variable, path)};
  // One that is there and takes no samples has nothing to be told.
  if (initialize() != sampling_on) return {};
  return {notify, ""};
}

const Collector& collector() {
  static const Collector& one = *new Collector(opened());
  return one;
}

unsigned next_id() {
  static std::atomic<unsigned> last{999}; // the library's own begin with 1000
  return ++last;
}

} // namespace

std::shared_ptr<const void> tell_vtune(const compiler::Image& image, const std::byte* code,
                                       const std::string& source,
                                       const std::vector<CodeLine>& lines, std::string& failure) {
  const Collector& vtune = collector();
  failure = vtune.failure;
  if (!vtune.notify) return nullptr;
  auto told = std::make_unique<std::vector<std::pair<unsigned, void*>>>();
  for (const compiler::ImageStep& step : image.steps) {
    if (step.size == 0) continue;
    // A line there is of the code before its offset, up to the one before.
    std::vector<LineNumber> numbers;
    for (size_t i = 0; i < lines.size(); ++i) {
      const uint64_t end = i + 1 < lines.size() ? lines[i + 1].offset : step.entry + step.size;
      if (lines[i].line <= 0 || end <= step.entry || lines[i].offset >= step.entry + step.size)
        continue;
      numbers.push_back({static_cast<unsigned>(std::min(end, step.entry + step.size) - step.entry),
                         static_cast<unsigned>(lines[i].line)});
    }
    std::string name = step.symbol, file = source, module = "volute";
    Method method;
    method.id = next_id();
    method.name = name.data();
    method.address = const_cast<std::byte*>(code) + step.entry;
    method.size = static_cast<unsigned>(step.size);
    method.line_count = static_cast<unsigned>(numbers.size());
    method.lines = numbers.data();
    method.class_file = module.data();
    method.source_file = file.empty() ? nullptr : file.data();
    vtune.notify(method_load_finished, &method);
    told->emplace_back(method.id, method.address);
  }
  const NotifyEvent notify = vtune.notify;
  return std::shared_ptr<const void>(told.release(), [notify](const auto* steps) {
    for (const auto& [id, address] : *steps) {
      Method method;
      method.id = id;
      method.address = address;
      notify(method_unload_start, &method);
    }
    delete steps;
  });
}

} // namespace volute::runtime
