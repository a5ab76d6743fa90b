#include "runtime/session.h"

#include "compiler/compile.h"
#include "compiler/plain_program.h"
#include "ir/verify.h"
#include "runtime/background.h"
#include "runtime/compiler_library.h"
#include "runtime/compiler_link.h"
#include "runtime/disk_cache.h"
#include "runtime/function_table.h"
#include "runtime/key.h"
#include "runtime/log.h"
#include "runtime/own_folder.h"
#include "runtime/program_table.h"
#include "runtime/tell_tools.h"
#include "runtime/tile_permission.h"
#include "runtime/tuned.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <unistd.h>

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

/// Ends a compile between two passes; nobody's refusal.
struct Cancelled {};
/// Of the compile that this thread is in for somebody who may give it up.
thread_local const std::atomic<bool>* cancel_flag = nullptr;

Compile with_library(const std::string& path) {
  return [path](const ir::Program& program, const CompileOptions& options) -> Expected<Compiled> {
    const Expected<CompileRequest> request = compile_request(options);
    if (!request) return request.failure();
    CompileRequest watched = *request;
    if (const std::atomic<bool>* flag = cancel_flag)
      watched.watch = [flag](const compiler::Pass&, const compiler::Stages&) {
        if (flag->load(std::memory_order_relaxed)) throw Cancelled();
      };
    return runtime::compile(path, program, watched);
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
        std::unique_ptr<DiskCache> kernels_on_disk,
        std::vector<std::unique_ptr<DiskCache>> kernels_of_others)
      : options(session_options), threads(std::move(session_threads)),
        compile(std::move(session_compile)), disk(std::move(kernels_on_disk)),
        shared(std::move(kernels_of_others)), cache(options.memory_cache_bytes) {}

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
  /// What was found or compiled may need a matrix unit, which the system grants or not: then
  /// nothing.
  std::optional<Expected<Kernel>> kernel_unless_refused(const ir::Program& program,
                                                        const CompileOptions& complete,
                                                        const std::string& key);
  /// The kernel from memory, from disk or from the compiler, with words about it likewise.
  Expected<Kernel> found_or_made(const ir::Program& program, const CompileOptions& complete,
                                 const std::string& key);
  /// One that answers at once, until there is code.
  Expected<Kernel> without_code(const ir::Program& program, const CompileOptions& complete) const;
  std::optional<Kernel> kernel_on_disk(const CompileOptions& complete, const std::string& key);
  /// One that others have made for a CPU that this one has all instructions of.
  std::optional<Kernel> kernel_of_others(const ir::Program& program,
                                         const CompileOptions& complete);
  std::optional<Kernel> found_in(DiskCache& folder, const CompileOptions& complete,
                                 const std::string& key);
  Expected<Compiled> made(const ir::Program& program, const CompileOptions& complete,
                          const std::string& key);

  const Options options;
  const Log log{options.verbose, options.verbose_json};
  const Expected<std::string> target = canonical_target(options.target); // found once, not per call
  const Threads threads;
  const Compile compile;
  const std::unique_ptr<DiskCache> disk; // null: nothing is kept from process to process
  const std::vector<std::unique_ptr<DiskCache>> shared; // looked into after that, never written
  std::atomic<int64_t> loads{0};                        // of kernels from there
  std::atomic<int64_t> loads_apart{0}; // of those, the ones that no cache in memory had asked for
  std::atomic<int64_t> reports{0};     // of reports alone
  std::atomic<int64_t> stores{0};
  MemoryCache cache;
  FunctionTable functions;
  ProgramTable programs;
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
  // What was measured to be faster adds up in orders of its own.
  if (complete->schedule == "auto" && !complete->deterministic) take_tuned(program, *complete);
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

std::optional<Kernel> Session::State::found_in(DiskCache& folder, const CompileOptions& complete,
                                               const std::string& key) {
  const auto start = std::chrono::steady_clock::now();
  const std::optional<DiskCache::Found> found = folder.find(key);
  if (!found || (found->image.needs_tiles && !may_use_tiles())) return std::nullopt;
  Expected<Kernel> kernel = Kernel::load(found->image, threads, *complete.flush_denormals);
  if (!kernel) return folder.refuse(key, kernel.diagnostics().front()), std::nullopt;
  loads.fetch_add(1, std::memory_order_relaxed);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  log.found_on_disk(found->image, folder.path(), took.count());
  return *kernel;
}

std::optional<Kernel> Session::State::kernel_on_disk(const CompileOptions& complete,
                                                     const std::string& key) {
  if (wants_debug_objects()) return std::nullopt; // what is kept there has no lines
  if (disk)
    if (std::optional<Kernel> kernel = found_in(*disk, complete, key)) return kernel;
  for (const std::unique_ptr<DiskCache>& folder : shared)
    if (std::optional<Kernel> kernel = found_in(*folder, complete, key)) return kernel;
  return std::nullopt;
}

std::optional<Kernel> Session::State::kernel_of_others(const ir::Program& program,
                                                       const CompileOptions& complete) {
  // Whoever names a target wants code for that and no other.
  if (shared.empty() || complete.target != compiler::to_string(compiler::host()))
    return std::nullopt;
  for (const char* name : {"x86-64-v4", "x86-64-v3", "x86-64-v2"}) {
    const Expected<compiler::Target> target = compiler::parse_target(name);
    if (!target || !compiler::runs_on(*target, compiler::host())) continue;
    CompileOptions other = complete;
    other.target = compiler::to_string(*target);
    if (!other.schedule_note.empty()) other.schedule = "auto"; // it was measured for this one
    const std::string key = kernel_key(program, other);
    for (const std::unique_ptr<DiskCache>& folder : shared)
      if (std::optional<Kernel> kernel = found_in(*folder, complete, key)) return kernel;
  }
  return std::nullopt;
}

Expected<Compiled> Session::State::made(const ir::Program& program, const CompileOptions& complete,
                                        const std::string& key) {
  Expected<Compiled> compiled = told(compile_by(program, complete));
  if (compiled && disk && compiler_is_as_named(options.compiler) &&
      disk->store(key, compiler::to_string(compiled->stages.schedules), compiled->report,
                  compiled->image))
    stores.fetch_add(1, std::memory_order_relaxed);
  return compiled;
}

std::optional<Expected<Kernel>>
Session::State::kernel_unless_refused(const ir::Program& program, const CompileOptions& complete,
                                      const std::string& key) {
  if (const std::optional<Kernel> kernel = kernel_on_disk(complete, key)) return *kernel;
  const Expected<Compiled> compiled = made(program, complete, key);
  if (compiled && compiled->image.needs_tiles && !may_use_tiles()) return std::nullopt;
  if (compiled) return Kernel::load(compiled->image, threads, *complete.flush_denormals);
  if (!compiler_library(options.compiler))
    if (const std::optional<Kernel> kernel = kernel_of_others(program, complete)) return *kernel;
  return compiled.failure();
}

Expected<Kernel> Session::State::kernel(const ir::Program& program, const CompileOptions& complete,
                                        const std::string& key) {
  if (std::optional<Expected<Kernel>> kernel = kernel_unless_refused(program, complete, key))
    return std::move(*kernel);
  log.without_tiles(program.name);
  CompileOptions vectors = complete;
  const compiler::Target target = compiler::parse_target(complete.target).value();
  vectors.target = compiler::to_string(compiler::without_tiles(target));
  return *kernel_unless_refused(program, vectors, kernel_key(program, vectors));
}

Expected<Kernel> Session::State::without_code(const ir::Program& program,
                                              const CompileOptions& complete) const {
  const auto start = std::chrono::steady_clock::now();
  const Expected<CompileRequest> request = compile_request(complete);
  if (!request) return request.failure();
  const Expected<compiler::PlainProgram> plain = compiler::plain_program(program, *request);
  if (!plain) return plain.failure();
  Expected<Kernel> kernel = Kernel::without_code(*plain, threads, *complete.flush_denormals);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  if (kernel) log.answers_without_code(program.name, took.count());
  return kernel;
}

Expected<Kernel> Session::State::found_or_made(const ir::Program& program,
                                               const CompileOptions& complete,
                                               const std::string& key) {
  const auto make = [&] { return kernel(program, complete, key); };
  if (!log.is_on(1)) return cache.get_or_compile(key, make);

  const auto start = std::chrono::steady_clock::now();
  const int64_t evictions = cache.counters().evictions;
  bool is_found = true;
  Expected<Kernel> found = cache.get_or_compile(key, [&] { return is_found = false, make(); });
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  if (!found) log.refused(program.name, found.diagnostics().front());
  if (found && is_found) log.found_in_memory(program.name, took.count());
  const MemoryCache::Counters now = cache.counters();
  log.let_go(now.evictions - evictions, now.bytes);
  return found;
}

namespace {

std::unique_ptr<DiskCache> disk_cache_of(const Options& options) {
  std::string dir = options.cache_dir.value_or(default_cache_dir());
  if (dir.empty() || options.disk_cache_bytes == 0) return nullptr;
  return std::make_unique<DiskCache>(std::move(dir), options.disk_cache_bytes);
}

std::vector<std::unique_ptr<DiskCache>> caches_of_others(const Options& options) {
  std::vector<std::unique_ptr<DiskCache>> caches;
  if (options.disk_cache_bytes == 0) return caches;
  const bool is_default = !options.shared_caches;
  for (const std::string& dir : is_default ? places_of_kernels() : *options.shared_caches) {
    // What nobody has named need not be there.
    if (is_default && access(dir.c_str(), X_OK) != 0) continue;
    caches.push_back(std::make_unique<DiskCache>(dir, options.disk_cache_bytes));
  }
  return caches;
}

} // namespace

Session::Session() : Session(options().value()) {}

Session::Session(const Options& options)
    : Session(options, std::move(Threads::pool(options.threads)).value()) {}

Session::Session(const Options& options, Threads threads)
    : Session(std::make_shared<State>(options, std::move(threads), with_library(options.compiler),
                                      disk_cache_of(options), caches_of_others(options))) {
  watch_this_thread();
}

Session::Session(const Options& options, Threads threads, CompileImage compile_image)
    : Session(std::make_shared<State>(options, std::move(threads),
                                      with_image_alone(std::move(compile_image)), nullptr,
                                      std::vector<std::unique_ptr<DiskCache>>())) {}

Session::Session(std::shared_ptr<State> state) : state_(std::move(state)) {}

Expected<Kernel> Session::try_compile(const ir::Program& program, const CompileOptions& options) {
  if (!state_->log.is_on(1))
    if (std::optional<Kernel> kernel = state_->programs.find(program, options)) {
      state_->cache.keep_within_limit();
      return std::move(*kernel);
    }
  const Expected<CompileOptions> complete = state_->completed(program, options);
  if (!complete) return complete.failure();
  const std::string key = kernel_key(program, *complete);
  while (true) try {
      Expected<Kernel> kernel = state_->found_or_made(program, *complete, key);
      if (kernel) state_->programs.remember(program, options, *kernel);
      return kernel;
    } catch (const Cancelled&) {
      // By somebody who asked for the same kernel, and needs it no more: this one does.
      if (cancel_flag && cancel_flag->load()) throw;
    }
}

namespace {

/// The result for somebody who may give it up, by `ask` on this thread.
Expected<Kernel> unless_cancelled(const std::atomic<bool>& flag, const std::string& name,
                                  const std::function<Expected<Kernel>()>& ask) {
  struct Scope {
    explicit Scope(const std::atomic<bool>& flag) { cancel_flag = &flag; }
    ~Scope() { cancel_flag = nullptr; }
  };
  if (!flag.load()) try {
      const Scope scope(flag);
      return ask();
    } catch (const Cancelled&) {
    }
  return cancelled(name);
}

} // namespace

PendingKernel Session::compile_async(const ir::Program& program, const CompileOptions& options) {
  const auto state = std::make_shared<PendingKernel::State>();
  state->name = program.name;
  in_background(
      [session = *this, program, options, state]() mutable {
        if (state->is_taken.exchange(true)) return; // given up
        std::optional<Expected<Kernel>> result;
        std::exception_ptr exception;
        try {
          result = unless_cancelled(state->is_cancelled, program.name,
                                    [&] { return session.try_compile(program, options); });
        } catch (...) {
          exception = std::current_exception();
        }
        finish(*state, std::move(result), exception);
      },
      available_threads());
  return PendingKernel(state);
}

Expected<TieredKernel> Session::try_compile_tiered(const ir::Program& program,
                                                   const CompileOptions& options) {
  const Expected<CompileOptions> complete = state_->completed(program, options);
  if (!complete) return complete.failure();
  const std::string key = kernel_key(program, *complete);
  std::optional<Kernel> good = state_->cache.find(key);
  if (!good && (good = state_->kernel_on_disk(*complete, key)))
    good = state_->cache.keep(key, *good), state_->loads_apart.fetch_add(1);
  if (good) return TieredKernel(*good);
  // What answers first is made first: the two would take each other's time.
  // A kernel for another target may round elsewhere; nests that are run for this one do not.
  if (!complete->deterministic)
    if (const std::optional<Kernel> theirs = state_->kernel_of_others(program, *complete)) {
      state_->loads_apart.fetch_add(1);
      return TieredKernel(*theirs, compile_async(program, options));
    }
  const Expected<Kernel> quick = state_->without_code(program, *complete);
  if (quick) return TieredKernel(*quick, compile_async(program, options));
  const Expected<Kernel> only = try_compile(program, options);
  if (!only) return only.failure();
  return TieredKernel(*only);
}

TieredKernel Session::compile_tiered(const ir::Program& program, const CompileOptions& options) {
  return std::move(try_compile_tiered(program, options)).value();
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
    if (std::optional<compiler::Report> report = state_->disk->find_report(key)) {
      state_->reports.fetch_add(1, std::memory_order_relaxed);
      return *report;
    }
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
        return runtime::compile(state_->options.compiler, program, asked);
      }));
}

