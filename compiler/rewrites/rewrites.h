// All rewrites of a program that leave each statement in its direct form, in the order in which
// they run: what is known when compiling is computed then, and what is left is brought into the
// shape that lowering takes. Forms (form.h) come after.
#pragma once

#include "compiler/lower/lower.h"
#include "ir/program.h"

#include <string>
#include <vector>

namespace volute::compiler {

/// A verified program; the result is legal, and has the same inputs and outputs. `notes` gets
/// sentences for the report.
ir::Program rewrite(const ir::Program& program, const LowerOptions& options,
                    std::vector<std::string>& notes);

} // namespace volute::compiler
