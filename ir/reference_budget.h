// What a reference evaluation costs, found before its first step.
#pragma once

#include "ir/reference.h"

#include <optional>
#include <vector>

namespace volute::ir::reference {

/// For each value the statement after which nobody reads it; one past the last statement for the
/// values that the program returns.
std::vector<size_t> last_readers(const Program& program);

/// The refusal of a program whose evaluation takes more steps or more memory than it may.
std::optional<Failure> over_budget(const Program& program, const EvaluationBudget& budget);

} // namespace volute::ir::reference
