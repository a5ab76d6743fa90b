// Benchmarks as people read them.
#pragma once

#include "bench/bench.h"

#include <string>
#include <vector>

namespace volute::bench {

/// What the numbers were taken with.
struct Setting {
  std::string volute; // version
  std::string llvm;
  std::string machine;                   // cpu_report()
  std::string command;                   // that gives them again
  std::vector<std::string> peers = {};   // "oneDNN 2.6.3"
  std::vector<std::string> missing = {}; // "torch (libtorch-dev)"
  std::optional<Ceilings> ceilings = {};
  double call_overhead = 0;  // seconds; 0: not measured
  double ceilings_drift = 0; // between the begin and the end of the run
};

// ---- in true words ------------------------------------------------------------------------------

/// A rate in the words that fit the program: GFLOP/s, GOP/s of integers, and where nothing is
/// multiplied GB/s.
struct Rate {
  double value = 0;
  std::string_view unit;
};
Rate rate_of(const Benchmark& benchmark, double seconds);
/// The contender's time over the bound: 1 is the bound. 0 where there is none of the two.
double over_bound(const Benchmark& benchmark, const Contender& contender);
/// Of the multiply-adds that were *executed*, in the peak of the unit on all threads. 0 where there
/// are none.
double part_of_peak(const Benchmark& benchmark, const Contender& contender);
/// "1960 us: 115.6 million multiply-adds at 118 GFLOP/s; traffic, 1.61 MB from L2, 21.0 us"
std::string to_string(const Bound& bound);

// ---- sums over a network ------------------------------------------------------------------------

/// Of the programs of one group, each as often as the network uses it.
struct Sum {
  std::string group;
  int programs = 0;
  struct Part {
    std::string name;
    double seconds = 0;
    int programs = 0; // that it has a time for; a sum of fewer is not comparable
  };
  std::vector<Part> parts; // volute first
  double best = 0;         // of the fastest contender of each program
  double bound = 0;
};
std::vector<Sum> sums_of(const std::vector<Benchmark>& benchmarks);

// ---- texts --------------------------------------------------------------------------------------

/// What is measured with: the machine, its ceilings, the libraries.
std::string head(const Setting& setting, int threads, bool is_cold);
/// Sums over networks, what the words mean, and what is to be said of the run as a whole.
std::string foot(const std::vector<Benchmark>& benchmarks, const Setting& setting);

/// A block of lines a program.
std::string table(const std::vector<Benchmark>& benchmarks);

/// A line a program: Volute's time, and how many times as long each of the others takes. Its lines
/// can be printed as they come.
class ShortTable {
public:
  ShortTable(size_t name_width, std::vector<std::string> others)
      : name_width_(name_width), others_(std::move(others)) {}
  std::string title() const;
  std::string row(const Benchmark& benchmark) const;
  /// What the columns mean, and which contenders computed something else.
  static std::string legend(const std::vector<Benchmark>& benchmarks);

private:
  size_t name_width_;
  std::vector<std::string> others_;
};

} // namespace volute::bench
