#include "runtime/session.h"

#include "compiler/codegen/compiling.h"
#include "compiler/compile.h"
#include "ir/verify.h"
#include "runtime/compiler_link.h"
#include "runtime/disk_cache.h"
#include "runtime/function_table.h"
#include "runtime/key.h"
#include "runtime/log.h"
#include "runtime/tell_tools.h"
#include "runtime/tuned.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <mutex>

namespace volute::runtime {

namespace {

using compiler::Compiled;
using compiler::CompileRequest;
using Compile = std::function<Expected<Compiled>(const ir::Program&, const CompileOptions&)>;

/// "native" and the same machine spelt out are one text.
Expected<std::string> canonical_target(const std::string& text) {
  const Expected<compiler::Target> target = compiler::parse_target(text);
  if (!target) return target.failure();
  return compiler::to_string(*target);
}

Expected<bool> verified(const ir::Program& program) {
  std::vector<Diagnostic> faults = ir::verify(program);
  if (faults.empty()) return true;
  return Failure{std::move(faults)};
}

/// Whether flushing them may change bits.
bool has_denormals(const ir::Program& program) {
  return std::any_of(program.values.begin(), program.values.end(),
                     [](const ir::Value& value) { return ir::is_float(value.type.element); });
}

Compile with_image_alone(CompileImage compile_image) {
  if (!compile_image) throw Error(fail("session", "its compiler is an empty function").diagnostics);
  return [compile_image = std::move(compile_image)](
             const ir::Program& program, const CompileOptions& options) -> Expected<Compiled> {
    Expected<compiler::Image> image = compile_image(program, options);
    if (!image) return image.failure();
    Compiled compiled;
    compiled.image = std::move(*image);
    return compiled;
  };
}

/// By what is asked for; where that was taken from measurements (its schedule has a note) and is
/// refused, because they are of another version, by `auto`.
template <class Asked, class Make>
auto untuned_if_refused(const Asked& asked, const std::string& program, const Log& log,
                        const Make& make) {
  auto made = make(asked);
  if (made || asked.schedule_note.empty()) return made;
  log.fell_back(program, asked.schedule_name, made.diagnostics().front());
  Asked untuned = asked;
  untuned.schedule = "auto";
  untuned.schedule_note = "";
  return make(untuned);
}

} // namespace

struct Session::State {
  State(const Options& session_options, Threads session_threads, Compile session_compile,
        std::unique_ptr<DiskCache> kernels_on_disk)
      : options(session_options), threads(std::move(session_threads)),
        compile(std::move(session_compile)), disk(std::move(kernels_on_disk)),
        cache(options.memory_cache_bytes) {}

  /// The options in canonical form, so that one configuration has one key however it is written.
  Expected<CompileOptions> completed(const ir::Program& program,
                                     const CompileOptions& compile_options) const;
  Expected<CompileOptions> completed(const CompileOptions& compile_options) const;
  /// In place of `auto`, a schedule that was measured to be faster, where one is known.
  void take_tuned(const ir::Program& program, CompileOptions& complete) const;
  /// By the options' schedule; by `auto` where that was taken from measurements and does not fit.
  Expected<Compiled> compile_by(const ir::Program& program, const CompileOptions& complete) const;
  /// `made` with words about it, where they are wanted.
  Expected<Compiled> told(Expected<Compiled> made) const;
  Expected<compiler::Stages> told(Expected<compiler::Stages> made) const;
  Expected<Kernel> kernel(const ir::Program& program, const CompileOptions& complete,
                          const std::string& key);
  std::optional<Kernel> kernel_on_disk(const CompileOptions& complete, const std::string& key);
  Expected<Compiled> made(const ir::Program& program, const CompileOptions& complete,
                          const std::string& key);

