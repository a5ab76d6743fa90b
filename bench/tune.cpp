#include "bench/tune.h"

#include "bench/agreement.h"
#include "bench/made_up.h"
#include "bench/verify.h"
#include "bench/watched.h"
#include "compiler/compile.h"
#include "compiler/schedule/schedule.h"
#include "compiler/target/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace volute::bench {
namespace {

using compiler::on_one_line;
using compiler::Report;
using compiler::Schedules;

// Of the predicted cycles: a nest with less is left as it is.
constexpr double least_share = 0.05;
// A candidate predicted to take so many times the best one's cycles is not tried: the model's order
// is wrong by a tenth or two, hardly by more.
constexpr double most_cycles = 1.5;
// Of the fastest candidate's time: as close as this, one more look is taken.
constexpr double close = 0.04;
constexpr size_t most_close = 3;
constexpr int last_rounds = 21;
// Of the budget, for the comparison at the end.
constexpr double last_share = 0.2;

/// A way to compute the program, ready to be timed.
struct Contestant {
  Schedules schedules;
  Report report;
  Entrant entrant;
  double seconds = 0;
};

class Tuner {
public:
  Tuner(const ir::Program& program, const TuneOptions& options, Data& data)
      : program_(program), options_(options), data_(data), start_(options.budget_clock()),
        clock_(options.session.threads().count() == 1 ? Clock(thread_seconds)
                                                      : Clock(steady_seconds)) {}

  Expected<Tuning> run() {
    Expected<Contestant> first = contestant(options_.compile.schedule);
    if (!first) return first.failure();
    tuning_.start = on_one_line(compiler::to_string(first->schedules));
    Contestant best = *first;
    try_forms(best);
    std::vector<std::string> nests;
    for (const compiler::NestReport& nest : by_cycles(best.report)) nests.push_back(nest.name);
    for (const std::string& nest : nests) try_nest(best, nest);
    return finished(*first, std::move(best));
  }

private:
  bool has_time() {
    const bool has = options_.budget_clock() - start_ < (1 - last_share) * options_.seconds;
    tuning_.ran_out |= !has;
    return has;
  }

  Expected<Contestant> contestant(const std::string& schedule) {
    runtime::CompileOptions compile = options_.compile;
    compile.schedule = schedule;
    const Expected<compiler::CompileRequest> request = options_.session.request(program_, compile);
    if (!request) return request.failure();
    Expected<compiler::Compiled> compiled = options_.session.inspect(program_, *request);
    if (!compiled) return compiled.failure();
    Expected<runtime::Kernel> kernel = options_.session.load(compiled->image);
    if (!kernel) return kernel.failure();
    Expected<Entrant> entrant =
        enter(Compiled{schedule, *kernel, compiled->report, {}}, program_, data_);
    if (!entrant) return entrant.failure();
    if (const Status ran = entrant->ways.front().call(); !ran.ok()) return ran.failure();
    return Contestant{std::move(compiled->stages.schedules), std::move(compiled->report),
                      std::move(*entrant)};
  }

  /// Adds what compiles to the field; what does not is a trial without a time.
  void enter_field(std::vector<Contestant>& field, std::vector<std::string>& names,
                   const std::string& name, const std::string& schedule) {
    if (!has_time()) return;
    options_.progress(fmt::format("compiling {}", name));
    Expected<Contestant> made = contestant(schedule);
    if (!made) {
      tuning_.trials.push_back({name, 0, 0, made.diagnostics().front().message});
      return;
    }
    field.push_back(std::move(*made));
    names.push_back(name);
  }

