#include "compiler/image/workspace.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"

#include <algorithm>

using namespace volute;
using namespace volute::compiler;
using volute::tests::Dice;

namespace {

bool share_a_byte(const WorkspacePlan& plan, const std::vector<Resident>& all, size_t a, size_t b) {
  return all[a].bytes > 0 && all[b].bytes > 0 && plan.offsets[a] < plan.offsets[b] + all[b].bytes &&
         plan.offsets[b] < plan.offsets[a] + all[a].bytes;
}

/// Everything that must hold of any plan.
void check_plan(const WorkspacePlan& plan, const std::vector<Resident>& residents) {
  REQUIRE(plan.offsets.size() == residents.size());
  CHECK(plan.bytes <= unshared_bytes(residents));
  CHECK(plan.bytes >= busiest_step_bytes(residents));
  for (size_t i = 0; i < residents.size(); ++i) {
    const bool lives = residents[i].lifetime.meets(residents[i].lifetime);
    CHECK(plan.offsets[i] % workspace_alignment == 0);
    CHECK(plan.offsets[i] >= 0);
    if (lives) CHECK(plan.offsets[i] + residents[i].bytes <= plan.bytes);
    for (size_t j = 0; j < i; ++j)
      if (residents[i].lifetime.meets(residents[j].lifetime))
        CHECK(!share_a_byte(plan, residents, i, j));
  }
}

} // namespace

TEST_CASE("lifetimes meet when a step needs both") {
  const Lifetime never;
  CHECK(!never.meets(never));
  CHECK(!never.meets({0, 3}));
  CHECK(Lifetime{0, 1}.meets({1, 2}));
  CHECK(Lifetime{1, 2}.meets({0, 1}));
  CHECK(Lifetime{0, 5}.meets({2, 3}));
  CHECK(!Lifetime{0, 1}.meets({2, 3}));
}

TEST_CASE("buffers that no step needs together share memory, the others do not") {
  const std::vector<Resident> residents = {
      {100, {0, 1}}, {200, {1, 2}}, {100, {2, 3}}, {64, {}}, {0, {0, 3}}};
  const WorkspacePlan plan = plan_workspace(residents);
  check_plan(plan, residents);
  CHECK(plan.bytes == 256 + 128);
  CHECK(unshared_bytes(residents) == 128 + 256 + 128 + 64);
  CHECK(plan_workspace({}).bytes == 0);
}

TEST_CASE("sums that cannot be counted are told") {
  CHECK(unshared_bytes({{INT64_MAX, {0, 0}}}) == INT64_MAX);
  CHECK(unshared_bytes({{int64_t{1} << 62, {0, 0}}, {int64_t{1} << 62, {1, 1}}}) == INT64_MAX);
}

TEST_CASE("a plan is sound and never larger than no plan, whatever the lifetimes") {
  Dice dice(11);
  for (int round = 0; round < 2000; ++round) {
    std::vector<Resident> residents(static_cast<size_t>(dice.between(0, 12)));
    const int64_t steps = dice.between(1, 10);
    for (Resident& resident : residents) {
      resident.bytes = dice.between(0, dice.between(0, 1) ? 300 : 5000);
      const auto first = static_cast<int32_t>(dice.between(0, steps - 1));
      resident.lifetime = {first, static_cast<int32_t>(dice.between(first - 1, steps - 1))};
    }
    check_plan(plan_workspace(residents), residents);
  }
}

TEST_CASE("a chain of operators needs what its busiest step needs") {
  Dice dice(12);
  for (int round = 0; round < 2000; ++round) {
    std::vector<Resident> chain(static_cast<size_t>(dice.between(1, 20)));
    for (size_t i = 0; i < chain.size(); ++i)
      chain[i] = {dice.between(1, 4000), {static_cast<int32_t>(i), static_cast<int32_t>(i) + 1}};
    const WorkspacePlan plan = plan_workspace(chain);
    check_plan(plan, chain);
    CHECK(plan.bytes == busiest_step_bytes(chain));
  }
}
