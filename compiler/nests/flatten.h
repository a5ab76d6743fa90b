// Joining axes that every access walks together, so that loops and vectors run across them.
//
//     before   parallel n, o, h in 0..7, w in 0..7         y[n, o, h, w]
//     after    parallel n, o, hw in 0..49                  y[n, o, hw]
//
// Two parallel axes can be joined when every operand either has neither of them or is indexed by
// exactly these two in adjacent dimensions that lie in memory without a gap. The inputs of a 1x1
// convolution and of element-wise nests are like that; those of a 3x3 convolution are not. So can
// two axes of a sum, which is added up in the same order then: a global pool's.
#pragma once

#include "ir/nest.h"

#include <string>
#include <vector>

namespace volute::compiler {

/// The nest with the axes, outermost first, joined into one that is named by their names together,
/// and a number where an axis has that name already.
/// Refused, naming the operand and the reason, where they cannot be.
Expected<ir::Nest> flatten(const ir::Nest& nest, const std::vector<std::string>& axes);

/// The longest lists that `flatten` takes, each in the order in which the first write has the axes
/// in memory, and of the axes of a sum that has no weight in their own. An axis is in one list at
/// most.
std::vector<std::vector<std::string>> flattenable(const ir::Nest& nest);

} // namespace volute::compiler
