#include "bench/json.h"
#include "bench/page.h"
#include "bench/report.h"
#include "tests/support/catch.h"

#include <nlohmann/json.hpp>

#include <algorithm>

using namespace volute;
using namespace volute::bench;
using Catch::Matchers::ContainsSubstring;

namespace {

Contender contender(const std::string& name, double seconds, double executed, double faster) {
  Contender c;
  c.name = name;
  c.is_volute = name == "volute";
  c.timing = {name, 1, {seconds, seconds, seconds}};
  c.executed_multiply_adds = executed;
  c.volute_is_faster = faster;
  return c;
}

Benchmark conv() {
  Benchmark b;
  b.program = "conv";
  b.report.multiply_adds = 1000000;
  b.report.lower_ms = 2;
  b.verification = "equal to the reference: volute";
  b.peak_flops = 100e9;
  b.bound = {Unit::f32, 100e9, 2e6, 400000, 100000, 20e-6, 5e-6, "L2"};
  b.contenders = {contender("volute", 25e-6, 1100000, 0), contender("cpp", 100e-6, 1000000, 4)};
  b.contenders[0].preparation = {0.002, 0.0001, 0.00005, 40e-6};
  return b;
}

Benchmark pool() {
  Benchmark b = conv();
  b.program = "pool";
  b.report.multiply_adds = 0;
  b.bound = {Unit::f32, 100e9, 0, 400000, 100000, 0, 20e-6, "L2"};
  for (Contender& c : b.contenders) c.executed_multiply_adds = 0;
  b.contenders[1].refused = "pool: no such thing";
  return b;
}

Setting setting() {
  Setting s{"1.2.3", "19.1.7", "a machine", "volute bench"};
  s.peers = {"oneDNN 2.6.3"};
  s.call_overhead = 47e-9;
  s.missing = {"torch (libtorch-dev)"};
  s.ceilings =
      Ceilings{100e9, 200e9,  400e9, {{"L1", 32768, 200e9, 100e9}, {"memory", 0, 20e9, 10e9}},
               "fma", "dot2", "dot4"};
  return s;
}

} // namespace

TEST_CASE("rates count what is asked for, in words that fit", "[report]") {
  const Benchmark b = conv();
  CHECK(rate_of(b, 25e-6).value == Approx(80));
  CHECK(rate_of(b, 25e-6).unit == "GFLOP/s");
  Benchmark bytes = conv();
  bytes.bound.unit = Unit::bytes;
  CHECK(rate_of(bytes, 25e-6).unit == "GOP/s");
  CHECK(rate_of(pool(), 25e-6).value == Approx(20));
  CHECK(rate_of(pool(), 25e-6).unit == "GB/s");
}

TEST_CASE("the part of the peak counts what is executed, and time goes over the bound",
          "[report]") {
  const Benchmark b = conv();
  CHECK(part_of_peak(b, b.contenders[0]) == Approx(0.88));
  CHECK(part_of_peak(b, b.contenders[1]) == Approx(0.2));
  CHECK(over_bound(b, b.contenders[0]) == Approx(1.25));
  CHECK(over_bound(pool(), pool().contenders[0]) == Approx(1.25));
  CHECK(part_of_peak(pool(), pool().contenders[0]) == 0);
}

TEST_CASE("the head says what is measured with", "[report]") {
  CHECK(
      head(setting(), 2, true) ==
      "a machine\nVolute 1.2.3, LLVM 19.1.7, oneDNN 2.6.3; 2 threads, caches emptied before every "
      "call\nnot in this build: torch (libtorch-dev); ./quickstart --peers\n"
      "a core's peaks: 100.0 GFLOP/s (fma), 200 GFLOP/s of bf16 (dot2), 400 GOP/s of bytes (dot4)\n"
      "loads and stores, GB/s: L1 200 and 100, memory 20 and 10\n"
      "a call of a kernel costs 47 ns beside its work, which count in its time\n");
}

TEST_CASE("the table has a line a contender, the bound, and what was spent once", "[report]") {
  Benchmark dipped = conv();
  dipped.dipped = 3, dipped.deepest = 0.5;
  const std::string text = table({dipped, pool()});
  CHECK_THAT(
      text,
      ContainsSubstring(
          "conv     volute        25.00    0.0 %   80.0 GFLOP/s        1.25\n"
          "         cpp          100.00    0.0 %   20.0 GFLOP/s        5.00  4 x faster\n"
          "         bound 20.00 us: 1.0 million multiply-adds at 100 GFLOP/s; 500.0 kB that go "
          "once through L2: 5.000 us\n"
          "         compiled in 2.0 ms, loaded in 0.10, weights bound in 0.05; first call "
          "40.00 us\n"
          "         verified: equal to the reference: volute\n"
          "         3 rounds were measured again: the peak fell by up to 50 % in them\n"));
  CHECK_THAT(text,
             ContainsSubstring("pool     volute        25.00    0.0 %      20.0 GB/s        1.25\n"
                               "         cpp     cannot: pool: no such thing\n"
                               "         bound 20.00 us: 500.0 kB that go once through L2\n"));
}

