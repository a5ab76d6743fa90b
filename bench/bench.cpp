#include "bench/bench.h"

#include "bench/agreement.h"
#include "bench/cold.h"
#include "bench/made_up.h"
#include "bench/watched.h"
#include "compiler/target/target.h"
#include "ir/parse.h"
#include "ir/print.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace volute::bench {
namespace {

// A call above this would turn every round into a wait: it gets a series of its own.
constexpr double slow_call_seconds = 0.03;
constexpr int least_rounds = 5, most_rounds_of_slow = 11, cold_rounds = 15;
// What is timed is also verified, where the reference takes this part of what verification may.
constexpr double second_reference = 0.1;

// ---- who takes part -----------------------------------------------------------------------------

/// Those who take part whatever the data: compiled once, loaded once.
struct Field {
  std::vector<Compiled> compiled; // "volute", its variants, "naive"
  std::vector<std::pair<std::string, const Peer*>> peers;
  std::map<std::string, std::string> refused; // by name
  std::vector<std::string> order;             // of all names
};

std::string reason_of(const std::vector<Diagnostic>& faults) {
  std::string text;
  for (const Diagnostic& fault : faults) text += (text.empty() ? "" : "; ") + to_string(fault);
  return text;
}

Expected<Field> field_of(const ir::Program& program, const BenchOptions& options) {
  Field field;
  const auto add = [&](const std::string& name, const runtime::Session& session,
                       const runtime::CompileOptions& how) -> std::optional<Failure> {
    Expected<Compiled> compiled = compile(name, program, session, how);
    if (!compiled) return compiled.failure();
    field.compiled.push_back(std::move(*compiled));
    field.order.push_back(name);
    return std::nullopt;
  };
  if (auto fault = add("volute", options.session, options.compile)) return *fault;
  for (const Variant& variant : options.variants)
    if (auto fault = add(variant.name, variant.session, variant.compile)) return *fault;
  for (const std::string& name : options.against) {
    if (name == "naive") {
      runtime::CompileOptions naive = options.compile;
      naive.schedule = "naive";
      if (auto fault = add(name, options.session, naive)) return *fault;
      continue;
    }
    field.order.push_back(name);
    const Expected<const Peer*> peer = find_peer(name == "cpp" ? "naive" : name);
    if (peer)
      field.peers.emplace_back(name, *peer);
    else
      field.refused[name] = reason_of(peer.diagnostics());
  }
  for (const Peer* peer : options.more_peers) {
    field.peers.emplace_back(std::string(peer->name()), peer);
    field.order.push_back(field.peers.back().first);
  }
  return field;
}

/// Everybody on what the data hold now, in the order in which they are reported.
Expected<std::vector<Entrant>> enter_all(const Field& field, const ir::Program& program, Data& data,
                                         int threads) {
  std::vector<Entrant> entrants;
  for (const std::string& name : field.order) {
    const auto refused = field.refused.find(name);
    if (refused != field.refused.end()) {
      Entrant out;
      out.name = name;
      out.refused = refused->second;
      entrants.push_back(std::move(out));
      continue;
    }
    const auto own = std::find_if(field.compiled.begin(), field.compiled.end(),
                                  [&](const Compiled& c) { return c.name == name; });
    if (own != field.compiled.end()) {
      Expected<Entrant> entrant = enter(*own, program, data);
      if (!entrant) return entrant.failure();
      entrants.push_back(std::move(*entrant));
      continue;
    }
    const auto peer = std::find_if(field.peers.begin(), field.peers.end(),
                                   [&](const auto& p) { return p.first == name; });
    entrants.push_back(enter(name, *peer->second, program, data, threads));
    // What it is asked for: none of the peers says what it executes.
    entrants.back().executed_multiply_adds =
        static_cast<double>(field.compiled.front().report.multiply_adds);
  }
  return entrants;
}

/// Somebody else than the kernel that is timed, who takes no part: the naive loops, or the kernel
/// of a naive schedule where those have no words for the program.
std::optional<Entrant> witness(const ir::Program& program, Data& data,
                               const BenchOptions& options) {
  Entrant loops = enter("the naive loops", **find_peer("naive"), program, data, 1);
  if (loops.refused.empty()) return loops;
  runtime::CompileOptions naive = options.compile;
  naive.schedule = "naive";
  const Expected<Compiled> compiled =
      compile("the naive schedule", program, options.session, naive);
  if (!compiled) return std::nullopt;
  Expected<Entrant> kernel = enter(*compiled, program, data);
  if (!kernel) return std::nullopt;
  return std::move(*kernel);
}

// ---- timing -------------------------------------------------------------------------------------

Candidate candidate_of(const Way& way) {
  return {way.how, [call = way.call](int64_t repetitions) {
            for (int64_t i = 0; i < repetitions; ++i)
              if (!call()) return; // it has succeeded on these very arguments
          }};
}

/// An entrant with the way that is timed, and about how long a call of it takes.
struct Runner {
  Entrant* entrant;
  const Way* way;
  double seconds;
};

/// The fastest of an entrant's ways, by a few rounds.
Runner fastest(Entrant& entrant, const std::vector<double>& first_calls, const Clock& clock) {
  std::vector<Candidate> candidates;
  std::vector<size_t> ways;
  for (size_t i = 0; i < entrant.ways.size(); ++i) {
    if (!entrant.ways[i].call) continue;
    candidates.push_back(candidate_of(entrant.ways[i]));
    ways.push_back(i);
  }
  if (ways.size() == 1) return {&entrant, &entrant.ways[ways[0]], first_calls[ways[0]]};
  MeasureOptions few;
  few.warm_up_seconds = 0.002;
  few.sample_seconds = 0.001;
  few.minimum_rounds = 5;
  few.minimum_seconds = 0;
  const std::vector<Timing> timings = measure(candidates, few, clock);
  size_t best = 0;
  for (size_t i = 1; i < ways.size(); ++i)
    if (timings[i].median() < timings[best].median()) best = i;
  return {&entrant, &entrant.ways[ways[best]], timings[best].median()};
}

/// Rounds that fit the time, as many as make a median.
MeasureOptions rounds_for(double seconds, double round_seconds, bool is_cold) {
  MeasureOptions options;
  if (is_cold) {
    options.minimum_rounds = cold_rounds;
    options.minimum_seconds = 0;
    options.before_call = empty_caches;
    return options;
  }
  if (round_seconds < slow_call_seconds) {
    options.minimum_seconds = seconds / 4;
    return options;
  }
  const double fit = std::floor(seconds / round_seconds);
  options.minimum_rounds =
      static_cast<int>(std::clamp<double>(fit, least_rounds, most_rounds_of_slow));
  options.maximum_rounds = options.minimum_rounds;
  options.minimum_seconds = 0;
  return options;
}

/// The quartiles of how much faster a is than b.
void compare(Contender& b, const Timing& a) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(a.samples.size(), b.timing.samples.size()); ++i)
    if (a.samples[i] > 0) ratios.push_back(b.timing.samples[i] / a.samples[i]);
  b.volute_is_faster = median(ratios);
  b.faster_low = quantile(ratios, 0.25);
  b.faster_high = quantile(ratios, 0.75);
}

