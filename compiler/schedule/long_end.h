// How the end of a tile is written: for each register by itself, or as a loop over registers.
//
// What is made of a sum before it is stored may be long: a gelu is a hundred instructions, a result
// whose lanes are stored one by one two for each of them. Written once for each of a tile's
// registers that is most of a kernel's code, and of the time that it takes to compile. So where it
// is long, the sums wait in scratch, in L1, and a loop finishes one register after the other.
#pragma once

#include "compiler/schedule/plan.h"
#include "ir/nest.h"

namespace volute::compiler {

/// Whether it is a loop, of a plan that says all but this.
bool ends_in_loop(const ir::Nest& nest, const Plan& plan, const Target& target);
/// Whether that loop is to read its numbers from memory.
bool end_reads_numbers(const ir::Nest& nest, const Plan& plan, const Target& target);

} // namespace volute::compiler
