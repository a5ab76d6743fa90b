// What a compilation did, in words: which statements share a nest and which do not, how an operator
// was turned into nests, what is copied, whether integers can wrap, which instructions multiply.
// All of it is read off the stages; nothing here decides anything.
#pragma once

#include "compiler/stages.h"

namespace volute::compiler {

/// Completes the report of the stages, whose nests have theirs already. `written` is the program
/// before it was legalised.
void explain(const ir::Program& written, const Target& target, Stages& stages);

} // namespace volute::compiler
