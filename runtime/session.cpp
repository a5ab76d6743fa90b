#include "runtime/session.h"

#include "compiler/compile.h"
#include "ir/verify.h"
#include "runtime/compiler_library.h"
#include "runtime/compiler_link.h"
#include "runtime/disk_cache.h"
#include "runtime/function_table.h"
#include "runtime/key.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>

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

Compile with_library(const std::string& path) {
  return [path](const ir::Program& program, const CompileOptions& options) -> Expected<Compiled> {
    const Expected<CompileRequest> request = compile_request(options);
    if (!request) return request.failure();
    return runtime::compile(path, program, *request);
  };
}

/// What each pass took.
void say_passes(const compiler::Report& report) {
  size_t widest = 0;
  for (const compiler::PassTime& time : report.passes) widest = std::max(widest, time.pass.size());
  for (const compiler::PassTime& time : report.passes)
    fmt::print(stderr, "volute:   {:{}} {:8.2f} ms, verified in {:.2f}\n", time.pass, widest,
               time.ms, time.verify_ms);
}

void say(const compiler::Image& image, const compiler::Report& r) {
  const Expected<compiler::Target> target = compiler::parse_target(image.target);
  fmt::print(stderr,
             "volute: @{} for {}: {} bytes of code, {} of workspace, {:.1f} ms (lower {:.1f}, "
             "emit {:.1f}, object {:.1f}, link {:.1f})\n",
             image.name, target ? compiler::short_text(*target) : "any machine", r.text_bytes,
             r.workspace_bytes, r.total_ms(), r.lower_ms, r.emit_ms, r.object_ms, r.link_ms);
  say_passes(r);
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
  /// `made` with words about it, where they are wanted.
  Expected<Compiled> told(Expected<Compiled> made) const;
  Expected<compiler::Stages> told(Expected<compiler::Stages> made) const;
  Expected<Kernel> kernel(const ir::Program& program, const CompileOptions& complete,
                          const std::string& key);
  std::optional<Kernel> kernel_on_disk(const CompileOptions& complete, const std::string& key);
  Expected<Compiled> made(const ir::Program& program, const CompileOptions& complete,
                          const std::string& key);

  const Options options;
  const Expected<std::string> target = canonical_target(options.target); // found once, not per call
  const Threads threads;
  const Compile compile;
  const std::unique_ptr<DiskCache> disk; // null: nothing is kept from process to process
  std::atomic<int64_t> loads{0};         // of kernels from there
  std::atomic<int64_t> reports{0};       // of reports alone
  std::atomic<int64_t> stores{0};
  MemoryCache cache;
  FunctionTable functions;
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
  return complete;
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
  if (made && options.verbose) say(made->image, made->report);
  return made;
}

Expected<compiler::Stages> Session::State::told(Expected<compiler::Stages> made) const {
  if (made && options.verbose) say_passes(made->report);
  return made;
}

std::optional<Kernel> Session::State::kernel_on_disk(const CompileOptions& complete,
                                                     const std::string& key) {
  if (!disk) return std::nullopt;
  const auto start = std::chrono::steady_clock::now();
  const std::optional<DiskCache::Found> found = disk->find(key);
  if (!found) return std::nullopt;
  Expected<Kernel> kernel = Kernel::load(found->image, threads, *complete.flush_denormals);
  if (!kernel) return disk->refuse(key, kernel.diagnostics().front()), std::nullopt;
  loads.fetch_add(1, std::memory_order_relaxed);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  if (options.verbose)
    fmt::print(stderr, "volute: @{} found in {}: {} bytes of code, {:.2f} ms\n", found->image.name,
               disk->path(), found->image.text_bytes, took.count());
  return *kernel;
}

Expected<Compiled> Session::State::made(const ir::Program& program, const CompileOptions& complete,
                                        const std::string& key) {
  Expected<Compiled> compiled = told(compile(program, complete));
  if (compiled && disk && compiler_is_as_named(options.compiler) &&
      disk->store(key, compiler::to_string(compiled->stages.schedules), compiled->report,
                  compiled->image))
    stores.fetch_add(1, std::memory_order_relaxed);
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
    : Session(std::make_shared<State>(options, std::move(threads), with_library(options.compiler),
                                      disk_cache_of(options))) {
  watch_this_thread();
}

Session::Session(const Options& options, Threads threads, CompileImage compile_image)
    : Session(std::make_shared<State>(options, std::move(threads),
                                      with_image_alone(std::move(compile_image)), nullptr)) {}

Session::Session(std::shared_ptr<State> state) : state_(std::move(state)) {}

Expected<Kernel> Session::try_compile(const ir::Program& program, const CompileOptions& options) {
  const Expected<CompileOptions> complete = state_->completed(program, options);
  if (!complete) return complete.failure();
  const std::string key = kernel_key(program, *complete);
  return state_->cache.get_or_compile(key, [&] { return state_->kernel(program, *complete, key); });
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
  return state_->told(runtime::compile(state_->options.compiler, program, request));
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
  return state_->told(compiler::specialise_program(program, request));
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
  counters.loads += state_->reports.load(std::memory_order_relaxed);
  counters.stores = state_->stores.load(std::memory_order_relaxed);
  return counters;
}

std::string Session::cache_dir() const { return state_->disk ? state_->disk->path() : ""; }

void Session::clear_cache() {
  state_->functions.clear();
  state_->cache.clear();
}

const Threads& Session::threads() const { return state_->threads; }

} // namespace volute::runtime
