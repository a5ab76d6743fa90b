// What products of matrices would cost: cycles of the unit, of what it loads, and of vectors that
// finish its sums.
//
//     a step         weights and images into the unit's registers, from wherever they come,
//                    beside the products of those that are there
//     a tile's end   sums to memory, vectors of them from there: amid the products of the next
//                    tile, where there is one
//
// The loops around them, and what they bring into the caches, are the cost model's.
#pragma once

#include "compiler/schedule/cost_model.h"
#include "compiler/schedule/footprint.h"
#include "compiler/schedule/plan.h"
#include "compiler/schedule/tile_sizes.h"
#include "compiler/target/target.h"
#include "ir/nest.h"

#include <array>
#include <cstdint>
#include <vector>

namespace volute::compiler {

/// What is done with a vector of sums before it is stored.
struct VectorEnd {
  int64_t operations = 0;
  int64_t roundings = 0; // of them to bf16, which two vectors share
  double operations_per_cycle = 1;
  double placing_cycles = 0; // where its lanes do not go beside each other
};

class MatrixCost {
public:
  /// The plan is of this nest, and of products of matrices.
  MatrixCost(const ir::Nest& nest, const Plan& plan, const Target& target)
      : nest_(nest), plan_(plan), target_(target) {}

  /// Of each operand, what comes into an L1 that has so much room. Rows of an image that lie apart
  /// come from L2 more slowly than the same lines in one piece, and count for more.
  std::vector<Footprint::Traffic> from_l2(const Footprint& footprint, int64_t l1_bytes) const;
  /// Before the first tile.
  double start_cycles() const;
  /// The terms of one step of one tile, in which so much comes from L2 and L3: loads are done
  /// beside products.
  std::array<CostTerm, 4> step(const TileSizes& size, double l2_bytes, double l3_cycles) const;
  /// A tile's sums by way of memory, and then vectors of them: amid the products of the next tile,
  /// where there is one in the same loop, which take so many cycles.
  double end_cycles(const TileSizes& size, double products, const VectorEnd& end) const;

private:
  double product_cycles(double products, double weights) const;

  const ir::Nest& nest_;
  const Plan& plan_;
  const Target& target_;
};

} // namespace volute::compiler
