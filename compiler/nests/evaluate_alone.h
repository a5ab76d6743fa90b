// A nest that reads nothing but constant tables, run when the program is compiled.
#pragma once

#include "ir/nest.h"

#include <vector>

namespace volute::compiler {

/// What the nest writes. Of the memory returned, only what the nest touches is there.
ir::Memory evaluate_alone(const ir::Nest& nest, std::vector<ir::Buffer> buffers);

} // namespace volute::compiler
