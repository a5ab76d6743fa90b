// Where two programs of nests or loops differ, field by field: not by their texts, which are what
// is tested with it.
#pragma once

#include "ir/loops.h"
#include "ir/nest.h"

#include <string>

namespace volute::tests {

/// "" or the first field that differs: "nest conv_y: axis 3: role".
std::string difference(const ir::NestProgram& a, const ir::NestProgram& b);
std::string difference(const ir::LoopProgram& a, const ir::LoopProgram& b);

} // namespace volute::tests
