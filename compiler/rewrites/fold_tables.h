// Nests that read nothing but constant tables run when the program is compiled, and what they write
// becomes a table: the sums that an integer weight's zero point asks for, factors of a batch_norm.
// Where there are no inputs at all, computing is what the program was compiled for.
#pragma once

#include "ir/nest.h"

namespace volute::compiler {

ir::NestProgram fold_tables(ir::NestProgram program);

} // namespace volute::compiler
