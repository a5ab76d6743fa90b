#include "bench/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <time.h>

namespace volute::bench {
namespace {

constexpr int64_t most_repetitions = int64_t{1} << 40; // of a call that takes no time at all

double timed(const Candidate& candidate, int64_t repetitions, const Clock& clock) {
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
  const double a_call = seconds / static_cast<double>(repetitions);
  if (a_call <= 0) return repetitions;
  const double wanted = std::ceil(options.sample_seconds / a_call);
  return static_cast<int64_t>(std::clamp(wanted, 1.0, static_cast<double>(most_repetitions)));
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

double Timing::spread() const {
  const double middle = median();
  return middle > 0 ? (quantile(samples, 0.75) - quantile(samples, 0.25)) / middle : 0;
}

std::vector<Timing> measure(const std::vector<Candidate>& candidates, const MeasureOptions& options,
                            const Clock& clock) {
  std::vector<Timing> timings;
  for (const Candidate& candidate : candidates)
    timings.push_back({candidate.name, warm_up(candidate, options, clock), {}});

  // A round ends only after every candidate's turn, so that sample i of each belongs together.
  std::vector<double> total(candidates.size(), 0);
  const auto is_done = [&](int64_t round) {
    if (candidates.empty() || round >= options.maximum_rounds) return true;
    return round >= options.minimum_rounds &&
           *std::min_element(total.begin(), total.end()) >= options.minimum_seconds;
  };
  for (int64_t round = 0; !is_done(round); ++round) {
    for (size_t i = 0; i < candidates.size(); ++i) {
      const double seconds = timed(candidates[i], timings[i].repetitions, clock);
      total[i] += seconds;
      timings[i].samples.push_back(seconds / static_cast<double>(timings[i].repetitions));
    }
  }
  return timings;
}

double speedup(const Timing& a, const Timing& b) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(a.samples.size(), b.samples.size()); ++i)
    if (a.samples[i] > 0) ratios.push_back(b.samples[i] / a.samples[i]);
  return median(std::move(ratios));
}

} // namespace volute::bench
