#include "bench/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <time.h>

namespace volute::bench {
namespace {

constexpr int64_t most_repetitions = int64_t{1} << 40; // of a call that takes no time at all

constexpr double peak_sample_seconds = 0.0005; // of the probe, twice a round

double timed(const Candidate& candidate, int64_t repetitions, const Clock& clock,
             const std::function<void()>& before = nullptr) {
  if (before) before();
  const double start = clock();
  candidate.repeat(repetitions);
  return clock() - start;
}

// Repeats in doubling batches until the warm-up time is over, and takes the length of a sample from
// the last batch: it is the longest, and the first to run warm.
int64_t warm_up(const Candidate& candidate, const MeasureOptions& options, const Clock& clock) {
  const double start = clock();
  int64_t repetitions = 1;
  double seconds = timed(candidate, 1, clock);
  while (clock() - start < options.warm_up_seconds && repetitions < most_repetitions) {
    if (seconds < options.warm_up_seconds / 4) repetitions *= 2;
    seconds = timed(candidate, repetitions, clock);
  }
  if (options.before_call) return 1;
  const double a_call = seconds / static_cast<double>(repetitions);
  if (a_call <= 0) return repetitions;
  const double wanted = std::ceil(options.sample_seconds / a_call);
  return static_cast<int64_t>(std::clamp(wanted, 1.0, static_cast<double>(most_repetitions)));
}

/// One sample of every candidate, seconds a call; adds to the totals.
std::vector<double> round_of(const std::vector<Candidate>& candidates,
                             const std::vector<int64_t>& repetitions, const MeasureOptions& options,
                             const Clock& clock, std::vector<double>& total) {
  std::vector<double> samples;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const double seconds = timed(candidates[i], repetitions[i], clock, options.before_call);
    total[i] += seconds;
    samples.push_back(seconds / static_cast<double>(repetitions[i]));
  }
  return samples;
}

/// Whether the rounds so far are what was asked for.
bool is_enough(int64_t rounds, const std::vector<double>& total, const MeasureOptions& options) {
  if (total.empty() || rounds >= options.maximum_rounds) return true;
  return rounds >= options.minimum_rounds &&
         *std::min_element(total.begin(), total.end()) >= options.minimum_seconds;
}

} // namespace

double steady_seconds() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

double thread_seconds() {
  timespec now = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double quantile(std::vector<double> values, double part) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const double at = part * static_cast<double>(values.size() - 1);
  const size_t below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

double Timing::median() const { return bench::median(samples); }

double Timing::minimum() const {
  return samples.empty() ? 0 : *std::min_element(samples.begin(), samples.end());
}

double Timing::lower_quartile() const { return quantile(samples, 0.25); }
double Timing::upper_quartile() const { return quantile(samples, 0.75); }

double Timing::spread() const {
  const double middle = median();
  return middle > 0 ? (upper_quartile() - lower_quartile()) / middle : 0;
}

std::vector<Timing> measure(const std::vector<Candidate>& candidates, const MeasureOptions& options,
                            const Clock& clock) {
  std::vector<Timing> timings;
  std::vector<int64_t> repetitions;
  for (const Candidate& candidate : candidates) {
    repetitions.push_back(warm_up(candidate, options, clock));
    timings.push_back({candidate.name, repetitions.back(), {}});
  }
  // A round ends only after every candidate's turn, so that sample i of each belongs together.
  std::vector<double> total(candidates.size(), 0);
  for (int64_t round = 0; !is_enough(round, total, options); ++round) {
    const std::vector<double> samples = round_of(candidates, repetitions, options, clock, total);
    for (size_t i = 0; i < samples.size(); ++i) timings[i].samples.push_back(samples[i]);
  }
  return timings;
}

Series measure_beside(const Candidate& peak, const std::vector<Candidate>& candidates,
                      const MeasureOptions& options, const Clock& clock, double usual_seconds) {
  struct Round {
    double before, after; // the probe, seconds a call
    std::vector<double> samples;
    double slower() const { return std::max(before, after); }
  };
  std::vector<int64_t> repetitions;
  for (const Candidate& candidate : candidates)
    repetitions.push_back(warm_up(candidate, options, clock));
  MeasureOptions of_peak;
  of_peak.warm_up_seconds = 4 * peak_sample_seconds;
  of_peak.sample_seconds = peak_sample_seconds;
  const int64_t calls = warm_up(peak, of_peak, clock);
  const auto probe = [&] { return timed(peak, calls, clock) / static_cast<double>(calls); };

  std::vector<Round> rounds;
  std::vector<double> seen, total(candidates.size(), 0);
  double before = probe();
  seen.push_back(before);
  // The usual time is one that a tenth of the samples beat: a lucky one is not the machine.
  const auto limit = [&] {
    const double here = quantile(seen, 0.1);
    const double usual = usual_seconds > 0 ? std::min(usual_seconds, here) : here;
    return usual / (1 - tolerated_dip);
  };
  const auto held = [&] {
    return std::count_if(rounds.begin(), rounds.end(),
                         [most = limit()](const Round& r) { return r.slower() <= most; });
  };
  for (int64_t kept = 0; !is_enough(kept, total, options); kept = held()) {
    if (static_cast<int64_t>(rounds.size()) >= 3 * std::max<int64_t>(options.minimum_rounds, kept))
      break;
    std::vector<double> samples = round_of(candidates, repetitions, options, clock, total);
    const double after = probe();
    seen.push_back(after);
    rounds.push_back({before, after, std::move(samples)});
    before = after;
  }

  Series series;
  const double most = limit(), usual = most * (1 - tolerated_dip);
  const int64_t good = held();
  const int64_t wanted = std::min<int64_t>(options.minimum_rounds, options.maximum_rounds);
  series.is_steady = good >= wanted;
  std::vector<double> slowness;
  for (const Round& round : rounds) slowness.push_back(round.slower());
  std::sort(slowness.begin(), slowness.end());
  const size_t keep = std::min(rounds.size(), static_cast<size_t>(std::max(good, wanted)));
  const double last_kept = keep > 0 ? slowness[keep - 1] : 0;
  series.dipped = static_cast<int64_t>(rounds.size()) - good;
  if (series.dipped > 0) series.deepest = std::max(0.0, 1 - usual / slowness.back());
  series.peak = {peak.name, calls, {}};
  for (size_t i = 0; i < candidates.size(); ++i)
    series.timings.push_back({candidates[i].name, repetitions[i], {}});
  for (const Round& round : rounds) {
    if (round.slower() > last_kept) continue;
    series.peak.samples.push_back(round.before);
    series.peak.samples.push_back(round.after);
    for (size_t i = 0; i < candidates.size(); ++i)
      series.timings[i].samples.push_back(round.samples[i]);
  }
  return series;
}

double speedup(const Timing& a, const Timing& b) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(a.samples.size(), b.samples.size()); ++i)
    if (a.samples[i] > 0) ratios.push_back(b.samples[i] / a.samples[i]);
  return median(std::move(ratios));
}

} // namespace volute::bench