  /// Times the field in turns, field[0] being the best so far; it becomes the fastest.
  void race(Contestant& best, std::vector<Contestant> field, std::vector<std::string> names) {
    if (field.size() < 2) return;
    options_.progress(fmt::format("timing {} schedules", field.size()));
    MeasureOptions few;
    few.warm_up_seconds = 0.003;
    few.sample_seconds = 0.001;
    few.minimum_rounds = 7;
    few.minimum_seconds = 0.01;
    few.maximum_rounds = 50;
    std::vector<Timing> timings = timed(field, few);
    for (size_t i = 0; i < field.size(); ++i) {
      field[i].seconds = timings[i].median();
      if (i > 0)
        tuning_.trials.push_back(
            {names[i], field[i].seconds, 1 / speedup(timings[i], timings[0]), ""});
    }
    std::vector<size_t> order(field.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    const auto faster = [&](size_t a, size_t b) { return field[a].seconds < field[b].seconds; };
    std::stable_sort(order.begin(), order.end(), faster);
    std::vector<size_t> near;
    for (const size_t i : order)
      if (near.size() < most_close && field[i].seconds <= (1 + close) * field[order[0]].seconds)
        near.push_back(i);
    if (near.size() > 1 && has_time()) {
      std::vector<Contestant> again;
      for (const size_t i : near) again.push_back(field[i]);
      few.minimum_rounds = last_rounds;
      timings = timed(again, few);
      for (size_t i = 0; i < near.size(); ++i) field[near[i]].seconds = timings[i].median();
      std::stable_sort(near.begin(), near.end(), faster);
    }
    best = std::move(field[near.front()]);
  }

  std::vector<Timing> timed(const std::vector<Contestant>& field, const MeasureOptions& how) {
    std::vector<Candidate> candidates;
    for (const Contestant& c : field) candidates.push_back(candidate_of(c));
    if (options_.clock) return measure(candidates, how, options_.clock);
    std::vector<const Report*> reports;
    for (const Contestant& c : field) reports.push_back(&c.report);
    const Watched peak = watched(reports);
    Series series = measure_beside(peak.probe.candidate, candidates, peak.rounds(how), clock_);
    tuning_.is_steady = series.is_steady;
    return std::move(series.timings);
  }

  Candidate candidate_of(const Contestant& c) const {
    return {c.entrant.name, [call = c.entrant.ways.front().call, on_call = options_.on_call,
                             schedule = on_one_line(compiler::to_string(c.schedules))](int64_t n) {
              for (int64_t i = 0; i < n; ++i) {
                if (!call()) return; // it has succeeded on these very arguments
                if (on_call) on_call(schedule);
              }
            }};
  }

  /// Each form that a convolution might be computed in, all else being the model's choice.
  void try_forms(Contestant& best) {
    if (options_.compile.schedule != "auto") return;
    const std::vector<compiler::StatementForms> statements = best.report.forms;
    for (const compiler::StatementForms& statement : statements) {
      std::vector<Contestant> field = {best};
      std::vector<std::string> names = {""};
      for (const compiler::FormReport& form : statement.forms) {
        if (form.name == statement.chosen) continue;
        // What exceeds the accuracy is refused here as it is by auto.
        if (form.error > accuracy()) continue;
        const std::string directive = fmt::format("form {} {}", statement.nest, form.name);
        enter_field(field, names, directive, directive);
      }
      race(best, std::move(field), std::move(names));
    }
  }

  double accuracy() const {
    const Expected<compiler::CompileRequest> request =
        options_.session.request(program_, options_.compile);
    return request ? request->accuracy : 0;
  }

  /// The nests in which the time is spent, the longest first.
  static std::vector<compiler::NestReport> by_cycles(const Report& report) {
    double all = 0;
    for (const compiler::NestReport& nest : report.nests) all += nest.cycles;
    std::vector<compiler::NestReport> nests;
    for (const compiler::NestReport& nest : report.nests)
      if (nest.cycles > least_share * all) nests.push_back(nest);
    std::stable_sort(nests.begin(), nests.end(),
                     [](const auto& a, const auto& b) { return a.cycles > b.cycles; });
    return nests;
  }

  /// The same with every stage before what reads it, and none amid products; nothing where it is
  /// so.
  static std::optional<Schedules> without_overlap(Schedules schedules) {
    bool found = false;
    for (auto& [name, schedule] : schedules)
      for (compiler::ComputeDirective& compute : schedule.compute)
        found |= std::exchange(compute.overlaps, false);
    return found ? std::optional(std::move(schedules)) : std::nullopt;
  }

  /// The model's best few for one nest, the others as they are.
  void try_nest(Contestant& best, const std::string& name) {
    const auto nest = std::find_if(best.report.nests.begin(), best.report.nests.end(),
                                   [&](const auto& n) { return n.name == name; });
    if (nest == best.report.nests.end() || !best.schedules.count(name)) return;
    // Candidates are told of by `auto` alone: where its choice was put in writing, of the run
    // before.
    if (!nest->candidates.empty()) candidates_[name] = nest->candidates;
    const std::vector<compiler::Candidate>& candidates = candidates_[name];
    std::vector<Contestant> field = {best};
    std::vector<std::string> names = {""};
    const std::optional<Schedules> without = without_overlap(best.schedules);
    if (without) enter_field(field, names, "apart", compiler::to_string(*without));
    for (const compiler::Candidate& candidate : candidates) {
      if (static_cast<int>(field.size()) > options_.most_candidates ||
          candidate.cycles > most_cycles * candidates.front().cycles)
        break;
      Expected<Schedules> parsed = compiler::parse_schedules(candidate.schedule);
      if (!parsed) continue;
      compiler::Schedule schedule = parsed->begin()->second;
      schedule.compute = best.schedules[name].compute;
      if (compiler::to_string(schedule) == compiler::to_string(best.schedules[name])) continue;
      Schedules changed = best.schedules;
      changed[name] = schedule;
      enter_field(field, names, fmt::format("{}: {}", name, candidate.schedule),
                  compiler::to_string(changed));
      // Few go together with a stage amid products; after it each may be.
      if (const std::optional<Schedules> apart = without_overlap(changed))
        enter_field(field, names, fmt::format("{}: {}, apart", name, candidate.schedule),
                    compiler::to_string(*apart));
    }
    // What has no time of its own yet may have candidates in the runs to come.
    for (const Contestant& c : field)
      for (const compiler::NestReport& n : c.report.nests)
        if (!n.candidates.empty()) candidates_.try_emplace(n.name, n.candidates);
    race(best, std::move(field), std::move(names));
  }

  /// Where it started and what has won, once more in many turns; and whether that is right.
  Expected<Tuning> finished(Contestant& first, Contestant best) {
    const std::string schedule = on_one_line(compiler::to_string(best.schedules));
    tuning_.best_seconds = tuning_.start_seconds = first.seconds;
    if (schedule == tuning_.start) return std::move(tuning_);
    options_.progress("comparing the fastest with the model's choice");
    MeasureOptions many;
    many.minimum_rounds = last_rounds;
    many.minimum_seconds = last_share * options_.seconds / 4;
    many.maximum_rounds = 400;
    const std::vector<Timing> timings = timed({first, best}, many);
    std::vector<double> ratios;
    for (size_t i = 0; i < timings[0].samples.size(); ++i)
      if (timings[1].samples[i] > 0)
        ratios.push_back(timings[0].samples[i] / timings[1].samples[i]);
    tuning_.start_seconds = timings[0].median();
    tuning_.best_seconds = timings[1].median();
    tuning_.faster = median(ratios);
    tuning_.faster_low = quantile(ratios, 0.25);
    tuning_.faster_high = quantile(ratios, 0.75);
    // The lower quartile too: half of the rounds agreeing is chance.
    if (tuning_.faster < 1 + options_.least_gain || tuning_.faster_low <= 1)
      return std::move(tuning_);
    options_.progress("verifying it");
    if (auto fault = wrong(schedule)) return *fault;
    tuning_.schedule = schedule;
    return std::move(tuning_);
  }

  /// Beside the naive schedule where the reference takes too long.
  std::optional<Failure> wrong(const std::string& schedule) {
    const auto both = [&]() -> Expected<std::vector<Entrant>> {
      std::vector<Entrant> entrants;
      for (const std::string& text : {schedule, std::string("naive")}) {
        Expected<Contestant> made = contestant(text);
        if (!made) return made.failure();
        entrants.push_back(std::move(made->entrant));
      }
      return entrants;
    };
    std::vector<Entrant> entrants;
    std::vector<std::vector<double>> seconds;
    const Expected<Verification> verified =
        verify_on_made_up(program_, data_, both, entrants, 1e8, seconds,
                          options_.compile.flush_denormals.value_or(false));
    if (!verified) return verified.failure();
    return std::nullopt;
  }

  const ir::Program& program_;
  const TuneOptions& options_;
  Data& data_;
  const double start_;
  const Clock clock_;
  std::map<std::string, std::vector<compiler::Candidate>> candidates_; // by nest
  Tuning tuning_;
};

} // namespace

Expected<Tuning> tune(const ir::Program& program, const TuneOptions& options) {
  Expected<Data> data = allocate(program);
  if (!data) return data.failure();
  if (options.fill) {
    if (auto fault = options.fill(program, data->inputs)) return *fault;
  } else {
    make_up(program, data->inputs);
  }
  options.progress("compiling the model's choice");
  return Tuner(program, options, *data).run();
}

} // namespace volute::bench