/// Runs Volute, runner 0, against some of the others.
void time_series(const std::vector<Runner>& runners, const std::vector<size_t>& others,
                 const BenchOptions& options, const Clock& clock, Benchmark& benchmark) {
  std::vector<Candidate> candidates = {candidate_of(*runners[0].way)};
  double round = runners[0].seconds;
  for (const size_t i : others) {
    candidates.push_back(candidate_of(*runners[i].way));
    round += runners[i].seconds;
  }
  const Watched peak = watched({&benchmark.report});
  // Multiply-adds tell the clock, beside a matrix unit too.
  const std::optional<Probe> fma = fma_probe(compiler::host().vector_bytes);
  if (peak.probe.is_matrix_unit) candidates.push_back(fma->candidate);
  Series series = measure_beside(peak.probe.candidate, candidates,
                                 peak.rounds(rounds_for(options.seconds, round, options.is_cold)),
                                 clock, peak.usual_seconds(options.ceilings.value_or(Ceilings())));
  benchmark.dipped += series.dipped;
  benchmark.deepest = std::max(benchmark.deepest, series.deepest);
  benchmark.is_steady = benchmark.is_steady && series.is_steady;
  const auto contender = [&](const Runner& runner) -> Contender& {
    return *std::find_if(benchmark.contenders.begin(), benchmark.contenders.end(),
                         [&](const Contender& c) { return c.name == runner.entrant->name; });
  };
  for (size_t at = 0; at < others.size(); ++at) {
    Contender& other = contender(runners[others[at]]);
    other.timing = std::move(series.timings[at + 1]);
    other.how = runners[others[at]].way->how;
    compare(other, series.timings[0]);
  }
  // The first series is the one that counts for Volute's own time.
  Contender& own = benchmark.contenders.front();
  if (!own.timing.samples.empty()) return;
  benchmark.rounds = static_cast<int64_t>(series.timings[0].samples.size());
  benchmark.peak_flops =
      work_per_second(*fma, peak.probe.is_matrix_unit ? series.timings.back() : series.peak);
  if (peak.probe.is_matrix_unit) {
    benchmark.matrix_unit = peak.probe.candidate.name;
    benchmark.matrix_peak = work_per_second(peak.probe, series.peak);
  }
  own.timing = std::move(series.timings[0]);
}

