// All bands of a program, as `banded` (bands.h) cuts those of one nest.
//
//     nest conv_0, computed for every 4 of h of max_pool_y        before
//     nest max_pool_y                over n, c, h, w
//
//     nest conv_0, computed for ...  over n, band, o, h, w        after: h runs over the band's
//     rows, nest max_pool_y                over n, band, c, h, w        %0 is in scratch
//
// What is placed inside a nest comes directly before it. Placements stay: nests that have one are
// a part of their consumer's step.
#pragma once

#include "ir/nest.h"

#include <cstdint>
#include <vector>

namespace volute::compiler {

ir::NestProgram cut_bands(const ir::NestProgram& program);

/// Of nests: which one's step each belongs to, its own or that of the nest it is placed in, however
/// deep.
std::vector<size_t> step_of_each(const ir::NestProgram& program);

/// What lies behind each other in scratch begins at multiples of this: a line, and the widest
/// vector.
inline constexpr int64_t scratch_alignment = 64;
inline int64_t scratch_aligned(int64_t bytes) {
  return ir::ceil_div(bytes, scratch_alignment) * scratch_alignment;
}

/// Scratch memory that a nest's step needs for what the nest itself touches.
int64_t scratch_bytes(const ir::Nest& nest, const std::vector<ir::Buffer>& buffers);

} // namespace volute::compiler
