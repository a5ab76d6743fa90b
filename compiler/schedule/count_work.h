// What the loops of a plan will execute, counted from the plan alone.
#pragma once

#include "compiler/schedule/plan.h"
#include "ir/nest.h"

namespace volute::compiler {

/// What one run executes, counted as the loops language counts (ir::count_work): lanes of
/// multiply-adds, loads and stores, those of a part of a vector too. Exact for what is summed
/// from memory that is loaded; where a weight's numbers stand in the code, a share of it.
struct Counts {
  double multiply_adds = 0, loads = 0, stores = 0;
};

/// The counts of one run. Each axis is summed up by itself, over its tiles and the taps that meet
/// them, so the sum takes no longer than a border has tiles.
Counts count_work(const ir::Nest& nest, const Plan& plan);

} // namespace volute::compiler
