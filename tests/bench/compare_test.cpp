#include "bench/compare.h"
#include "tests/support/catch.h"

using namespace volute::bench;
using Catch::Matchers::ContainsSubstring;

namespace {

Recorded::Program program(const std::string& name, double us, double half_spread = 0.1,
                          double peak = 100e9) {
  return {name,
          "f.vlt",
          peak,
          {{"volute", us * 1e-6, (us - half_spread) * 1e-6, (us + half_spread) * 1e-6}}};
}

} // namespace

TEST_CASE("significant changes come first, the larger before the smaller", "[compare]") {
  const Recorded before{"m",
                        "1",
                        {program("same", 10), program("noisy", 10, 3), program("slower", 10),
                         program("faster", 10), program("gone", 10)}};
  const Recorded after{"m",
                       "2",
                       {program("same", 10.05), program("noisy", 12, 3), program("slower", 11),
                        program("faster", 5), program("new", 10)}};
  const RunComparison all = compare_runs(before, after);
  REQUIRE(all.changes.size() == 4);
  CHECK(all.changes[0].program == "faster");
  CHECK(all.changes[0].ratio == Approx(0.5));
  CHECK(all.changes[0].is_significant);
  CHECK(all.changes[1].program == "slower");
  CHECK(all.changes[1].is_significant);
  CHECK(all.changes[2].program == "noisy"); // 20 %, but within its spread
  CHECK_FALSE(all.changes[2].is_significant);
  CHECK_FALSE(all.changes[3].is_significant);
  CHECK(all.only_before == std::vector<std::string>{"gone"});
  CHECK(all.only_after == std::vector<std::string>{"new"});
  const std::string text = to_string(all, before, after);
  CHECK_THAT(text,
             ContainsSubstring("faster         10.00         5.00   -50.0 %  faster\n"
                               "slower         10.00        11.00   +10.0 %  slower\n"
                               "noisy          10.00        12.00   +20.0 %  within the spread\n"));
  CHECK_THAT(text, ContainsSubstring("2 of 4 programs changed by more than their spread"));
  CHECK_THAT(text, ContainsSubstring("only before: gone\nonly after: new\n"));
}

TEST_CASE("times are compared at the same peak of the machine", "[compare]") {
  const Recorded before{"m", "1", {program("p", 10, 0.1, 100e9)}};
  const Recorded after{"m", "1", {program("p", 20, 0.2, 50e9)}}; // the clock was half
  const RunComparison all = compare_runs(before, after);
  CHECK(all.changes[0].ratio == Approx(1));
  CHECK_FALSE(all.changes[0].is_significant);
  CHECK(all.peak_ratio == Approx(0.5));
  CHECK_THAT(to_string(all, before, after), ContainsSubstring("peak was 50 % lower after"));
}

TEST_CASE("programs of the same name are paired in their order", "[compare]") {
  const Recorded before{"m", "1", {program("p", 10), program("p", 40)}};
  const Recorded after{"m", "1", {program("p", 10), program("p", 20)}};
  const RunComparison all = compare_runs(before, after);
  REQUIRE(all.changes.size() == 2);
  CHECK(all.changes[0].ratio == Approx(0.5));
  CHECK(all.changes[1].ratio == Approx(1));
  CHECK(compare_runs(before, after, "onednn").changes.empty());
}
