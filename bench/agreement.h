// Whether everybody who takes part computes the same, before anything is timed.
//
// Where the reference evaluation is affordable, results are compared with it, within the bound on
// what rounding can do. Where it is not, they are compared with each other: whoever differs from
// all others is wrong. A peer that is wrong takes no part, with the reason; Volute being wrong ends
// the benchmark.
#pragma once

#include "bench/entrant.h"

namespace volute::bench {

/// What was found, as a sentence: "equal to the reference: volute, naive". Entrants that are wrong
/// are refused. `steps` is what the reference may take; `seconds` becomes a rough time of a call of
/// each way; each entrant's first call is timed into its preparation. With `flushed`, kernels may
/// take denormal numbers for 0.
Expected<std::string> verify(const ir::Program& program, Data& data, std::vector<Entrant>& entrants,
                             double steps, std::vector<std::vector<double>>& seconds,
                             bool flushed = false);

} // namespace volute::bench
