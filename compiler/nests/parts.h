// Numbers that are sums of narrower ones, in a nest: axes of their parts, of which the products
// count whose parts are large enough.
//
//     reduce wp in 0..3, xp in 0..3, ...
//     where 0 <= wp + xp - 2 < 3              six of nine
#pragma once

#include "ir/loops.h"
#include "ir/nest.h"

#include <cstdint>

namespace volute::compiler {

/// Elements of a sum of parts, which are bf16, that a step of a matrix unit takes.
inline constexpr int64_t parts_in_a_step = ir::most_tile_row_bytes / 2;

/// Whether the nest adds up products of parts.
bool has_parts(const ir::Nest& nest);

/// How much of all combinations of parts that is: 1 where there are none.
double share_of_parts(const ir::Nest& nest);

} // namespace volute::compiler
