// What a lane outside the domain reads so that its accumulators keep their values: 0 for sums,
// -infinity for maxima. Found by trying, so that a new combine needs no entry in a table.
#pragma once

#include "ir/nest.h"

#include <optional>

namespace volute::compiler {

std::optional<double> neutral_element(const ir::Nest& nest);

} // namespace volute::compiler
