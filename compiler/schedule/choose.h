// The automatic schedule: a few hundred structured candidates, scored by an analytic model of the
// target, and the reasons for the one that won.
#pragma once

#include "compiler/report/report.h"
#include "compiler/schedule/cost_model.h"
#include "compiler/schedule/plan.h"
#include "compiler/target/target.h"
#include "ir/nest.h"

namespace volute::compiler {

struct Choice {
  Schedule schedule;
  std::vector<std::string> why;
  std::vector<Candidate> candidates; // best first
  double cycles = 0;                 // predicted for the schedule
  int64_t refused = 0;               // candidates that do not fit the nest: there should be none
};

/// Every axis of a nest a loop, in the nest's own order, the work items of its step first: what is
/// left where a chosen schedule turns out to become too much code. `given` says which axes have
/// been joined.
Schedule plain_schedule(const ir::Nest& nest, const Schedule& given);

/// Never fails: where no vector schedule fits, the naive one is chosen, and `why` says so.
/// `buffers` are the program's: a small constant weight asks for other schedules.
/// `dot_products`: the nest is in that form (rewrites/dot_products.h), and products are added by
/// the instructions for it where they can be. With `sums` in the stated order, schedules of another
/// are no candidates.
Choice choose(const ir::Nest& nest, const Target& target,
              const std::vector<ir::Buffer>& buffers = {}, bool dot_products = false,
              SumOrder sums = SumOrder::any);

} // namespace volute::compiler
