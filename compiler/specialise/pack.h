// Packed weights: the order in which a schedule's loops read them, so that every load in the inner
// loop is the next one in memory (or at a constant distance from it).
#pragma once

#include "compiler/schedule/schedule.h"
#include "compiler/specialise/specialise.h"

namespace volute::compiler {

/// The dimensions of a packed weight: one per loop over an axis the weight depends on, in loop
/// order, then one per axis of the register tile, the vector axis last, rounded up to whole
/// vectors.
struct PackedLayout {
  struct Dimension {
    std::string axis;
    int64_t count;     // tiles of the loop, or elements of the register tile
    int64_t step;      // distance in the axis between neighbours: the loop's tile size, or 1
    int32_t loop = -1; // index into Schedule::loops; -1: the register tile
  };
  std::vector<Dimension> dimensions;
  int64_t group = 1; // elements of the last dimension that one product group takes (dot)
  std::vector<int64_t> extents() const;
};

/// What is packed: the weight's whole part of the arithmetic, or its narrow element where products
/// of those are added in groups.
ir::Expr packed_expression(const ir::Nest& nest, const Schedule& schedule);

PackedLayout packed_layout(const ir::Nest& nest, const Schedule& schedule);

/// The buffer and the copy that fills it. Elements beyond the weight's own are zero.
Packing make_packing(const ir::Nest& nest, const ir::Expr& weight, const PackedLayout& layout,
                     int32_t packed_buffer);

} // namespace volute::compiler
