// Convolutions whose tensors have split channel axes: in groups, transposed, with zero points, and
// cut at places that do not go together.
#pragma once

#include "ir/program.h"

#include <set>
#include <string>

namespace volute::tests {

/// What a program has of them, in words; empty: none.
std::set<std::string> cut_convolutions(const ir::Program& program);

/// All the words that there are.
const std::set<std::string>& kinds_of_cut_convolutions();

} // namespace volute::tests
