// Sizes and strides that are parameters, seen by schedules: what may be done along them, and what
// they are taken for when costs are counted.
#pragma once

#include "compiler/schedule/schedule.h"
#include "ir/nest.h"

#include <optional>

namespace volute::compiler {

/// Why the schedule does not fit a nest whose sizes are parameters: an axis of such an extent is
/// one plain loop or its elements are work items; it is no reduction, not tiled, not unrolled and
/// meets no padding. Operands lie by strides that are known along what is held in registers, packed
/// or prefetched.
std::optional<Failure> misfit_of_parameters(const Schedule& schedule, const ir::Nest& nest);

/// The most elements that an axis may have.
int64_t most_elements(const ir::Nest& nest, const ir::NestAxis& axis);

/// The nest for the least value of every parameter, which is what schedules are chosen for: one
/// that is good there, a single image, say, is good for more of them.
ir::Nest at_least(const ir::Nest& nest);

} // namespace volute::compiler
