#include "ir/budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <limits>
#include <malloc.h>

namespace volute::ir {
namespace {

constexpr double heap_seldom = 1e-3; // seconds, in which no heap grows by much

struct Spending {
  Budget budget;
  double seconds_before = 0;
  int64_t bytes_before = 0;
  double heap_due = 0; // when it is asked for next
};
thread_local Spending spending;
thread_local bool is_limited = false;

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Where another allocator stands in for glibc's, the first to ask sets glibc's up: the one thread
// that loads this.
[[maybe_unused]] const struct mallinfo2 first = mallinfo2();

/// Of the process: what is asked for and not given back, in all arenas and in mappings of glibc's.
int64_t heap_bytes() {
  const struct mallinfo2 info = mallinfo2();
  return static_cast<int64_t>(info.uordblks + info.hblkhd);
}

} // namespace

BudgetScope::BudgetScope(const Budget& budget) : is_nested_(is_limited) {
  if (is_nested_) return;
  spending = {budget, thread_seconds(), heap_bytes()};
  is_limited = true;
}

BudgetScope::~BudgetScope() {
  if (!is_nested_) is_limited = false;
}

double seconds_left() {
  if (!is_limited) return std::numeric_limits<double>::max();
  return spending.budget.seconds - (thread_seconds() - spending.seconds_before);
}

void check_time() {
  if (seconds_left() < 0)
    throw BudgetSpent{fmt::format("{} s of processor time", spending.budget.seconds)};
}

// The heap is asked no more often than that it takes a twentieth of the time: glibc goes over every
// block that was given back, of which a large process has many.
void check_budget() {
  check_time();
  if (!is_limited) return;
  const double begin = thread_seconds();
  if (begin < spending.heap_due) return;
  const int64_t bytes = heap_bytes() - spending.bytes_before;
  const double end = thread_seconds();
  spending.heap_due = end + std::max(heap_seldom, 20 * (end - begin));
  if (bytes > spending.budget.bytes)
    throw BudgetSpent{spending.budget.bytes >> 20 > 0
                          ? fmt::format("{} MiB of memory", spending.budget.bytes >> 20)
                          : fmt::format("{} bytes of memory", spending.budget.bytes)};
}

} // namespace volute::ir
