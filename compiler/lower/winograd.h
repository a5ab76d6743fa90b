// Winograd's algorithm as nests: what its lowering and the table of forms both ask.
#pragma once

#include <cstdint>
#include <vector>

namespace volute::compiler {

/// How many sums the products of one point become, each over as many of the input channels, which
/// are added after that. Tiles of four outputs along two axes multiply the error of these sums by
/// so much that shorter ones are wanted (rewrites/winograd.cpp has what was measured).
int64_t parts_of_sums(const std::vector<int64_t>& tile, int64_t inputs);

} // namespace volute::compiler
