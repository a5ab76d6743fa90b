#include "bench/bench.h"
#include "bench/json.h"
#include "bench/report.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

#include <nlohmann/json.hpp>

#include <set>

using namespace volute;
using namespace volute::bench;
using Catch::Matchers::ContainsSubstring;

namespace {

/// Counters that go by what is asked of them.
struct Pretended {
  size_t most = counter_count; // that are to be had
  bool is_steady = true;
  bool is_running = false;
  int started = 0;
  std::set<int> is_open;

  CounterSystem system() {
    return {[this](size_t which, int group) {
              if (which >= most) return -1;
              CHECK((group == -1) == (which == 0));
              const int counter = 40 + static_cast<int>(which);
              is_open.insert(counter);
              return counter;
            },
            [this](int group) {
              CHECK(group == 40);
              is_running = true, ++started;
            },
            [this](int) { is_running = false; },
            [this](int) -> std::optional<std::array<uint64_t, counter_count>> {
              CHECK(!is_running);
              if (!is_steady) return std::nullopt;
              return {{3000, 9000, 30}};
            },
            [this](int counter) { CHECK(is_open.erase(counter) == 1); }};
  }
};

} // namespace

TEST_CASE("what the processor counts is told a call", "[counters]") {
  Pretended machine;
  {
    const std::optional<Counters> counters = Counters::open(machine.system());
    REQUIRE(counters);
    int64_t calls = 0;
    const auto repeat = [&](int64_t repetitions) {
      CHECK(machine.is_running);
      calls += repetitions;
    };
    CHECK(counters->of(repeat, 30) == Counts{100, 300, 1});
    CHECK(calls == 30);
    machine.is_steady = false;
    CHECK_FALSE(counters->of(repeat, 30));
    CHECK(machine.is_open.size() == counter_count);
  }
  CHECK(machine.is_open.empty());
}

TEST_CASE("where a counter is not to be had there is none, and nothing stays open", "[counters]") {
  for (size_t most = 0; most < counter_count; ++most) {
    Pretended machine;
    machine.most = most;
    CHECK_FALSE(Counters::open(machine.system()));
    CHECK(machine.is_open.empty());
  }
}

TEST_CASE("the benchmark counts after it has timed, and is silent where it cannot", "[counters]") {
  const ir::Program program =
      *ir::parse("program @p(%x: f32[n=1, c=4, h=6, w=6], %w: f32[o=4, i=4, h=3, w=3]) {\n"
                 "  %y = conv %x, %w {pad = 1}\n  return %y\n}");
  Pretended machine;
  BenchOptions options;
  options.seconds = 0.01;
  options.against = {"cpp"};
  options.counters = machine.system();
  const auto found = benchmark(program, options);
  REQUIRE(found);
  CHECK(machine.started == 2);
  CHECK(machine.is_open.empty());
  for (const Contender& c : found->contenders) REQUIRE(c.counts);
  CHECK(found->contenders[0].counts->instructions ==
        Approx(3 * found->contenders[0].counts->cycles));
  CHECK_THAT(table({*found}), ContainsSubstring(" instructions, 3.00 a cycle; ") &&
                                  ContainsSubstring(" cache misses"));
  const auto told = nlohmann::json::parse(json({*found}, Setting()));
  CHECK(told["programs"][0]["contenders"][0]["counts_a_call"].contains("cache_misses"));

  machine.most = 0;
  const auto silent = benchmark(program, options);
  REQUIRE(silent);
  CHECK_FALSE(silent->contenders[0].counts);
  CHECK(table({*silent}).find("cache misses") == std::string::npos);
  CHECK(json({*silent}, Setting()).find("counts_a_call") == std::string::npos);
}
