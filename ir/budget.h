// What a thread may take for a piece of work: the last line of defence. All work here is bounded by
// what it is for, so a budget is not spent; where one is, somebody gets an error and not a hang.
//
//     const BudgetScope scope({.seconds = 10});
//     ... work, which walks (ir/walk.h) ...      // throws BudgetSpent from some walk on
//
// Walks ask every few thousand nodes, and passes where they begin.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace volute {

/// Sanitizers make everything slower.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr double default_budget_seconds = 100;
#else
inline constexpr double default_budget_seconds = 10;
#endif

/// What compiling may take before it is given up.
struct Budget {
  double seconds = default_budget_seconds; // of the thread's processor time
  int64_t bytes = int64_t{1} << 30;        // that the process's heap may grow by meanwhile
  bool operator==(const Budget&) const = default;
};

namespace ir {

/// Not an Error: nobody on the way takes it for a refusal of what was tried.
struct BudgetSpent {
  std::string what; // "10 s of processor time"
};

/// The thread's budget until the scope ends. Inside another scope it is that one's.
class BudgetScope {
public:
  /// Begins it.
  explicit BudgetScope(const Budget& budget);
  ~BudgetScope();
  BudgetScope(const BudgetScope&) = delete;
  BudgetScope& operator=(const BudgetScope&) = delete;
  /// Whether another one's budget counts.
  bool is_nested() const { return is_nested_; }

private:
  bool is_nested_;
};

/// Throws BudgetSpent where the scope that the thread is in has used up its budget.
void check_budget();
/// The same as often as a walk can ask: looks at the clock only.
void check_time();
/// Processor seconds that are left; of a thread without a scope, as many as one can say.
double seconds_left();

} // namespace ir
} // namespace volute
