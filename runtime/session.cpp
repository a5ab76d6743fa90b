#include "runtime/session.h"

#include "compiler/target/target.h"
#include "runtime/compiler_link.h"
#include "runtime/key.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>

namespace volute::runtime {

namespace {

/// "native" and the same machine spelt out are one text.
Expected<std::string> canonical_target(const std::string& text) {
  const Expected<compiler::Target> target = compiler::parse_target(text);
  if (!target) return target.failure();
  return compiler::to_string(*target);
}

} // namespace

struct Session::State {
  State(const Options& session_options, Threads session_threads, CompileImage compiler)
      : options(session_options), threads(std::move(session_threads)),
        compile_image(std::move(compiler)), cache(options.memory_cache_bytes) {}

  Expected<Kernel> compile(const ir::Program& program, const CompileOptions& compile_options) const;

  const Options options;
  const Expected<std::string> target = canonical_target(options.target); // found once, not per call
  const Threads threads;
  const CompileImage compile_image;
  MemoryCache cache;
};

Expected<Kernel> Session::State::compile(const ir::Program& program,
                                         const CompileOptions& compile_options) const {
  const auto start = std::chrono::steady_clock::now();
  const Expected<compiler::Image> image = compile_image(program, compile_options);
  if (!image) return image.failure();
  Expected<Kernel> kernel = Kernel::load(*image, threads);
  if (options.verbose && kernel) {
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    fmt::print(stderr, "volute: @{} -> {}: {} bytes of code, {} of workspace, {:.1f} ms\n",
               program.name, kernel->name(), image->bytes.size(), kernel->workspace_bytes(),
               took.count());
  }
  return kernel;
}

Session::Session() : Session(options().value()) {}

Session::Session(const Options& options)
    : Session(options, std::move(Threads::pool(options.threads)).value(), runtime::compile_image) {}

Session::Session(const Options& options, Threads threads, CompileImage compile_image)
    : state_(std::make_shared<State>(options, std::move(threads), std::move(compile_image))) {}

Expected<Kernel> Session::try_compile(const ir::Program& program, const CompileOptions& options) {
  // In canonical form, so that one configuration has one key however it is written.
  CompileOptions complete = options;
  const Expected<std::string> target =
      options.target.empty() ? state_->target : canonical_target(options.target);
  if (!target) return target.failure();
  complete.target = *target;
  if (!complete.accuracy) complete.accuracy = state_->options.accuracy;
  Expected<compiler::StridesByName> strides = compiler::checked_strides(program, options.strides);
  if (!strides) return strides.failure();
  complete.strides = std::move(*strides);
  return state_->cache.get_or_compile(kernel_key(program, complete),
                                      [&] { return state_->compile(program, complete); });
}

Kernel Session::compile(const ir::Program& program, const CompileOptions& options) {
  return std::move(try_compile(program, options)).value();
}

MemoryCache::Counters Session::cache_counters() const { return state_->cache.counters(); }
void Session::clear_cache() { state_->cache.clear(); }
const Threads& Session::threads() const { return state_->threads; }

} // namespace volute::runtime
