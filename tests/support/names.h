// Names put in the place of others, and taken away: names are for people, and nothing may depend on
// them.
#pragma once

#include "ir/loops.h"
#include "ir/nest.h"

#include <functional>
#include <string>
#include <vector>

namespace volute::tests {

/// New names for some old ones, each different.
using Renaming = std::function<std::vector<std::string>(const std::vector<std::string>&)>;

/// "zq0", "zq1", ...: names that mean nothing.
std::vector<std::string> meaningless(const std::vector<std::string>& names);
/// The same names, each for the next one's bearer.
std::vector<std::string> rotated(const std::vector<std::string>& names);
/// Names that mean something else wherever they mean something.
std::vector<std::string> misleading(const std::vector<std::string>& names);

/// The nests with other names of axes, operands and accumulators, and of themselves.
ir::NestProgram renamed(ir::NestProgram program, const Renaming& renaming);

/// The loops as text, with variables, views, registers, buffers and steps numbered and no comments:
/// equal texts are equal loops, whatever things were called.
std::string text_without_names(ir::LoopProgram program);

} // namespace volute::tests
