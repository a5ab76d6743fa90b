// A nest that reads nothing but constant tables, run when the program is compiled.
#pragma once

#include "ir/nest.h"

#include <cstdint>
#include <map>
#include <vector>

namespace volute::compiler {

/// The memory that the nest touches, by the numbers of the buffers, after it has run.
std::map<int32_t, ir::Memory::value_type> evaluate_alone(ir::Nest nest,
                                                         const std::vector<ir::Buffer>& buffers);

} // namespace volute::compiler