  const Options options;
  const Log log{options.verbose, options.verbose_json};
  const Expected<std::string> target = canonical_target(options.target); // found once, not per call
  const Threads threads;
  const Compile compile;
  const std::unique_ptr<DiskCache> disk; // null: nothing is kept from process to process
  std::atomic<int64_t> loads{0};         // from there
  MemoryCache cache;
  FunctionTable functions;
  mutable std::once_flag tuned_loaded;
  mutable TunedSchedules tuned; // of the disk cache's folder, as they were at the first compile
};

Expected<CompileOptions> Session::State::completed(const ir::Program& program,
                                                   const CompileOptions& compile_options) const {
  if (const auto sound = verified(program); !sound) return sound.failure();
  Expected<CompileOptions> complete = completed(compile_options);
  if (!complete) return complete;
  complete->flush_denormals = *complete->flush_denormals && has_denormals(program);
  Expected<compiler::StridesByName> strides = compiler::checked_strides(program, complete->strides);
  if (!strides) return strides.failure();
  complete->strides = std::move(*strides);
  if (complete->schedule == "auto") take_tuned(program, *complete);
  return complete;
}

void Session::State::take_tuned(const ir::Program& program, CompileOptions& complete) const {
  if (!disk) return;
  std::call_once(tuned_loaded, [this] {
    Expected<TunedSchedules> found = TunedSchedules::load(disk->path());
    if (found)
      tuned = std::move(*found);
    else
      disk->warn(found.diagnostics().front());
  });
  const TunedSchedule* found = tuned.find(program, complete);
  if (!found) return;
  complete.schedule = found->schedule;
  complete.schedule_name = "the tuned schedule";
  complete.schedule_note =
      fmt::format("tuned: measured {:.2f} times as fast as what the model chooses", found->faster);
}

Expected<Compiled> Session::State::compile_by(const ir::Program& program,
                                              const CompileOptions& complete) const {
  return untuned_if_refused(complete, program.name, log, [&](const CompileOptions& options) {
    return compile(program, options);
  });
}

Expected<CompileOptions> Session::State::completed(const CompileOptions& compile_options) const {
  CompileOptions complete = compile_options;
  const Expected<std::string> found =
      complete.target.empty() ? target : canonical_target(complete.target);
  if (!found) return found.failure();
  complete.target = *found;
  if (!complete.accuracy) complete.accuracy = options.accuracy;
  complete.flush_denormals = complete.flush_denormals.value_or(options.flush_denormals);
  if (!complete.budget) complete.budget = options.budget;
  return complete;
}

Expected<Compiled> Session::State::told(Expected<Compiled> made) const {
  if (made) log.compiled(made->image, made->report);
  return made;
}

Expected<compiler::Stages> Session::State::told(Expected<compiler::Stages> made) const {
  if (made) log.lowered(made->report);
  return made;
}

std::optional<Kernel> Session::State::kernel_on_disk(const CompileOptions& complete,
                                                     const std::string& key) {
  // What is kept there has no line table for a debugger.
  if (!disk || wants_debug_objects()) return std::nullopt;
  const auto start = std::chrono::steady_clock::now();
  const std::optional<DiskCache::Found> found = disk->find(key);
  if (!found) return std::nullopt;
  Expected<Kernel> kernel = Kernel::load(found->image, threads, *complete.flush_denormals);
  if (!kernel) return disk->refuse(key, kernel.diagnostics().front()), std::nullopt;
  loads.fetch_add(1, std::memory_order_relaxed);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  log.found_on_disk(found->image, disk->path(), took.count());
  return *kernel;
}

Expected<Compiled> Session::State::made(const ir::Program& program, const CompileOptions& complete,
                                        const std::string& key) {
  Expected<Compiled> compiled = told(compile_by(program, complete));
  if (compiled && disk)
    disk->store(key, compiler::to_string(compiled->stages.schedules), compiled->report,
                compiled->image);
  return compiled;
}

Expected<Kernel> Session::State::kernel(const ir::Program& program, const CompileOptions& complete,
                                        const std::string& key) {
  if (const std::optional<Kernel> kernel = kernel_on_disk(complete, key)) return *kernel;
  const Expected<Compiled> compiled = made(program, complete, key);
  if (!compiled) return compiled.failure();
  return Kernel::load(compiled->image, threads, *complete.flush_denormals);
}

namespace {

std::unique_ptr<DiskCache> disk_cache_of(const Options& options) {
  std::string dir = options.cache_dir.value_or(default_cache_dir());
  if (dir.empty() || options.disk_cache_bytes == 0) return nullptr;
  return std::make_unique<DiskCache>(std::move(dir), options.disk_cache_bytes);
}

} // namespace

Session::Session() : Session(options().value()) {}

Session::Session(const Options& options)
    : Session(options, std::move(Threads::pool(options.threads)).value()) {}

Session::Session(const Options& options, Threads threads)
    : Session(std::make_shared<State>(options, std::move(threads), runtime::compile,
                                      disk_cache_of(options))) {
  compiler::watch_this_thread();
}

Session::Session(const Options& options, Threads threads, CompileImage compile_image)
    : Session(std::make_shared<State>(options, std::move(threads),
                                      with_image_alone(std::move(compile_image)), nullptr)) {}

Session::Session(std::shared_ptr<State> state) : state_(std::move(state)) {}

Expected<Kernel> Session::try_compile(const ir::Program& program, const CompileOptions& options) {
  const Expected<CompileOptions> complete = state_->completed(program, options);
  if (!complete) return complete.failure();
  const std::string key = kernel_key(program, *complete);
  const auto make = [&] { return state_->kernel(program, *complete, key); };
  if (!state_->log.is_on(1)) return state_->cache.get_or_compile(key, make);

  const auto start = std::chrono::steady_clock::now();
  const int64_t evictions = state_->cache.counters().evictions;
  bool is_found = true;
  Expected<Kernel> kernel =
      state_->cache.get_or_compile(key, [&] { return is_found = false, make(); });
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  if (!kernel) state_->log.refused(program.name, kernel.diagnostics().front());
  if (kernel && is_found) state_->log.found_in_memory(program.name, took.count());
  const MemoryCache::Counters now = state_->cache.counters();
  state_->log.let_go(now.evictions - evictions, now.bytes);
  return kernel;
}

Kernel Session::compile(const ir::Program& program, const CompileOptions& options) {
  return std::move(try_compile(program, options)).value();
}

Expected<compiler::Report> Session::report(const ir::Program& program,
                                           const CompileOptions& options) {
  const Expected<CompileOptions> complete = state_->completed(program, options);
  if (!complete) return complete.failure();
  const std::string key = kernel_key(program, *complete);
  if (state_->disk)
    if (std::optional<compiler::Report> report = state_->disk->find_report(key)) return *report;
  Expected<Compiled> compiled = state_->made(program, *complete, key);
  if (!compiled) return compiled.failure();
  return std::move(compiled->report);
}

Expected<CompileRequest> Session::request(const ir::Program& program,
                                          const CompileOptions& options) const {
  const Expected<CompileOptions> complete = state_->completed(program, options);
  if (!complete) return complete.failure();
  return compile_request(*complete);
}

Expected<CompileRequest> Session::request(const CompileOptions& options) const {
  const Expected<CompileOptions> complete = state_->completed(options);
  if (!complete) return complete.failure();
  return compile_request(*complete);
}

Expected<Compiled> Session::inspect(const ir::Program& program,
                                    const CompileRequest& request) const {
  return state_->told(
      untuned_if_refused(request, program.name, state_->log, [&](const CompileRequest& asked) {
        return compiler::compile(program, asked);
      }));
}

Expected<Compiled> Session::inspect(const ir::NestProgram& nests,
                                    const CompileRequest& request) const {
  return state_->told(compiler::compile(nests, request));
}

Expected<Compiled> Session::inspect(const ir::LoopProgram& loops,
                                    const CompileRequest& request) const {
  return state_->told(compiler::compile(loops, request));
}

Expected<compiler::Stages> Session::inspect_loops(const ir::Program& program,
                                                  const CompileRequest& request) const {
  return state_->told(
      untuned_if_refused(request, program.name, state_->log, [&](const CompileRequest& asked) {
        return compiler::specialise_program(program, asked);
      }));
}

Expected<compiler::Stages> Session::inspect_loops(const ir::NestProgram& nests,
                                                  const CompileRequest& request) const {
  return state_->told(compiler::specialise_nests(nests, request));
}

Expected<compiler::Stages> Session::inspect_loops(const ir::LoopProgram& loops,
                                                  const CompileRequest& request) const {
  return state_->told(compiler::finish_loops(loops, request));
}

Expected<Kernel> Session::load(const compiler::Image& image) const {
  return Kernel::load(image, state_->threads, state_->options.flush_denormals);
}

std::optional<Kernel> Session::recall(const FunctionKey& key) const {
  std::optional<Kernel> kernel = state_->functions.find(key);
  if (kernel) state_->cache.keep_within_limit();
  return kernel;
}

void Session::remember(const FunctionKey& key, const Kernel& kernel) {
  state_->functions.remember(key, kernel);
}

MemoryCache::Counters Session::cache_counters() const {
  MemoryCache::Counters counters = state_->cache.counters();
  counters.hits += state_->functions.hits();
  counters.loads = state_->loads.load(std::memory_order_relaxed);
  counters.compiles -= counters.loads; // of those that were not found in memory
  return counters;
}

void Session::clear_cache() {
  state_->functions.clear();
  state_->cache.clear();
}

const Threads& Session::threads() const { return state_->threads; }

} // namespace volute::runtime
