#include "bench/measure.h"
#include "tests/support/catch.h"

#include <chrono>
#include <cmath>
#include <thread>

using namespace volute::bench;

namespace {

// A clock that only moves when a candidate works, so that every number below is exact.
struct FakeTime {
  double now = 0;
  Clock clock() {
    return [this] { return now; };
  }
  Candidate takes(std::string name, double seconds) {
    return candidate(std::move(name), [this, seconds] { now += seconds; });
  }
};

} // namespace

TEST_CASE("candidates take turns, one sample a round", "[measure]") {
  FakeTime time;
  std::string order;
  const std::vector<Candidate> candidates = {
      {"a", [&](int64_t) { order += 'a', time.now += 1; }},
      {"b", [&](int64_t) { order += 'b', time.now += 1; }},
  };
  MeasureOptions options;
  options.warm_up_seconds = 0;
  options.minimum_rounds = 3;
  options.minimum_seconds = 0;
  const auto timings = measure(candidates, options, time.clock());
  CHECK(order == "ab"
                 "ababab"); // one warm-up call each, then the rounds
  REQUIRE(timings.size() == 2);
  CHECK(timings[0].samples.size() == 3);
  CHECK(timings[1].samples.size() == 3);
}

TEST_CASE("a sample repeats a short call until it is long enough", "[measure]") {
  FakeTime time;
  MeasureOptions options;
  options.sample_seconds = 0.5;
  options.warm_up_seconds = 0.25;
  options.minimum_seconds = 8;
  options.minimum_rounds = 2;
  const double tick = 1.0 / 1024; // exact in binary
  const auto timings =
      measure({time.takes("short", tick), time.takes("long", 4)}, options, time.clock());
  CHECK(timings[0].repetitions == 512);
  CHECK(timings[0].median() == tick);
  CHECK(timings[0].samples.size() == 16); // 8 seconds of half a second
  CHECK(timings[1].repetitions == 1);
  CHECK(timings[1].samples.size() == 16); // as many: samples belong to rounds
  CHECK(timings[1].median() == 4);
  CHECK(timings[1].minimum() == 4);
  CHECK(timings[1].spread() == 0);
}

TEST_CASE("a call that takes no time ends all the same", "[measure]") {
  FakeTime time;
  MeasureOptions options;
  options.maximum_rounds = 5;
  options.warm_up_seconds = 0;
  const auto timings = measure({candidate("nothing", [] {})}, options, time.clock());
  CHECK(timings[0].samples.size() == 5);
  CHECK(timings[0].median() == 0);
  CHECK(timings[0].spread() == 0);
  CHECK(measure({}, options, time.clock()).empty());
}

TEST_CASE("a drifting clock cancels out of a speedup", "[measure]") {
  FakeTime time;
  double slowness = 1;
  int calls = 0;
  const auto work = [&](double seconds) {
    return [&, seconds](int64_t repetitions) {
      time.now += seconds * slowness * static_cast<double>(repetitions);
      if (++calls % 2 == 0) slowness *= 2; // every round runs at half the speed of the one before
    };
  };
  MeasureOptions options;
  options.warm_up_seconds = 0;
  options.sample_seconds = 1;
  options.minimum_rounds = 5;
  options.minimum_seconds = 0;
  const auto timings = measure({{"one", work(1)}, {"three", work(3)}}, options, time.clock());
  CHECK(std::abs(speedup(timings[0], timings[1]) - 3) < 1e-9);
  CHECK(std::abs(speedup(timings[1], timings[0]) - 1.0 / 3) < 1e-9);
  CHECK(timings[0].spread() > 0.5);
}

TEST_CASE("rounds in which the peak dips are measured again", "[measure]") {
  FakeTime time;
  int round = 0;
  const auto slowness = [&] { return round >= 3 && round < 5 ? 2.0 : 1.0; }; // a neighbour
  const Candidate peak = {"peak", [&](int64_t n) { time.now += 0.001 * slowness() * double(n); }};
  const Candidate work = {"work", [&](int64_t n) {
                            time.now += 0.01 * slowness() * double(n);
                            ++round; // one sample a round; the warm-up is the first
                          }};
  MeasureOptions options;
  options.warm_up_seconds = 0;
  options.sample_seconds = 0;
  options.minimum_rounds = 6;
  options.minimum_seconds = 0;
  const Series series = measure_beside(peak, {work}, options, time.clock());
  CHECK(series.is_steady);
  CHECK(series.dipped == 3); // the two that were slow, and the one at whose end the probe was
  CHECK(series.deepest == Approx(0.5));
  REQUIRE(series.timings.size() == 1);
  CHECK(series.timings[0].samples.size() == 6);
  CHECK(series.peak.samples.size() == 6);
  for (const double sample : series.timings[0].samples) CHECK(sample == Approx(0.01));
  for (const double sample : series.peak.samples) CHECK(sample == Approx(0.001));
}

