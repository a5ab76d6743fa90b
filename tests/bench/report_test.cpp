#include "bench/report.h"
#include "tests/support/catch.h"

#include <algorithm>

using namespace volute;
using namespace volute::bench;
using Catch::Matchers::ContainsSubstring;

namespace {

Contender contender(const std::string& name, double seconds, double executed, double faster) {
  Contender c;
  c.name = name;
  c.timing = {name, 1, {seconds, seconds, seconds}};
  c.executed_multiply_adds = executed;
  c.volute_is_faster = faster;
  return c;
}

Benchmark conv() {
  Benchmark b;
  b.program = "conv";
  b.report.multiply_adds = 1000000;
  b.report.bytes = 500000;
  b.report.lower_ms = 2;
  b.report.cpu_ms = 1.5;
  b.verification = "volute equal to the reference";
  b.peak_flops = 100e9;
  b.contenders = {contender("volute", 25e-6, 1100000, 0), contender("cpp", 100e-6, 1000000, 4)};
  return b;
}

} // namespace

TEST_CASE("GFLOP/s count what is asked for, the part of the peak what is executed", "[report]") {
  const Benchmark b = conv();
  CHECK(flops(b, b.contenders[0]) == Approx(80e9));
  CHECK(part_of_peak(b, b.contenders[0]) == Approx(0.88));
  CHECK(part_of_peak(b, b.contenders[1]) == Approx(0.2));
}

TEST_CASE("the peak of Volute's threads is theirs together", "[report]") {
  Benchmark b = conv();
  b.threads = 2;
  CHECK(part_of_peak(b, b.contenders[0]) == Approx(0.44));
  CHECK(part_of_peak(b, b.contenders[1]) == Approx(0.2));
}

TEST_CASE("the table has a line a contender, and dashes where a number has no meaning",
          "[report]") {
  Benchmark pool = conv();
  pool.program = "pool";
  pool.report.multiply_adds = 0;
  for (Contender& c : pool.contenders) c.executed_multiply_adds = 0;
  pool.contenders[1].refused = "pool: no such thing";
  const std::string text = table({conv(), pool}, {"1.2.3", "19.1.7", "a machine", "volute bench"});
  CHECK_THAT(text,
             ContainsSubstring("a machine\nVolute 1.2.3, LLVM 19.1.7, 1 thread; FMA peak of a "
                               "core 100.0 GFLOP/s, measured in between\n"));
  CHECK_THAT(text,
             ContainsSubstring(
                 "conv     volute        25.00    0.0 %     80.0   88.0 %    20.0\n"
                 "         cpp          100.00    0.0 %     20.0   20.0 %     5.0  4 x faster\n"
                 "         1.0 million multiply-adds, compiled in 2.0 ms, 1.5 of them on the CPU\n"
                 "         verified: volute equal to the reference\n"));
  CHECK_THAT(text,
             ContainsSubstring("pool     volute        25.00    0.0 %        -        -    20.0\n"
                               "         cpp     cannot: pool: no such thing\n"
                               "         compiled in 2.0 ms, 1.5 of them on the CPU\n"));
}

TEST_CASE("JSON text from outside stays JSON", "[report]") {
  Benchmark b = conv();
  b.file = "caf\xe9.vlt";
  const std::string text = json({b}, {"1", "19", "m", "c"});
  CHECK_THAT(text, ContainsSubstring("\"part_of_peak\": 0.88"));
  CHECK_THAT(text, ContainsSubstring("\"samples_seconds\": ["));
  CHECK(std::all_of(text.begin(), text.end(), [](char c) { return c != '\xe9'; }));
}
