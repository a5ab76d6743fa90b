// Taps that slide along an axis: places of the image that neighbours along the axis share.
#pragma once

#include "ir/nest.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace volute::compiler {

/// Of y[h] += x[s*h + k] * w[k] along h and k the s: element h meets in row r = s*h + k of the
/// image the tap k = r - s*h, so that each row, loaded once, serves all taps. Nothing where `reads`
/// (of what is summed up) or borders move with both in another way, or none of them does, or where
/// taps lie farther apart than elements.
std::optional<int64_t> slide_step(const ir::Nest& nest, const std::vector<ir::Read>& reads,
                                  ir::Var axis, ir::Var tap);

} // namespace volute::compiler
