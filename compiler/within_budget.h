// Work within a budget: an error in place of a hang.
#pragma once

#include "ir/budget.h"
#include "ir/diagnostic.h"

#include <fmt/format.h>

#include <string>

namespace volute::compiler {

/// The refusal of what would take more than a budget.
inline Failure over_budget(const std::string& name, const std::string& spent) {
  return fail(name, fmt::format("compiling it takes more than {}, and was given up", spent),
              "--compile-seconds and --compile-memory, or CompileOptions::budget, allow more");
}

/// What `work` returns, or the refusal where the thread's budget is spent before it does.
template <class Work>
auto within(const Budget& budget, const std::string& name, const Work& work) -> decltype(work()) {
  const ir::BudgetScope scope(budget);
  try {
    return work();
  } catch (const ir::BudgetSpent& spent) {
    if (scope.is_nested()) throw;
    return over_budget(name, spent.what);
  }
}

} // namespace volute::compiler
