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

/// An operand in the order in which a schedule's loops read it, zero-padded to whole register
/// tiles.
struct Packing {
  ir::Buffer buffer;
  ir::Nest nest; // the copy that makes it; `nest.operands[0]` is the result, [1] the source
};

struct Specialised {
  ir::Step step;
  std::vector<Packing> packings;
  std::vector<ir::Buffer> scratch; // that it adds to the program, for partial sums
};

/// What a step is put into. The buffers that it adds are numbered from `next_buffer` on: those of
/// its packings, then its scratch, which begins behind `scratch_bytes`.
struct Surroundings {
  const std::vector<ir::Buffer>& buffers; // so far: what tables hold may be put into the code
  int32_t next_buffer = -1;
  int64_t scratch_bytes = 0;
};

/// The loops that a plan says. Refuses what would be too large: sums that wait in scratch, border
/// tiles with loops of their own.
Expected<Specialised> specialise(const ir::Nest& nest, const Plan& plan,
                                 const Surroundings& around);

} // namespace volute::compiler
