#include "ir/budget.h"
#include "ir/walk.h"
#include "tests/support/catch.h"

#include <memory>
#include <thread>
#include <vector>

using namespace volute;
using namespace volute::ir;

namespace {

/// What a walk without an end is ended by.
std::string spent_on(const Budget& budget) {
  const BudgetScope scope(budget);
  try {
    for (;;) count_walked();
  } catch (const BudgetSpent& spent) {
    return spent.what;
  }
}

} // namespace

TEST_CASE("a walk without an end is ended by its budget") {
  CHECK(spent_on({.seconds = 0.01}) == "0.01 s of processor time");
}

TEST_CASE("a walk that fills memory is ended by its budget") {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) // whose heap is their own
  std::vector<std::unique_ptr<std::vector<char>>> held;
  const BudgetScope scope({.seconds = 100, .bytes = 16 << 20});
  const auto fill = [&] {
    for (;;) {
      held.push_back(std::make_unique<std::vector<char>>(1 << 12));
      count_walked(1 << 12);
    }
  };
  CHECK_THROWS_AS(fill(), BudgetSpent);
  CHECK(held.size() > 3000);
  CHECK(held.size() < 8000);
#endif
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("a budget that is less than a MiB is told as it was given") {
  const BudgetScope scope({.seconds = 100, .bytes = 4096});
  const std::vector<char> held(1 << 16);
  try {
    check_budget();
    FAIL("nothing was thrown");
  } catch (const BudgetSpent& spent) {
    CHECK(spent.what == "4096 bytes of memory");
  }
}
#endif

TEST_CASE("a budget is a thread's, for as long as its scope, and the outer scope's inside it") {
  count_walked(int64_t{1} << 40); // none
  {
    const BudgetScope outer({.seconds = 1e-9});
    std::thread([] { count_walked(int64_t{1} << 40); }).join();
    const BudgetScope inner({.seconds = 1e9});
    CHECK(inner.is_nested());
    CHECK(seconds_left() < 0);
    CHECK_THROWS_AS(check_budget(), BudgetSpent);
  }
  check_budget();
  CHECK(seconds_left() > 1e9);
}
