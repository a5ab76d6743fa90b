// Kernels on the threads of a program's oneTBB, where its own tasks run.
//
//     #include <volute/threads_tbb.hpp>             // and -ltbb
//     volute::Session session(*volute::runtime::options(), *volute::tbb_threads(4));
//
// A call's pieces are tasks of the arena that it is made from, and it returns when they are done;
// the calling thread may take up other tasks of that arena meanwhile.
#pragma once

#include "runtime/threads.h"

#include <cstdint>
#include <functional>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

namespace volute {

/// oneTBB's threads: work is cut into `count` pieces; 0: as many as the arena has threads. Fails
/// for a count below 0.
inline Expected<Threads> tbb_threads(int count = 0) {
  if (count == 0) count = tbb::this_task_arena::max_concurrency();
  return Threads::on(count, [](int64_t pieces, const std::function<void(int64_t)>& body) {
    tbb::parallel_for(int64_t{0}, pieces, [&](int64_t piece) { body(piece); });
  });
}

} // namespace volute
