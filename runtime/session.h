// The public door: programs in, kernels out.
//
//     volute::Session session;                           // as the environment says, else this CPU
//     volute::Kernel kernel = session.compile(program);  // compiled once, found again after
//     kernel.run({{"x", x}, {"w", w}}, {{"y", y}}).check();
//
// A session may be used from any number of threads; a configuration that several ask for at once
// is compiled once. Copies share everything.
#pragma once

#include "compiler/image/image.h"
#include "ir/diagnostic.h"
#include "ir/program.h"
#include "runtime/compile_options.h"
#include "runtime/kernel.h"
#include "runtime/memory_cache.h"
#include "runtime/options.h"
#include "runtime/threads.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace volute::runtime {

class FunctionKey; // function_key.h

/// From a program to an image: the compiler, as a session sees it. Called from any thread.
using CompileImage =
    std::function<Expected<compiler::Image>(const ir::Program&, const CompileOptions&)>;

class Session {
public:
  /// As the environment says. Throws Error when a VOLUTE_ variable has a value that does not fit.
  Session();
  /// On a pool of `options.threads` threads; throws Error when the system has not got them.
  explicit Session(const Options& options);
  /// On threads of the caller's, by a compiler of the caller's.
  Session(const Options& options, Threads threads, CompileImage compile_image);

  /// Throws Error with the reasons when the program or an option is refused.
  Kernel compile(const ir::Program& program, const CompileOptions& options = {});
  /// The same with the failure as a value.
  Expected<Kernel> try_compile(const ir::Program& program, const CompileOptions& options = {});

  /// The kernel that was remembered under the key, as long as somebody holds it: the cache does,
  /// within its limit. Takes no part in compiling, builds no text and allocates nothing.
  std::optional<Kernel> recall(const FunctionKey& key) const;
  /// Lets a kernel of this session's be found by a key of plain numbers.
  void remember(const FunctionKey& key, const Kernel& kernel);

  MemoryCache::Counters cache_counters() const;
  /// Lets go of every kernel that nobody else holds.
  void clear_cache();
  const Threads& threads() const;

private:
  struct State;
  std::shared_ptr<State> state_;
};

} // namespace volute::runtime

namespace volute {
using runtime::Session;
} // namespace volute
