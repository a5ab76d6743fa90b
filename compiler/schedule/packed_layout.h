// Packed operands: the order in which a plan's loops read them, so that every load in the inner
// loop is the next one in memory (or at a constant distance from it). A weight's elements are there
// once; of an image, as often as taps meet them (im2col).
#pragma once

#include "ir/nest.h"

#include <cstdint>
#include <vector>

namespace volute::compiler {

struct PlanLoop;
struct PlanTile;
struct Instruction;

/// The dimensions of a packed operand: one per loop over an axis that it depends on, in loop order,
/// then one per axis of the register tile, the vector axis last, rounded up to whole vectors. For a
/// matrix unit a register is a matrix: the steps of a sum by the lanes. Beyond the end of an axis
/// are zeros, beyond that of products that are added in groups too.
struct PackedLayout {
  int32_t operand = -1; // of the nest
  struct Dimension {
    ir::Var axis;
    int64_t count;     // tiles of the loop, or elements of the register tile
    int64_t step;      // distance in the axis between neighbours: the loop's tile size, or 1
    int32_t loop = -1; // index into Plan::loops; -1: the register tile
  };
  std::vector<Dimension> dimensions;
  int64_t group = 1; // elements of the last dimension that one product group takes (dot)
  std::vector<int64_t> extents() const;
};

PackedLayout packed_layout(const ir::Read& read, const std::vector<PlanLoop>& loops,
                           const std::vector<PlanTile>& tile, const Instruction& instruction);

} // namespace volute::compiler
