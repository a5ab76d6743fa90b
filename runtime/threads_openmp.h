// Kernels on the threads of a program's OpenMP, beside its own parallel loops and never beyond
// them.
//
//     #include <volute/threads_openmp.hpp>          // and -fopenmp
//     volute::Session session(*volute::runtime::options(), *volute::openmp_threads());
//
// A call's pieces run in one parallel region, which ends with the call. Inside of a region of the
// program's own, a call runs on the thread that it is made from, unless OpenMP is told to nest.
#pragma once

#include "runtime/threads.h"

#if !defined(_OPENMP)
#error "threads_openmp.hpp is for programs that are compiled with OpenMP: -fopenmp"
#endif

#include <cstdint>
#include <functional>
#include <omp.h>

namespace volute {

/// OpenMP's threads, `count` at most; 0: as many as OpenMP would take. Fails for a count below 0.
inline Expected<Threads> openmp_threads(int count = 0) {
  if (count == 0) count = omp_get_max_threads();
  return Threads::on(count, [](int64_t pieces, const std::function<void(int64_t)>& body) {
    const int threads = static_cast<int>(pieces);
#pragma omp parallel for schedule(static) num_threads(threads)
    for (int64_t piece = 0; piece < pieces; ++piece) body(piece);
  });
}

} // namespace volute
