// The kinds of tile that a plan's loops run over: whole ones, and the last one of each axis.
//
//     w 28 by 14, o 96 by 64          2 tiles of 14 x 4 vectors, 2 of 14 x 2
#pragma once

#include "compiler/schedule/plan.h"
#include "ir/nest.h"
#include "ir/short_list.h"

#include <cstdint>
#include <vector>

namespace volute::compiler {

struct TileSizes { // one kind of tile: whole, or the last one of an axis
  double tiles = 1;
  ir::ShortList<int64_t, 4> registers; // along each register axis

  /// Those of what moves with these axes of the tile, a bit each.
  double registers_along(uint32_t moves) const;
  double all() const;
};

/// Whole tiles and last tiles of every register axis, combined.
std::vector<TileSizes> tile_sizes(const ir::Nest& nest, const Plan& plan);

} // namespace volute::compiler