/// Counts what a call of each takes, once more after it has been timed.
void count(const std::vector<Runner>& runners, const CounterSystem& system, Benchmark& benchmark) {
  const std::optional<Counters> counters = Counters::open(system);
  if (!counters) return;
  for (const Runner& runner : runners)
    for (Contender& c : benchmark.contenders)
      if (c.name == runner.entrant->name && c.timing.repetitions > 0)
        c.counts = counters->of(candidate_of(*runner.way).repeat, c.timing.repetitions);
}

/// What the model says of the nests that run on every call. The peak of its multiply-adds tells the
/// clock of the core. Of one thread on this CPU.
double predicted_seconds(const compiler::Report& report, double peak_flops, int threads) {
  const compiler::Target& host = compiler::host();
  if (threads != 1 || peak_flops <= 0 || report.target != compiler::to_string(host)) return 0;
  double cycles = 0;
  for (const compiler::NestReport& nest : report.nests)
    if (!nest.is_of_weight) cycles += nest.cycles;
  return cycles * 2 * host.lanes(4) * host.fma_per_cycle / peak_flops;
}

} // namespace

std::vector<std::string> contender_names() {
  std::vector<std::string> names = {"naive", "cpp"};
  for (const PeerEntry& entry : known_peers()) names.emplace_back(entry.name);
  return names;
}

std::vector<std::string> built_contenders() {
  std::vector<std::string> names = {"naive", "cpp"};
  for (const PeerEntry& entry : known_peers())
    if (is_built(entry.name)) names.emplace_back(entry.name);
  return names;
}

double call_overhead(const runtime::Session& session) {
  const auto program = ir::parse("program @one(%x: f32[n=1, c=1, w=1]) {\n"
                                 "  %y = relu %x\n  return %y\n}");
  runtime::Session compiling = session;
  const runtime::Kernel kernel = compiling.compile(*program);
  const runtime::Tensor x = *runtime::Tensor::allocate(kernel.type("x"));
  runtime::Tensor y = *runtime::Tensor::allocate(kernel.type("y"));
  MeasureOptions few;
  few.minimum_seconds = 0.01;
  return measure({candidate("call", [&] { kernel(x, y).check(); })}, few, thread_seconds)
      .front()
      .median();
}

