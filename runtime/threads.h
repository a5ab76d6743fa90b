// Who runs the pieces of a kernel's work: the caller's thread alone (the default), a pool of this
// library's, or whatever the caller runs things on.
//
// The library starts no thread unless it is asked for a pool. What a kernel computes does not
// depend on the choice: pieces are disjoint ranges of independent work, and every piece runs under
// the caller's floating-point control (rounding, denormals), whichever thread it lands on.
#pragma once

#include "ir/diagnostic.h"
#include "runtime/status.h"

#include <cstdint>
#include <functional>
#include <memory>

namespace volute::runtime {

/// Calls body(0) ... body(count - 1), each once, in any order and on any threads, and returns when
/// all of them are done: tbb::parallel_for, OpenMP, or a pool of the caller's own.
using ParallelFor = std::function<void(int64_t count, const std::function<void(int64_t)>& body)>;

/// What kernels run on. Copies are the same threads.
class Threads {
public:
  /// The caller's thread.
  Threads() noexcept = default;
  /// A pool of `count` threads, the caller's being one of them; shared by every copy of this object
  /// and ended with the last, started by the first run that has work for more than one. Runs from
  /// several threads at once take turns. 1 is no pool at all. A process that has forked starts
  /// threads of its own, in the child, at the first run there.
  static Expected<Threads> pool(int count);
  /// The caller's own threads: work comes in at most `count` pieces.
  static Expected<Threads> on(int count, ParallelFor parallel_for);

  /// Into how many pieces work is cut at most.
  int count() const noexcept { return count_; }

  /// Runs body(context, 0) ... body(context, pieces - 1). The body must not throw. Fails when a
  /// caller's ParallelFor throws or leaves pieces out, or when the system has no threads to give.
  Status run(int64_t pieces, void (*body)(void* context, int64_t piece),
             void* context) const noexcept;

private:
  struct Pool;
  std::shared_ptr<const Pool> pool_; // null: the caller's thread
  int count_ = 1;
};

/// Threads that the machine lets this process run at once.
int available_threads();

} // namespace volute::runtime

namespace volute {
using runtime::ParallelFor;
using runtime::Threads;
} // namespace volute
