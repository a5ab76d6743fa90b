// The end of a tile: accumulators through the finishing expression into memory.
//
// A result that lies in memory along another axis than the one that was computed in lanes is turned
// in registers first: 14 pixels x 16 channels become 16 channels x 14 pixels, and the finishing
// expression runs on rows of pixels, which is how a channels-first result is stored. Narrow results
// are made before that where they may be, so that fewer bytes are turned.
#pragma once

#include "compiler/nests/borders.h"
#include "compiler/schedule/plan.h"
#include "compiler/specialise/register_tile.h"

namespace volute::compiler {

/// The register tile of a step.
struct TileFrame {
  std::vector<TileAxis> axes; // without pieces
  std::vector<int64_t> shape; // registers along each axis
  int32_t lanes = 1;
  size_t vector = 0;                 // which axis is the vector axis, when lanes > 1
  std::vector<int32_t> accumulators; // register arrays
  PlannedStore store;
  bool across = false;       // the lanes are parts of one sum
  bool adds_initial = false; // sums started from 0; what they should have started from is added now
  /// Views of scratch, a row for each register of an accumulator, where those wait for the loop
  /// that finishes them; empty: each is finished where it is.
  std::vector<int32_t> waiting;
  bool reads_numbers = false; // in that loop, from memory: registers would not hold them
};

/// Stores the tile at `places` of the nest that `step` computes.
ir::Stmt store_tile(const ir::Nest& nest, ir::Step& step, const TileFrame& frame,
                    const std::vector<Place>& places);
/// The same of sums that are anywhere; of a frame that is not turned.
ir::Stmt store_tile(const ir::Nest& nest, ir::Step& step, const TileFrame& frame,
                    const std::vector<Place>& places, const AccumulatorRegister& sums);

/// Accumulators as the frame holds them.
AccumulatorRegister in_frame(const ir::Nest& nest, const TileFrame& frame);
std::vector<ir::Affine> bases(const std::vector<Place>& places);

} // namespace volute::compiler
