// Random schedules that fit a nest: any loop order, tile, vector axis, unrolling, packing.
#pragma once

#include "compiler/pipeline.h"
#include "compiler/schedule/schedule.h"
#include "ir/nest.h"
#include "tests/support/dice.h"

namespace volute::tests {

/// `lanes`: of the target's vectors; half as many and fewer are drawn too. Most draws are legal;
/// the specialiser refuses the others in words (an axis whose result does not move, say).
compiler::Schedule random_schedule(Dice& dice, const ir::Nest& nest, int64_t lanes,
                                   bool tiles = false);

/// One for most of the nests that the pipeline makes of a program; the others are chosen there.
/// Throws what the pipeline throws, and Error where it refuses the program.
compiler::Schedules random_schedules(Dice& dice, const ir::Program& program,
                                     compiler::CompileRequest request);

} // namespace volute::tests
