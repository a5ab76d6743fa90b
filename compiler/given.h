// Nests and loops that were not made here: read from a text, written by hand.
//
// What the passes make of a program is right by their construction, and verified after each. What
// comes in the middle may be sound as far as `verify` looks, one nest or step at a time, and still
// be no program: that is found here, before anything relies on it.
#pragma once

#include "ir/diagnostic.h"
#include "ir/loops.h"
#include "ir/nest.h"

#include <vector>

namespace volute::compiler {

/// What `verify` finds; if that is nothing, memory that is read or returned and never written, a
/// place in bands that the nests do not fit, a form that there is not, scratch memory, which only
/// nests have that were cut into bands.
std::vector<Diagnostic> faults_of_given(const ir::NestProgram& nests);

/// What `verify` finds; if that is nothing, memory that is read or returned and never written.
std::vector<Diagnostic> faults_of_given(const ir::LoopProgram& loops);

} // namespace volute::compiler
