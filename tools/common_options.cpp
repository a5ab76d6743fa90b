#include "tools/common_options.h"

#include "compiler/schedule/schedule.h"
#include "ir/literals.h"
#include "runtime/file.h"
#include "runtime/options.h"
#include "tools/output.h"
#include "tools/stop.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>

namespace volute::tools {
namespace {

constexpr size_t longest_schedule = size_t{1} << 20;

// A schedule is a small language of its own: faults are shown at their places in its text.
std::string schedule_text(const std::string& option) {
  if (option == "auto" || option == "naive") return option;
  const bool is_file = !option.empty() && option.front() == '@';
  const std::string text =
      is_file ? read_text_file(option.substr(1), longest_schedule, "schedule") : option;
  const Expected<compiler::Schedules> parsed = compiler::parse_schedules(text);
  const bool is_path = !is_file && option.find_first_of(" \n;") == std::string::npos &&
                       option.find_first_of("./") != std::string::npos;
  if (!parsed && is_path)
    misuse(fmt::format("--schedule: {} is no schedule", ir::quoted(option)),
           fmt::format("a file that holds one is named with an @: --schedule @{}", option));
  if (!parsed)
    throw Stop(exit_refused,
               render(parsed.diagnostics(), is_file ? option.substr(1) : "--schedule", text));
  return text;
}

int thread_count(const std::string& option) {
  constexpr int most = 1024;
  if (option == "all") return std::min(runtime::available_threads(), most);
  int count = 0;
  const auto [end, error] = std::from_chars(option.data(), option.data() + option.size(), count);
  if (error != std::errc() || end != option.data() + option.size() || count < 1 || count > most)
    misuse(fmt::format("--threads: '{}' is not a number from 1 to {}, or all", option, most));
  return count;
}

} // namespace

std::string whole_path(const std::string& path) {
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::absolute(path, error);
  if (error) refuse({{}, path, error.message(), ""});
  return whole.lexically_normal().string();
}

void add_common_options(CLI::App& app, CommonOptions& options) {
  constexpr const char* group = "Options of run, compile, inspect and bench";
  app.add_option("--target", options.target,
                 "What to compile for: native, or a CPU of `volute targets`,\n"
                 "with features added or taken away, as in znver4-avx512f")
      ->type_name("CPU")
      ->group(group);
  app.add_option("--schedule", options.schedule,
                 "auto, naive (plain loops), a schedule's text, or @FILE that holds it")
      ->type_name("TEXT")
      ->group(group);
  app.add_option("--threads", options.threads, "Threads that run a kernel: a number, or all (1)")
      ->type_name("N")
      ->group(group);
  app.add_option("--accuracy", options.accuracy,
                 "Largest error of an algorithm, in multiples of the largest that a\n"
                 "direct sum in f32 makes (2); 0 allows direct sums only")
      ->type_name("X")
      ->group(group);
  app.add_flag("--flush-denormals", options.flush_denormals,
               "Take numbers below the normal ones for 0; where there are some, many\n"
               "CPUs are a hundred times faster so")
      ->group(group);
  app.add_option("--compile-seconds", options.compile_seconds,
                 "Processor time that compiling may take before it is given up (10)")
      ->type_name("S")
      ->group(group);
  app.add_option("--compile-memory", options.compile_memory,
                 "Memory that it may take: bytes, or 64M, 1G, ... (1G)")
      ->type_name("BYTES")
      ->group(group);
  app.add_flag("--verbose", options.verbose,
               "Say on standard error what was compiled, and how long it took")
      ->group(group);
  app.add_flag("--deterministic", options.deterministic,
               "Direct sums in one order, taps, then channels: the same bits whatever\n"
               "the schedule and the batch")
      ->group(group);
  CLI::Option* dir = app.add_option("--cache-dir", options.cache_dir,
                                    "Where compiled kernels are kept (~/.cache/volute)");
  dir->type_name("DIR")->group(group);
  app.add_flag("--no-cache", options.no_cache, "Neither look for compiled kernels nor keep any")
      ->excludes(dir)
      ->group(group);
}

std::string read_text_file(const std::string& path, size_t longest, std::string_view what) {
  const auto refused = [&](Diagnostic fault) {
    fault.subject.clear();
    throw Stop(exit_refused, render({fault}, path, ""));
  };
  Expected<runtime::OpenFile> file = runtime::open_to_read(path);
  if (!file) refused(file.diagnostics().front());
  Expected<std::string> text = runtime::read_text(file->get(), path, longest, what);
  if (!text) refused(text.diagnostics().front());
  return std::move(*text);
}

std::string kept_in(const std::string& dir) {
  const Expected<runtime::Options>& environment = runtime::options();
  if (!environment) throw Stop(exit_misused, render(environment.diagnostics(), "", ""));
  std::string path =
      dir.empty() ? environment->cache_dir.value_or(runtime::default_cache_dir()) : whole_path(dir);
  if (path.empty())
    throw Stop(exit_refused,
               "error: kernels are kept nowhere: VOLUTE_DISK_CACHE is 0, or none of "
               "VOLUTE_CACHE_DIR, XDG_CACHE_HOME and HOME names a folder\n--cache-dir names one\n");
  return path;
}

Settings settings_of(const CommonOptions& options) {
  const Expected<runtime::Options>& environment = runtime::options();
  if (!environment) throw Stop(exit_misused, render(environment.diagnostics(), "", ""));
  runtime::Options session = *environment;
  if (options.verbose) session.verbose = std::max(session.verbose, 2); // with its passes
  session.flush_denormals = session.flush_denormals || options.flush_denormals;
  if (!options.threads.empty()) session.threads = thread_count(options.threads);
  if (const int most = runtime::available_threads(); session.threads > most)
    fmt::print(stderr, "warning: {} threads, and this process may run on {} processor{}\n",
               session.threads, most, most == 1 ? "" : "s");
  if (options.accuracy) session.accuracy = *options.accuracy;
  if (!(session.accuracy >= 0) || !std::isfinite(session.accuracy))
    misuse(fmt::format("--accuracy: {} is not a number of 0 or more", session.accuracy));
  if (options.compile_seconds) session.budget.seconds = *options.compile_seconds;
  if (!(session.budget.seconds > 0))
    misuse(fmt::format("--compile-seconds: {} is not above 0", session.budget.seconds));
  if (!options.compile_memory.empty()) {
    const std::optional<int64_t> bytes = runtime::bytes_in(options.compile_memory);
    if (!bytes)
      misuse(fmt::format("--compile-memory: '{}' is not a number of bytes, or of K, M or G of them",
                         options.compile_memory));
    session.budget.bytes = *bytes;
  }
  if (options.no_cache) {
    session.cache_dir = "";
    session.shared_caches.emplace();
  }
  if (!options.cache_dir.empty()) {
    session.cache_dir = whole_path(options.cache_dir);
    if (session.disk_cache_bytes == 0)
      session.disk_cache_bytes = runtime::Options().disk_cache_bytes;
  }
  const bool has_target = !options.target.empty();
  if (has_target) session.target = options.target;
  const Expected<compiler::Target> target = compiler::parse_target(session.target);
  if (!target) {
    const Diagnostic& fault = target.diagnostics().front();
    misuse(fmt::format("{}: {}", has_target ? "--target" : "VOLUTE_TARGET", fault.message),
           fault.hint);
  }
  runtime::CompileOptions compile;
  compile.schedule = schedule_text(options.schedule);
  const bool is_file = !options.schedule.empty() && options.schedule.front() == '@';
  compile.schedule_name = is_file ? options.schedule.substr(1) : "--schedule";
  compile.accuracy = options.accuracy;
  compile.flush_denormals = session.flush_denormals;
  compile.deterministic = options.deterministic;
  Expected<runtime::Threads> threads = runtime::Threads::pool(session.threads);
  if (!threads) refuse(threads.diagnostics().front());
  return {runtime::Session(session, std::move(*threads)), std::move(compile)};
}

runtime::Kernel compile_program(const ProgramSource& source, const ir::Program& program,
                                Settings& settings) {
  const Progress progress(fmt::format("compiling @{}", program.name));
  return source.value_of(settings.session.try_compile(program, settings.compile));
}

compiler::CompileRequest request_of(const ProgramSource& source, const ir::Program& program,
                                    const Settings& settings) {
  return source.value_of(settings.session.request(program, settings.compile));
}

} // namespace volute::tools
