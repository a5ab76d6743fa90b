// What the loops of a plan will execute, counted from the plan alone.
#pragma once

#include "compiler/schedule/cost_model.h"
#include "compiler/schedule/plan.h"
#include "ir/nest.h"

namespace volute::compiler {

/// The counts of one run. Each axis is summed up by itself, over its tiles and the taps that meet
/// them, so the sum takes no longer than a border has tiles.
Counts count_work(const ir::Nest& nest, const Plan& plan);

} // namespace volute::compiler
