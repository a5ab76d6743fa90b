// Benchmarks as programs read them.
#pragma once

#include "bench/report.h"

#include <string>
#include <string_view>
#include <vector>

namespace volute::bench {

/// Everything, every sample too, as indented JSON.
std::string json(const std::vector<Benchmark>& benchmarks, const Setting& setting);

/// A line a contender, under a line of names.
std::string csv(const std::vector<Benchmark>& benchmarks);

/// What a comparison of two runs needs of one.
struct Recorded {
  struct Time {
    std::string by;
    double median = 0, lower = 0, upper = 0; // seconds
  };
  struct Program {
    std::string name, file;
    double peak_flops = 0;
    std::vector<Time> times;
  };
  std::string machine, volute;
  std::vector<Program> programs;
};
/// Reads what `json` wrote; refused when it is something else.
Expected<Recorded> read_json(std::string_view text);

} // namespace volute::bench
