// The sizes of results written out, as tutorials do.
//
//     %0: h = floor((224 + 3 + 3 - (7 - 1) - 1) / 2) + 1 = 112
//     %y: h = (14 - 1) * 2 - 1 - 1 + (4 - 1) + 1 = 28
//
// The formulas are PyTorch's; a dilation of 1 and an output padding of 0 are left out.
#pragma once

#include "ir/program.h"

#include <string>
#include <vector>

namespace volute::compiler {

/// A line for each axis that a window moves along; axes with equal numbers share one.
std::vector<std::string> sizes_written_out(const ir::Program& program);

} // namespace volute::compiler
