// Lattice points under a line: how often a position that two loops move lies below a limit, found
// in as many steps as Euclid takes, however long the loops are.
#pragma once

#include <cstdint>

namespace volute::compiler {

/// What a loop of `count` trips adds to a position: 0, factor, 2 * factor, ...
struct Moving {
  int64_t factor = 1, count = 1;
};

/// Pairs of trips for which some place of [position, position + reach] is in [0, extent), where the
/// position is `start` and what a and b add; INT64_MAX where they are more.
int64_t pairs_inside(int64_t extent, int64_t start, const Moving& a, const Moving& b,
                     int64_t reach = 0);

} // namespace volute::compiler
