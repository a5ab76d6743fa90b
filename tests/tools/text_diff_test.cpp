#include "tests/support/catch.h"
#include "tests/support/dice.h"
#include "tests/support/text.h"
#include "tools/text_diff.h"

#include <sstream>
#include <string>
#include <vector>

using volute::tests::Dice;
using volute::tests::lines_of;
using volute::tools::unified_diff;

namespace {

/// What `patch` makes of a text, by the numbers in the diff's headings.
std::string patched(const std::string& before, const std::string& diff) {
  const std::vector<std::string> old = lines_of(before);
  std::string made;
  size_t at = 0;
  for (const std::string& line : lines_of(diff)) {
    if (line.starts_with("@@")) {
      size_t first = 0, count = 0;
      REQUIRE(std::sscanf(line.c_str(), "@@ -%zu,%zu", &first, &count) == 2);
      const size_t begin = count > 0 ? first - 1 : first;
      REQUIRE(begin >= at);
      while (at < begin) made += old.at(at++) + "\n";
    } else if (line[0] == '+') {
      made += line.substr(1) + "\n";
    } else {
      CHECK(old.at(at) == line.substr(1));
      if (line[0] == ' ') made += old[at] + "\n";
      ++at;
    }
  }
  while (at < old.size()) made += old[at++] + "\n";
  return made;
}

} // namespace

TEST_CASE("a difference shows what went, what came and three lines around", "[text_diff]") {
  CHECK(unified_diff("a\nb\n", "a\nb\n").empty());
  CHECK(unified_diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n") ==
        "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
  CHECK(unified_diff("", "new\n") == "@@ -0,0 +1,1 @@\n+new\n");
  CHECK(unified_diff("old\n", "") == "@@ -1,1 +0,0 @@\n-old\n");
}

TEST_CASE("a difference makes the one text of the other", "[text_diff]") {
  Dice dice(7);
  for (int round = 0; round < 300; ++round) {
    const auto draw = [&](int64_t most, int64_t words) {
      std::string text;
      for (int64_t i = dice.between(0, most); i > 0; --i)
        text += std::to_string(dice.between(0, words)) + "\n";
      return text;
    };
    const int64_t words = dice.between(1, 30);
    const std::string before = draw(60, words), after = draw(60, words);
    CAPTURE(before, after);
    CHECK(patched(before, unified_diff(before, after)) == after);
  }
}

TEST_CASE("long texts are compared by the lines that are there once", "[text_diff]") {
  std::string before, after;
  for (int i = 0; i < 12000; ++i) {
    before += "line " + std::to_string(i) + "\nsame\n";
    if (i % 100 != 50) after += "line " + std::to_string(i) + "\nsame\n";
    if (i % 150 == 0) after += "more\n";
  }
  const std::string diff = unified_diff(before, after);
  CHECK(patched(before, diff) == after);
  CHECK(diff.size() < before.size() / 5);
}
