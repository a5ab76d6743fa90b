// Programs as canonical text: parse(to_string(p)) == p. Attributes at their defaults are left out,
// lists of equal numbers become one number, and a result's type is written only where inference
// would give another.
#pragma once

#include "ir/program.h"

#include <span>
#include <string>

namespace volute::ir {

/// A program, or one statement of it, as text.
std::string to_string(const Program& program);
std::string to_string(const Program& program, const Statement& statement);

/// Several programs, as a file holds them.
std::string to_string(std::span<const Program> programs);

} // namespace volute::ir
