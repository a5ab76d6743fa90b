// Steps over the same work items as one: for each item, the first, then the second.
#pragma once

#include "ir/loops.h"

namespace volute::compiler {

/// Both have the same item loops. What the first writes to scratch, the second may read. The result
/// has the second's name and origin.
ir::Step merge_steps(const ir::Step& first, const ir::Step& second);

} // namespace volute::compiler
