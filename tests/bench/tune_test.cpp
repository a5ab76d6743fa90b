#include "bench/tune.h"
#include "compiler/schedule/schedule.h"
#include "compiler/target/target.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/text.h"

#include <set>

using namespace volute;
using namespace volute::bench;

namespace {

ir::Program layer() {
  return *ir::parse(
      R"(program @layer(%x: f32[n=1, c=16, h=9, w=40], %w: f32[o=24, i=16, h=3, w=3]) {
    %y = conv %x, %w {pad = 1}
    return %y
  })");
}

/// Time as a test wants it to be: each call takes what its schedule costs.
struct Bench {
  double now = 0;
  std::set<std::string> called;
  std::function<double(const std::string&)> cost;

  Expected<Tuning> tune(const ir::Program& program, TuneOptions options = {}) {
    runtime::Options session;
    session.cache_dir = "";
    options.session = Session(session);
    options.clock = [this] { return now; };
    if (options.seconds == TuneOptions().seconds) options.seconds = 1000; // of this clock none pass
    options.on_call = [this](const std::string& schedule) {
      called.insert(schedule);
      now += cost(schedule);
    };
    return bench::tune(program, options);
  }
};

} // namespace

TEST_CASE("the fastest schedule is found, verified and given on one line", "[tune]") {
  Bench bench;
  // Of those that the model tells of, only one is fast.
  std::string start, wanted;
  bench.cost = [&](const std::string& schedule) {
    if (start.empty()) start = schedule;
    if (schedule != start && wanted.empty() && tests::has(schedule, "nest conv_y"))
      wanted = schedule;
    return schedule == wanted ? 0.001 : 0.002;
  };
  const Expected<Tuning> tuning = bench.tune(layer());
  REQUIRE(tuning);
  CHECK(tuning->start == start);
  CHECK(tuning->schedule == wanted);
  CHECK(tuning->faster == Approx(2));
  CHECK(tuning->start_seconds == Approx(0.002));
  CHECK(tuning->best_seconds == Approx(0.001));
  CHECK(tuning->trials.size() >= 6);
  CHECK(!tests::has(tuning->schedule, "\n"));
  CHECK(compiler::parse_schedules(tuning->schedule).has_value());
}

TEST_CASE("what gains less than a few hundredths is not kept", "[tune]") {
  Bench bench;
  std::string start;
  bench.cost = [&](const std::string& schedule) {
    if (start.empty()) start = schedule;
    return schedule == start ? 0.00205 : 0.002;
  };
  const Expected<Tuning> tuning = bench.tune(layer());
  REQUIRE(tuning);
  CHECK(tuning->schedule.empty());
  CHECK(tuning->faster == Approx(1.025));
  CHECK(tuning->best_seconds < tuning->start_seconds);
}

TEST_CASE("where nothing is faster, nothing is kept", "[tune]") {
  Bench bench;
  std::string start;
  bench.cost = [&](const std::string& schedule) {
    if (start.empty()) start = schedule;
    return schedule == start ? 0.001 : 0.002;
  };
  const Expected<Tuning> tuning = bench.tune(layer());
  REQUIRE(tuning);
  CHECK(tuning->schedule.empty());
  CHECK(tuning->faster == Approx(1));
  CHECK(!tuning->trials.empty());
  for (const Trial& trial : tuning->trials)
    CHECK((trial.to_before == Approx(2) || !trial.refused.empty()));
}

TEST_CASE("forms are tried as far as the accuracy allows", "[tune]") {
  const ir::Program program =
      *ir::parse("program @p(%x: f32[n=1, h=30, w=30, c=64], %w: f32[o=64, i=64, h=3, w=3]) {\n"
                 "  %y = conv %x, %w {pad = 1}\n  return %y\n}");
  for (const double accuracy : {0.0, 2.0}) {
    Bench bench;
    TuneOptions options;
    options.compile.accuracy = accuracy;
    options.compile.target = short_text(compiler::without_tiles(compiler::host()));
    options.most_candidates = 1;
    bench.cost = [&](const std::string& schedule) { // Winograd is slow here
      return tests::has(schedule, "winograd") ? 0.003 : 0.002;
    };
    const Expected<Tuning> tuning = bench.tune(program, options);
    REQUIRE(tuning);
    bool any = false;
    for (const std::string& schedule : bench.called) any |= tests::has(schedule, "winograd");
    CHECK(any == (accuracy > 0));
    CHECK(tests::has(tuning->start, "winograd") == (accuracy > 0));
    if (accuracy > 0) CHECK(tuning->faster == Approx(1.5));
    CHECK(!tests::has(tuning->schedule, "winograd"));
  }
}

TEST_CASE("the time that is given ends the search, not the comparison", "[tune]") {
  Bench bench;
  double clock = 0;
  TuneOptions options;
  options.seconds = 1;
  options.budget_clock = [&] { return clock += 0.3; };
  bench.cost = [](const std::string&) { return 0.001; };
  const Expected<Tuning> tuning = bench.tune(layer(), options);
  REQUIRE(tuning);
  CHECK(tuning->ran_out);
  CHECK(tuning->trials.size() <= 3);
}

TEST_CASE("schedules of several nests go on one line and come back", "[tune]") {
  const std::string text =
      "form conv_y dot\nnest conv_y:\nparallel n\nfor w by 4, i\nnest stage_x:\n"
      "for c\n";
  const std::string line = compiler::on_one_line(text);
  CHECK(line == "form conv_y dot; nest conv_y: parallel n; for w by 4, i; nest stage_x: for c");
  CHECK(compiler::to_string(compiler::parse_schedules(line).value()) ==
        compiler::to_string(compiler::parse_schedules(text).value()));
}