Expected<Compiled> Session::inspect(const ir::NestProgram& nests,
                                    const CompileRequest& request) const {
  return state_->told(runtime::compile(state_->options.compiler, nests, request));
}

Expected<Compiled> Session::inspect(const ir::LoopProgram& loops,
                                    const CompileRequest& request) const {
  return state_->told(runtime::compile(state_->options.compiler, loops, request));
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

Expected<compiler::LlvmListing> Session::list_llvm(const ir::LoopProgram& loops,
                                                   const compiler::Target& target) const {
  return runtime::list_llvm(state_->options.compiler, loops, target);
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
  counters.hits += state_->functions.hits() + state_->programs.hits();
  counters.loads = state_->loads.load(std::memory_order_relaxed);
  // Of those that were not found in memory.
  counters.compiles -= counters.loads - state_->loads_apart.load(std::memory_order_relaxed);
  counters.loads += state_->reports.load(std::memory_order_relaxed);
  counters.stores = state_->stores.load(std::memory_order_relaxed);
  return counters;
}

std::string Session::cache_dir() const { return state_->disk ? state_->disk->path() : ""; }

void Session::clear_cache() {
  state_->functions.clear();
  state_->programs.clear();
  state_->cache.clear();
}

const Threads& Session::threads() const { return state_->threads; }

} // namespace volute::runtime
