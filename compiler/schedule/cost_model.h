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

#include <string_view>
#include <vector>

namespace volute::compiler {

/// Cycles that a part of the work would take if nothing else were to be done.
struct CostTerm {
  std::string_view name; // a literal
  double cycles = 0;
};

struct Cost {
  double cycles = 0;
  /// Of the inner steps of all tiles: "FMA", "loads", "latency", "L2", "L3", "issue", of which the
  /// largest decides; what comes beside them: "tiles", "borders", "loops", "stores", "sums",
  /// "rows", and of what comes from L3 the part that is "waited" for.
  std::vector<CostTerm> terms;
  std::string_view bound; // the term that decides the inner step: "FMA", "loads", "latency", ...
  double efficiency = 0;  // share of the arithmetic peak, over the whole nest

  double term(std::string_view name) const;
};

/// `plan` is of this nest.
Cost predict(const ir::Nest& nest, const Plan& plan, const Target& target);

} // namespace volute::compiler
