// Two runs of the benchmark, program by program.
#pragma once

#include "bench/json.h"

#include <string>
#include <vector>

namespace volute::bench {

struct Change {
  std::string program;
  double before = 0, after = 0; // seconds
  double ratio = 0;             // after over before, by the same peak: below 1 is faster
  /// The quartiles of the two do not overlap, and they are further apart than 2 %.
  bool is_significant = false;
};

struct RunComparison {
  std::vector<Change> changes; // significant ones first, then the larger before the smaller
  std::vector<std::string> only_before, only_after; // programs without a partner
  double peak_ratio = 1; // of the machine, after over before: the median over the programs
  double mean_ratio = 1; // geometric, of all changes
};

/// Of one contender's times. Times are brought to the same peak of the machine before they are
/// compared.
RunComparison compare_runs(const Recorded& before, const Recorded& after,
                           const std::string& by = "volute");
std::string to_string(const RunComparison& comparison, const Recorded& before,
                      const Recorded& after);

} // namespace volute::bench
