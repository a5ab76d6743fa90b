// A benchmark as a page to look at: one file that needs nothing else.
#pragma once

#include "bench/report.h"

#include <string>
#include <vector>

namespace volute::bench {

/// HTML with its styles, script and numbers inside: a roofline with the ceilings of this run, bars
/// a layer and contender, sums over networks, compile times, the machine and the command.
std::string page(const std::vector<Benchmark>& benchmarks, const Setting& setting);

} // namespace volute::bench
