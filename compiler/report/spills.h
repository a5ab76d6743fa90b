// What code keeps on the stack because it ran out of registers: read off the instructions, where
// they are at hand.
#pragma once

#include "compiler/report/listing.h"
#include "compiler/report/report.h"

#include <string>
#include <vector>

namespace volute::compiler {

/// Fills NestReport::spills of every nest that has a loop of its own in the listing; `steps` are
/// the names of its steps. Of each nest the innermost loops count, by the statement that most of
/// their instructions are for: what is kept on the stack outside of them is not kept on every trip.
void count_spills(std::vector<NestReport>& nests, const Listing& listing,
                  const std::vector<std::string>& steps);

} // namespace volute::compiler