TEST_CASE("a machine whose peak never comes back gives its best rounds, and says so", "[measure]") {
  FakeTime time;
  int probes = 0;
  const Candidate peak = {"peak",
                          [&](int64_t n) { time.now += 0.001 * (2 + ++probes % 3) * double(n); }};
  MeasureOptions options;
  options.warm_up_seconds = 0;
  options.sample_seconds = 0;
  options.minimum_rounds = 5;
  options.minimum_seconds = 0;
  const Series series =
      measure_beside(peak, {time.takes("work", 0.01)}, options, time.clock(), 0.001);
  CHECK_FALSE(series.is_steady);
  CHECK(series.dipped == 15); // three times as many as were asked for, and then no more
  CHECK(series.timings[0].samples.size() >= 5);
}

TEST_CASE("what comes before a call is not timed, and a sample is one call", "[measure]") {
  FakeTime time;
  int before = 0;
  MeasureOptions options;
  options.minimum_rounds = 4;
  options.minimum_seconds = 0;
  options.before_call = [&] { ++before, time.now += 100; };
  const auto timings = measure({time.takes("work", 1e-6)}, options, time.clock());
  CHECK(before == 4);
  CHECK(timings[0].repetitions == 1);
  CHECK(timings[0].median() == Approx(1e-6));
}

TEST_CASE("medians and quartiles are those of the sorted values", "[measure]") {
  CHECK(median({}) == 0);
  CHECK(median({3}) == 3);
  CHECK(median({9, 1, 5}) == 5);
  CHECK(median({4, 1, 3, 2}) == 2.5);
  CHECK(quantile({1, 2, 3, 4, 5}, 0.25) == 2);
  CHECK(quantile({1, 2, 3, 4, 5}, 1) == 5);
  const Timing t = {"t", 1, {10, 8, 12, 9, 11}};
  CHECK(t.median() == 10);
  CHECK(t.minimum() == 8);
  CHECK(std::abs(t.spread() - 0.2) < 1e-9);
}

TEST_CASE("the real clock moves forwards", "[measure]") {
  const double start = steady_seconds();
  volatile double sink = 0;
  MeasureOptions options;
  options.warm_up_seconds = 1e-4;
  options.sample_seconds = 1e-5;
  options.minimum_seconds = 1e-4;
  const auto timings = measure({candidate("add", [&] { sink = sink + 1; })}, options);
  CHECK(timings[0].median() > 0);
  CHECK(timings[0].median() < 1e-5);
  CHECK(steady_seconds() > start);
}

TEST_CASE("a thread's clock stands still while the thread sleeps", "[measure]") {
  const double wall = steady_seconds(), own = thread_seconds();
  std::this_thread::sleep_for(std::chrono::milliseconds(30));
  const double slept = steady_seconds() - wall, worked = thread_seconds() - own;
  CHECK(slept >= 0.03);
  CHECK(worked >= 0);
  CHECK(worked < slept / 3);
}

TEST_CASE("where the peak is there for moments only, each sample waits for one", "[measure]") {
  // A neighbour lets the peak be for 3 ms of every 50.
  FakeTime time;
  const auto is_quiet = [&] { return std::fmod(time.now, 0.05) < 0.003; };
  const auto takes = [&](double seconds) {
    return [&, seconds](int64_t n) { time.now += seconds * double(n) * (is_quiet() ? 1 : 3); };
  };
  MeasureOptions options;
  options.warm_up_seconds = 0;
  options.sample_seconds = 0.0002;
  options.peak_seconds = 0.00005;
  options.minimum_rounds = 6;
  options.minimum_seconds = 0;
  options.patience_seconds = 5;
  options.most_samples = 8;
  const std::vector<Candidate> candidates = {{"a", takes(0.0002)}, {"b", takes(0.0004)}};
  const Series series = measure_beside({"peak", takes(0.00001)}, candidates, options, time.clock());
  CHECK(series.is_steady);
  REQUIRE(series.timings.size() == 2);
  REQUIRE(series.timings[0].samples.size() >= 6);
  CHECK(series.timings[0].median() == Approx(0.0002));
  CHECK(series.timings[1].median() == Approx(0.0004));
  CHECK(speedup(series.timings[0], series.timings[1]) == Approx(2));

  // One that never lets it be takes the patience that there is, and no more.
  time.now = 0;
  options.patience_seconds = 0.5;
  const auto slow = [&](double seconds) {
    return [&, seconds](int64_t n) { time.now += 3 * seconds * double(n); };
  };
  const Series disturbed = measure_beside({"peak", slow(0.00001)}, {{"a", slow(0.0002)}}, options,
                                          time.clock(), 0.00001);
  CHECK_FALSE(disturbed.is_steady);
  CHECK(time.now < 1);
}
