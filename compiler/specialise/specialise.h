// Nest x schedule -> loops: everything that the shape fixes is decided here.
//
// Taps are unrolled where the schedule says so, borders are split off so that no inner loop tests a
// bound, a tap that only ever meets padding is gone, accumulators live in registers, remainders
// have bodies of their own. The result is ordinary data: printed, verified, evaluated.
#pragma once

#include "compiler/schedule/plan.h"
#include "ir/loops.h"
#include "ir/nest.h"

#include <optional>

namespace volute::compiler {

/// A weight in the order in which a schedule's loops read it, zero-padded to whole register tiles.
struct Packing {
  ir::Buffer buffer; // Role::packed
  ir::Nest nest;     // the copy that makes it; `nest.operands[0]` is the result, [1] the source
};

struct Specialised {
  ir::Step step;
  std::optional<Packing> packing;
};

/// `plan` is of this nest. `packed_buffer` is the index that a packed weight's buffer will have in
/// the program; `buffers` those it has so far: what tables hold may be put into the code. Refuses
/// what the nest does not allow (a vector axis that no operand can be read along).
Expected<Specialised> specialise(const ir::Nest& nest, const Plan& plan, int32_t packed_buffer,
                                 const std::vector<ir::Buffer>& buffers = {});

} // namespace volute::compiler