Expected<Benchmark> benchmark(const ir::Program& program, const BenchOptions& options) {
  const auto say = [&](const char* what) {
    options.progress(fmt::format("@{}: {}", program.name, what));
  };
  Benchmark result;
  result.program = program.name;
  result.text = ir::to_string(program);
  result.threads = options.session.threads().count();
  result.is_cold = options.is_cold;
  const Clock clock = options.clock         ? options.clock
                      : result.threads == 1 ? Clock(thread_seconds)
                                            : Clock(steady_seconds);
  say("compiling");
  Expected<Data> data = allocate(program);
  if (!data) return data.failure();
  Expected<Field> field = field_of(program, options);
  if (!field) return field.failure();
  result.report = field->compiled.front().report;

  // First on what is made up for it, then on what is timed.
  say("verifying");
  const auto enter = [&] { return enter_all(*field, program, *data, result.threads); };
  std::vector<std::vector<double>> seconds;
  std::vector<Entrant> entrants;
  const bool flushed = options.compile.flush_denormals.value_or(false);
  Expected<Verification> verified =
      verify_on_made_up(program, *data, enter, entrants, options.reference_steps, seconds, flushed,
                        [&] { return witness(program, *data, options); });
  if (!verified) return verified.failure();
  if (verified->how.empty())
    return fail("@" + program.name, "the reference evaluation takes too long, and there is nobody "
                                    "else to compare with");
  result.verification = verified->how;
  const bool is_bounded = verified->unbounded == 0;
  for (const Entrant& entrant : entrants)
    if (!entrant.refused.empty()) field->refused[entrant.name] = entrant.refused;

  if (options.fill) {
    if (auto fault = options.fill(program, data->inputs)) return *fault;
  } else {
    make_up(program, data->inputs);
  }
  Expected<std::vector<Entrant>> again = enter();
  if (!again) return again.failure();
  entrants = std::move(*again);
  verified = verify(program, *data, entrants, second_reference * options.reference_steps, seconds,
                    flushed);
  if (!verified) return verified.failure();
  if (!is_bounded && !verified->how.empty())
    result.verification += "; on what is timed " + verified->how;

  say("measuring");
  std::vector<Runner> runners;
  for (size_t i = 0; i < entrants.size(); ++i) {
    Entrant& entrant = entrants[i];
    Contender contender;
    contender.name = entrant.name;
    contender.refused = entrant.refused;
    contender.is_volute = entrant.is_volute;
    contender.executed_multiply_adds = entrant.executed_multiply_adds;
    contender.preparation = entrant.preparation;
    result.contenders.push_back(std::move(contender));
    if (entrant.refused.empty()) runners.push_back(fastest(entrant, seconds[i], clock));
  }
  std::vector<size_t> quick, slow;
  for (size_t i = 1; i < runners.size(); ++i) {
    const double limit = std::max(slow_call_seconds, 4 * runners[0].seconds);
    (runners[i].seconds > limit ? slow : quick).push_back(i);
  }
  time_series(runners, quick, options, clock, result);
  for (const size_t i : slow) {
    options.progress(fmt::format("@{}: measuring {}", program.name, runners[i].entrant->name));
    time_series(runners, {i}, options, clock, result);
  }
  if (result.threads == 1) count(runners, options.counters, result);
  const Ceilings ceilings = options.ceilings.value_or(Ceilings());
  result.bound = bound_of(program, result.report, ceilings, options.is_cold, result.threads);
  if (ceilings.f32 > 0 && result.peak_flops > 0) { // the clock of these very rounds
    const double unit = ceilings.of(result.matrix_unit);
    const bool is_of_matrices = unit > 0 && unit == ceilings.peak(result.bound.unit);
    const double faster =
        is_of_matrices ? result.matrix_peak / unit : result.peak_flops / ceilings.f32;
    result.bound.peak *= faster;
    result.bound.arithmetic /= faster;
  }
  result.predicted = predicted_seconds(result.report, result.peak_flops, result.threads);
  return result;
}

} // namespace volute::bench
