// How many points a nest's domain has: what an operator asks for, before any schedule.
#pragma once

#include "ir/nest.h"

#include <cstdint>

namespace volute::compiler {

/// Points of the domain, taps in the padding left out, times the Fmas of each update; 0 when there
/// are none.
int64_t multiply_adds_asked_for(const ir::Nest& nest);

} // namespace volute::compiler
