// Nests that add up: one accumulator, to which each point adds a value of its own.
#pragma once

#include "ir/nest.h"

namespace volute::compiler {

/// Whether parts of a sum may be added up apart, each from 0 on, and together at the end.
bool adds_up(const ir::Nest& nest);

} // namespace volute::compiler
