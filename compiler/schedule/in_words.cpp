#include "compiler/schedule/in_words.h"

#include "ir/loops.h"

#include <fmt/format.h>

namespace volute::compiler {

using namespace ir;

std::vector<std::string> in_words(const Nest& nest, const Plan& plan, const Cost& cost,
                                  const Target& target) {
  std::vector<std::string> told;
  if (plan.vector)
    told.push_back(
        fmt::format("vectors of {} run along {}{}", plan.lanes, plan.tile[*plan.vector].name,
                    plan.across ? ", which is summed up: lanes are added up at the end" : ""));
  if (plan.slide) {
    const PlanTile& along = plan.tile[plan.slide->tile];
    told.push_back(
        fmt::format("taps of {} slide along {}: {} rows are loaded for {} times {} of them",
                    plan.loops.back().name, along.name, plan.slide->rows(along.size), along.size,
                    plan.slide->taps));
  }
  if (plan.matrix) {
    const PlanTile& rows = plan.tile[plan.matrix->rows];
    told.push_back(fmt::format("products of matrices: {} of {} by {} of {}, {} of {} at a time, in "
                               "{} of {} tiles",
                               rows.rows, rows.name, plan.lanes, plan.tile[*plan.vector].name,
                               plan.loops.back().tile, plan.loops.back().name, plan.matrix->tiles,
                               most_tiles));
    if (plan.matrix->bypass.weight) told.emplace_back("what it loads of the weight passes L1 by");
    if (plan.matrix->bypass.image) told.emplace_back("what it loads of the image passes L1 by");
    told.push_back(fmt::format("the inner step is bound by {}; {:.0f} % of the matrix unit's peak "
                               "is predicted",
                               cost.bound, 100 * cost.efficiency));
    return told;
  }
  const int64_t needed = plan.registers_needed(nest);
  told.push_back(needed <= target.vector_registers
                     ? fmt::format("{} of {} vector registers are in use in the inner step", needed,
                                   target.vector_registers)
                     : fmt::format("the inner step needs {} vector registers, and there are {}: "
                                   "the others wait in memory",
                                   needed, target.vector_registers));
  told.push_back(
      fmt::format("the inner step is bound by {}; {:.0f} % of the arithmetic peak is predicted",
                  cost.bound, 100 * cost.efficiency));
  return told;
}

} // namespace volute::compiler
