// The public door: programs in, kernels out.
//
//     volute::Session session;                           // as the environment says, else this CPU
//     volute::Kernel kernel = session.compile(program);  // compiled once, found again after
//     kernel.run({{"x", x}, {"w", w}}, {{"y", y}}).check();
//
// What one process has compiled the next finds on disk (Options::cache_dir, disk_cache.h): the same
// code, by a key that names all that it depends on.
//
// A session may be used from any number of threads; a configuration that several ask for at once
// is compiled once. Copies share everything. Every program is verified before anything else looks
// at it, however it was made.
//
// A process may fork: in the child, sessions and kernels that no other thread was inside of at that
// moment work on, their pools with threads of their own. A process may exit while its threads
// compile: exit() waits for the compiles under way, and what would begin after that is refused.
//
// Whoever wants to see what the compiler did, or to compile for a machine that this one is not,
// takes the same way in two steps (from outside the repository, runtime/inspect_text.h has the
// texts):
//
//     compiler::CompileRequest request = *session.request(program, options); // compiler/compile.h
//     request.assembly = true;
//     compiler::Compiled seen = *session.inspect(program, request); // report, stages, texts, image
//     volute::Kernel kernel = *session.load(seen.image);
#pragma once

#include "compiler/image/image.h"
#include "ir/diagnostic.h"
#include "ir/program.h"
#include "runtime/compile_options.h"
#include "runtime/kernel.h"
#include "runtime/memory_cache.h"
#include "runtime/options.h"
#include "runtime/pending_kernel.h"
#include "runtime/threads.h"
#include "runtime/tiered_kernel.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

namespace volute::ir {
struct NestProgram; // ir/nest.h
struct LoopProgram; // ir/loops.h
} // namespace volute::ir

namespace volute::compiler {
struct CompileRequest; // compiler/compile.h
struct Compiled;
struct LlvmListing; // compiler/report/listing.h
struct Report;      // compiler/report/report.h
struct Stages;
struct Target; // compiler/target/target.h
} // namespace volute::compiler

namespace volute::runtime {

class FunctionKey; // function_key.h

/// From a program to an image: a compiler of the caller's. Called from any thread.
using CompileImage =
    std::function<Expected<compiler::Image>(const ir::Program&, const CompileOptions&)>;

/// Where kernels are compiled and kept: for one machine, on one set of threads.
class Session {
public:
  // Copied and never moved from: every object is a session that can be used.
  Session(const Session&) = default;
  Session& operator=(const Session&) = default;

  /// As the environment says. Throws Error when a VOLUTE_ variable has a value that does not fit.
  Session();
  /// On a pool of `options.threads` threads; throws Error when the system has not got them.
  explicit Session(const Options& options);
  /// On threads of the caller's.
  Session(const Options& options, Threads threads);
  /// By a compiler of the caller's too, which `inspect` passes by. Throws Error when there is none.
  Session(const Options& options, Threads threads, CompileImage compile_image);

  /// Throws Error with the reasons when the program or an option is refused.
  Kernel compile(const ir::Program& program, const CompileOptions& options = {});
  /// The same with the failure as a value.
  Expected<Kernel> try_compile(const ir::Program& program, const CompileOptions& options = {});

  /// The same by another thread, of which there are as many as processors at most, and none when
  /// there is nothing to do. Every refusal is a value of get().
  PendingKernel compile_async(const ir::Program& program, const CompileOptions& options = {});
  /// A kernel that can be called at once: the good one where it is known, else one that runs the
  /// program's nests without code, whose place the good one takes when it is ready
  /// (tiered_kernel.h). Of a deterministic one both give the same bits.
  Expected<TieredKernel> try_compile_tiered(const ir::Program& program,
                                            const CompileOptions& options = {});
  /// The same; throws Error with the reasons of a refusal.
  TieredKernel compile_tiered(const ir::Program& program, const CompileOptions& options = {});

  /// What the compiler says of the kernel: the words of when it was made, if that is on disk; else
  /// it is compiled now.
  Expected<compiler::Report> report(const ir::Program& program, const CompileOptions& options = {});

  /// What this session's compiler is asked for: target and strides found right, settings filled in.
  Expected<compiler::CompileRequest> request(const ir::Program& program,
                                             const CompileOptions& options = {}) const;
  /// The same for nests or loops that come without a program, and so without strides.
  Expected<compiler::CompileRequest> request(const CompileOptions& options) const;
  /// Compiles anew, for any target: a program, or what is in the middle of the way (read by
  /// ir::parse_nests, ir::parse_loops). Nothing enters the cache.
  Expected<compiler::Compiled> inspect(const ir::Program& program,
                                       const compiler::CompileRequest& request) const;
  Expected<compiler::Compiled> inspect(const ir::NestProgram& nests,
                                       const compiler::CompileRequest& request) const;
  Expected<compiler::Compiled> inspect(const ir::LoopProgram& loops,
                                       const compiler::CompileRequest& request) const;
  /// The same as far as the loops, which takes no code generator.
  Expected<compiler::Stages> inspect_loops(const ir::Program& program,
                                           const compiler::CompileRequest& request) const;
  Expected<compiler::Stages> inspect_loops(const ir::NestProgram& nests,
                                           const compiler::CompileRequest& request) const;
  Expected<compiler::Stages> inspect_loops(const ir::LoopProgram& loops,
                                           const compiler::CompileRequest& request) const;
  /// The LLVM IR of loops, and where each of its lines comes from.
  Expected<compiler::LlvmListing> list_llvm(const ir::LoopProgram& loops,
                                            const compiler::Target& target) const;
  /// Makes an image callable, on this session's threads. Nothing enters the cache.
  Expected<Kernel> load(const compiler::Image& image) const;

  /// The kernel that was remembered under the key, as long as somebody holds it: the cache does,
  /// within its limit. Takes no part in compiling, builds no text and allocates nothing.
  std::optional<Kernel> recall(const FunctionKey& key) const;
  /// Lets a kernel of this session's be found by a key of plain numbers.
  void remember(const FunctionKey& key, const Kernel& kernel);

  /// How often kernels were found in memory, and what they take there.
  MemoryCache::Counters cache_counters() const;
  /// The folder where kernels are kept from process to process; "" for none.
  std::string cache_dir() const;
  /// Lets go of every kernel that nobody else holds.
  void clear_cache();
  /// Those that its kernels run on.
  const Threads& threads() const;

private:
  struct State;
  explicit Session(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

} // namespace volute::runtime

namespace volute {
using runtime::Session;
} // namespace volute
