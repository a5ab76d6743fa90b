// Programs to nests: the one place that knows what each operator means as a domain, accesses and a
// combine. Schedules and code generation know nothing of operators.
#pragma once

#include "ir/nest.h"
#include "ir/program.h"

namespace volute::compiler {

/// Lowers a verified program. Buffers: the program's inputs, then its outputs, in order, then
/// intermediates and constant tables. `fuse` tells which statements share a nest; a result without
/// elements has none. What is not compiled is refused by the operator's name, all of it at once.
///
/// Axes are named n, g (or c, when each channel is a group), o, d, h, w, then i, kd, kh, kw for
/// what is summed over; those of pools and element-wise nests n, c, d, h, w, then the taps.
Expected<ir::NestProgram> lower(const ir::Program& program);

} // namespace volute::compiler