TEST_CASE("the short table has a line a program", "[report]") {
  const ShortTable rows(7, {"cpp"});
  CHECK(rows.title() == "program   volute us   spread           rate  bound     cpp\n");
  CHECK(rows.row(conv()) == "conv          25.00    0.0 %   80.0 GFLOP/s   1.25       4\n");
  CHECK(rows.row(pool()) == "pool          25.00    0.0 %      20.0 GB/s   1.25       -\n");
  Benchmark odd = conv();
  odd.is_steady = false;
  odd.contenders[1].refused = "computes something else: %y: 3 of 4 elements differ";
  CHECK(rows.row(odd) == "conv         25.00!    0.0 %   80.0 GFLOP/s   1.25   wrong\n");
  CHECK_THAT(
      ShortTable::legend({odd}),
      ContainsSubstring("cpp on conv computes something else: %y: 3 of 4 elements differ\n!: "));
}

TEST_CASE("sums count each layer as often as its network uses it", "[report]") {
  Benchmark once = conv(), often = conv(), other = pool();
  once.group = often.group = other.group = "net, channels last";
  often.uses = 3;
  const std::vector<Sum> sums = sums_of({once, often, other, conv()});
  REQUIRE(sums.size() == 1);
  CHECK(sums[0].programs == 3);
  REQUIRE(sums[0].parts.size() == 2);
  CHECK(sums[0].parts[0].seconds == Approx(5 * 25e-6));
  CHECK(sums[0].parts[1].programs == 2); // it refused the pool
  CHECK(sums[0].best == Approx(5 * 25e-6));
  CHECK(sums[0].bound == Approx(5 * 20e-6));
  CHECK_THAT(
      foot({once, often, other}, setting()),
      ContainsSubstring("net, channels last, 3 programs as often as they are used, ms:  volute "
                        "0.12  cpp - (has 2); the best of each 0.12, bounds 0.10\n"));
}

TEST_CASE("a machine that moved during the run is told of", "[report]") {
  Setting moved = setting();
  moved.ceilings_drift = 0.4;
  CHECK_THAT(foot({conv()}, moved), ContainsSubstring("differed by up to 40 %"));
  CHECK(foot({conv()}, setting()).find("differed") == std::string::npos);
}

TEST_CASE("JSON is read back, and text from outside stays JSON", "[report]") {
  Benchmark b = conv();
  b.file = "caf\xe9.vlt";
  const std::string text = json({b, pool()}, setting());
  CHECK_THAT(text, ContainsSubstring("\"over_bound\": 1.25"));
  CHECK_THAT(text, ContainsSubstring("\"samples_seconds\": ["));
  CHECK(std::all_of(text.begin(), text.end(), [](char c) { return c != '\xe9'; }));

  const auto recorded = read_json(text);
  REQUIRE(recorded);
  CHECK(recorded->machine == "a machine");
  REQUIRE(recorded->programs.size() == 2);
  CHECK(recorded->programs[0].name == "conv");
  CHECK(recorded->programs[0].peak_flops == 100e9);
  REQUIRE(recorded->programs[0].times.size() == 2);
  CHECK(recorded->programs[0].times[1].by == "cpp");
  CHECK(recorded->programs[0].times[1].median == Approx(100e-6));
  CHECK(recorded->programs[1].times.size() == 1);
  for (const char* other : {"", "[]", "{}", "{\"programs\": [1]}", "nonsense"})
    CHECK_FALSE(read_json(other));
}

TEST_CASE("CSV has a line a contender, and quotes what separates", "[report]") {
  Benchmark b = conv();
  b.file = "a,b.vlt";
  b.contenders[1].refused = "it said \"no\"";
  const std::string text = csv({b});
  CHECK(std::count(text.begin(), text.end(), '\n') == 3);
  CHECK_THAT(text, ContainsSubstring("\n\"a,b.vlt\",conv,1,volute,25,25,25,80,GFLOP/s,1.25,,20,"
                                     "arithmetic,,\n"));
  CHECK_THAT(text, ContainsSubstring(",cpp,,,,,GFLOP/s,,,20,arithmetic,,\"it said \"\"no\"\"\"\n"));
}

TEST_CASE("the page holds its data, and no text of them ends the script", "[report]") {
  Benchmark b = conv();
  b.file = "</script><script>alert(1)</script><!--";
  const std::string html = page({b}, setting());
  const size_t begin = html.find("<script type=\"application/json\" id=\"data\">");
  REQUIRE(begin != std::string::npos);
  const size_t from = html.find('>', begin) + 1, to = html.find("</script>", from);
  const auto data = nlohmann::json::parse(html.substr(from, to - from));
  CHECK(data.at("programs").at(0).at("file") == b.file);
  CHECK_FALSE(data.at("programs").at(0).at("contenders").at(0).contains("samples_seconds"));
  CHECK(html.find("@DATA@") == std::string::npos);
  CHECK(html.find("http://") == std::string::npos);
  CHECK(html.find("https://") == std::string::npos);
  CHECK(html.find(" src=") == std::string::npos);
}
