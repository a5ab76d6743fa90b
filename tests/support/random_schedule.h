// Random schedules that fit a nest: any loop order, tile, vector axis, unrolling, packing.
#pragma once

#include "compiler/schedule.h"
#include "ir/nest.h"
#include "tests/support/dice.h"

namespace volute::tests {

/// `lanes`: of the target's vectors; half as many and fewer are drawn too. Most draws are legal;
/// the specialiser refuses the others in words (an axis whose result does not move, say).
compiler::Schedule random_schedule(Dice& dice, const ir::Nest& nest, int64_t lanes);

} // namespace volute::tests
