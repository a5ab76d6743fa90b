#include "ir/short_list.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <random>
#include <utility>
#include <vector>

using volute::ir::ShortList;

TEST_CASE("a short list holds what a vector would, however long it becomes and gets short again") {
  std::mt19937 random(1);
  ShortList<int, 3> list;
  std::vector<int> expected;
  const auto require_equal = [&] {
    REQUIRE(list.size() == expected.size());
    REQUIRE(list.empty() == expected.empty());
    REQUIRE(std::equal(list.begin(), list.end(), expected.begin()));
    if (expected.empty()) return;
    REQUIRE(list.front() == expected.front());
    REQUIRE(list.back() == expected.back());
  };
  for (int step = 0; step < 2000; ++step) {
    const auto kind = random() % 16;
    if (kind == 0) {
      list.clear(), expected.clear();
    } else if (kind < 7 && !expected.empty()) {
      list.pop_back(), expected.pop_back();
    } else if (kind == 7 && !expected.empty()) { // one of its own
      const size_t at = random() % expected.size();
      list.push_back(list[at]), expected.push_back(int{expected[at]});
    } else {
      const auto value = static_cast<int>(random());
      list.push_back(value), expected.push_back(value);
    }
    require_equal();
    const ShortList<int, 3> copy = list;
    REQUIRE(copy == list);
    ShortList<int, 3> moved = std::move(list);
    list = std::move(moved);
    require_equal();
  }
}

TEST_CASE("short lists are equal where their elements are, whether they lie inside or not") {
  ShortList<int, 2> was_long, short_one;
  for (const int value : {1, 2, 3}) was_long.push_back(value);
  was_long.pop_back();
  short_one.push_back(1);
  CHECK_FALSE(was_long == short_one);
  short_one.push_back(2);
  CHECK(was_long == short_one);
}
