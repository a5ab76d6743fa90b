// Benchmarks as people read them, and as programs do.
#pragma once

#include "bench/bench.h"

#include <string>
#include <vector>

namespace volute::bench {

/// What the numbers were taken with.
struct Setting {
  std::string volute; // version
  std::string llvm;
  std::string machine; // cpu_report()
  std::string command; // that gives them again
};

/// A table, a block of lines a program.
///
///     program       by           us  spread  GFLOP/s  of peak   GB/s  volute is
///     rn_3x3_nchw   volute   2013.4   0.8 %    114.8   97.1 %    0.9
///                   naive  231047.0   0.5 %      1.0    0.8 %    0.0  114.8 x faster
std::string table(const std::vector<Benchmark>& benchmarks, const Setting& setting);

/// Everything, every sample too, as indented JSON.
std::string json(const std::vector<Benchmark>& benchmarks, const Setting& setting);

/// 2 * the multiply-adds asked for (taps in the padding left out) a second.
double flops(const Benchmark& benchmark, const Contender& contender);
/// Of the multiply-adds that were *executed*, in the peak of all threads: 1 is the peak. 0 where
/// there are none.
double part_of_peak(const Benchmark& benchmark, const Contender& contender);

} // namespace volute::bench
