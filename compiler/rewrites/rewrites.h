// All rewrites of programs, in the order in which they run: what is known when compiling is
// computed then, and what is left is brought into the forms that lowering takes.
#pragma once

#include "compiler/lower/lower.h"
#include "ir/program.h"

#include <string>
#include <vector>

namespace volute::compiler {

/// A verified program; the result is legal, and has the same inputs and outputs. `free_form` allows
/// rewrites that give an operator another form than it is written in, which a schedule written for
/// it by hand would not fit. `notes` gets sentences for the report.
ir::Program rewrite(const ir::Program& program, const LowerOptions& options, bool free_form,
                    std::vector<std::string>& notes);

} // namespace volute::compiler
