// What a schedule would cost: cycles of one core, from the target's ports, registers and caches.
//
// The inner step of a register tile is bound by its FMAs, by its loads, by the latency of one
// accumulator's chain, or by issue; around it stand the loops over taps, the store of the tile, and
// the weights' way from L2. Every term is written down, so that a choice can be explained and a
// wrong one found. The model ranks schedules; it does not promise times.
#pragma once

#include "compiler/schedule/plan.h"
#include "compiler/target/target.h"
#include "ir/nest.h"

#include <string>

namespace volute::compiler {

struct Cost {
  double cycles = 0;
  std::string bound;     // the term that decides the inner step: "FMA", "loads", "latency", "issue"
  double efficiency = 0; // share of the arithmetic peak, over the whole nest
};

/// `plan` is of this nest.
Cost predict(const ir::Nest& nest, const Plan& plan, const Target& target);

} // namespace volute::compiler
