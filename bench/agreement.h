// Whether everybody who takes part computes the same, before anything is timed.
//
// Where the reference evaluation is affordable, results are compared with it, within the bound on
// what rounding can do; those of a kernel from one stored value to the next (checked_call.h). Where
// it is not, they are compared with each other: whoever differs from all others is wrong. A peer
// that is wrong takes no part, with the reason; Volute being wrong ends the benchmark.
#pragma once

#include "bench/entrant.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace volute::bench {

struct Verification {
  std::string how;       // "equal to the reference: volute, naive"; empty: nobody to compare with
  int64_t unbounded = 0; // elements that differ, and of which nothing is known
};

/// Somebody to compare with where the reference takes too long and only kernels take part; nothing
/// when there is nobody.
using Witness = std::function<std::optional<Entrant>()>;

/// What was found. Entrants that are wrong are refused. `steps` is what the reference may take;
/// `seconds` becomes a rough time of a call of each way; each entrant's first call is timed into
/// its preparation. With `flushed`, kernels may take denormal numbers for 0.
Expected<Verification> verify(const ir::Program& program, Data& data,
                              std::vector<Entrant>& entrants, double steps,
                              std::vector<std::vector<double>>& seconds, bool flushed = false,
                              const Witness& witness = nullptr);

/// The same on data that are made up for it: whole numbers, whose sums are the same in any order.
/// They grow from layer to layer, and where a deep program's overflow, so that nothing is known of
/// an element, numbers that keep their size (made_up.h) take their place. `enter` prepares
/// everybody on what the data hold at that moment.
Expected<Verification>
verify_on_made_up(const ir::Program& program, Data& data,
                  const std::function<Expected<std::vector<Entrant>>()>& enter,
                  std::vector<Entrant>& entrants, double steps,
                  std::vector<std::vector<double>>& seconds, bool flushed = false,
                  const Witness& witness = nullptr);

} // namespace volute::bench
