// Whether enumerations hold one of their values. Text gives no others; a program that was made by
// hand, or came over a binary interface, may hold anything, and tables are read at that place.
#pragma once

#include "ir/program.h"

#include <optional>
#include <string>

namespace volute::ir {

/// "has the kind 77, of which there is none"; nothing for an operation that can be looked at.
std::optional<std::string> fault_in_enumerations(const Operation& operation);
std::optional<std::string> fault_in_enumerations(const TensorType& type);

} // namespace volute::ir
