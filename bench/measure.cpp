#include "bench/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <time.h>

namespace volute::bench {
namespace {

constexpr int64_t most_tries = 3;                      // rounds, for each that is wanted
constexpr int64_t most_repetitions = int64_t{1} << 40; // of a call that takes no time at all

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

namespace {

/// A round of candidates, beside the slowest sample of the peak that belongs to it.
struct Round {
  std::vector<double> samples; // seconds a call
  double slowest_peak = 0;     // seconds a call of the probe
};

class BesidePeak {
public:
  BesidePeak(const Candidate& peak, const std::vector<Candidate>& candidates,
             const MeasureOptions& options, const Clock& clock, double usual_seconds)
      : peak_(peak), candidates_(candidates), options_(options), clock_(clock),
        usual_(usual_seconds), total_(candidates.size(), 0) {
    for (const Candidate& candidate : candidates)
      repetitions_.push_back(warm_up(candidate, options, clock));
    MeasureOptions of_peak;
    of_peak.warm_up_seconds = 4 * options.peak_seconds;
    of_peak.sample_seconds = options.peak_seconds;
    calls_ = warm_up(peak, of_peak, clock);
    last_ = look();
  }

  Series run() {
    for (int64_t kept = 0; !is_enough(kept, total_, options_); kept = held()) {
      if (std::ssize(rounds_) >= most_tries * std::max<int64_t>(options_.minimum_rounds, kept))
        break;
      rounds_.push_back(is_patient() ? patient_round() : round_in_one());
    }
    return series();
  }

private:
  bool is_patient() const { return options_.patience_seconds > 0; }

  /// A sample of the peak.
  double look() {
    const double seconds = timed(peak_, calls_, clock_) / static_cast<double>(calls_);
    fastest_ = std::min(fastest_, seconds);
    if (!is_patient()) seen_.push_back(seconds);
    return seconds;
  }

  /// How long a call of the probe may take beside a measurement. The usual time is one that a tenth
  /// of the samples beat: a lucky one is not the machine. Where most have to be waited for, it is
  /// the best of thousands.
  double limit() const {
    const double here = is_patient() ? fastest_ : quantile(seen_, 0.1);
    return (usual_ > 0 ? std::min(usual_, here) : here) / (1 - tolerated_dip);
  }
  int64_t held() const {
    return std::count_if(rounds_.begin(), rounds_.end(), [most = limit()](const Round& round) {
      return round.slowest_peak <= most;
    });
  }

  Round round_in_one() {
    const double before = last_;
    Round round = {round_of(candidates_, repetitions_, options_, clock_, total_)};
    round.slowest_peak = std::max(before, last_ = look());
    return round;
  }

  /// Each sample beside a peak of its own: of several the one with the best.
  Round patient_round() {
    Round round;
    for (size_t i = 0; i < candidates_.size(); ++i) {
      double sample = 0, slower = std::numeric_limits<double>::infinity();
      for (int tried = 0; tried < options_.most_samples && slower > limit(); ++tried) {
        if (tried > 0 && waited_ >= options_.patience_seconds) break;
        const double since = clock_();
        double now = since;
        for (; last_ > limit() && waited_ + now - since < options_.patience_seconds; now = clock_())
          last_ = look();
        waited_ += now - since;
        const double before = last_;
        const double seconds = timed(candidates_[i], repetitions_[i], clock_, options_.before_call);
        total_[i] += seconds;
        if (tried > 0) waited_ += seconds;
        last_ = look();
        if (std::max(before, last_) >= slower) continue;
        slower = std::max(before, last_);
        sample = seconds / static_cast<double>(repetitions_[i]);
      }
      round.samples.push_back(sample);
      round.slowest_peak = std::max(round.slowest_peak, slower);
    }
    return round;
  }

  /// The rounds that held; the best of them, where too few did.
  Series series() const {
    const double most = limit(), usual = most * (1 - tolerated_dip);
    const int64_t good = held();
    const int64_t wanted = std::min<int64_t>(options_.minimum_rounds, options_.maximum_rounds);
    std::vector<double> slowness;
    for (const Round& round : rounds_) slowness.push_back(round.slowest_peak);
    std::sort(slowness.begin(), slowness.end());
    const size_t keep = std::min(rounds_.size(), static_cast<size_t>(std::max(good, wanted)));
    const double last_kept = keep > 0 ? slowness[keep - 1] : 0;
    Series series;
    series.is_steady = good >= wanted;
    series.dipped = std::ssize(rounds_) - good;
    if (series.dipped > 0) series.deepest = std::max(0.0, 1 - usual / slowness.back());
    series.peak = {peak_.name, calls_, {}};
    for (size_t i = 0; i < candidates_.size(); ++i)
      series.timings.push_back({candidates_[i].name, repetitions_[i], {}});
    for (const Round& round : rounds_) {
      if (round.slowest_peak > last_kept) continue;
      series.peak.samples.push_back(round.slowest_peak);
      for (size_t i = 0; i < candidates_.size(); ++i)
        series.timings[i].samples.push_back(round.samples[i]);
    }
    return series;
  }

  const Candidate& peak_;
  const std::vector<Candidate>& candidates_;
  const MeasureOptions& options_;
  const Clock& clock_;
  const double usual_; // seconds of the probe that it has reached before
  std::vector<int64_t> repetitions_;
  int64_t calls_ = 1; // of the probe, in a sample
  std::vector<double> total_;
  std::vector<Round> rounds_;
  std::vector<double> seen_; // of the probe
  double fastest_ = std::numeric_limits<double>::infinity(), last_ = 0, waited_ = 0;
};

} // namespace

Series measure_beside(const Candidate& peak, const std::vector<Candidate>& candidates,
                      const MeasureOptions& options, const Clock& clock, double usual_seconds) {
  return BesidePeak(peak, candidates, options, clock, usual_seconds).run();
}

double speedup(const Timing& a, const Timing& b) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(a.samples.size(), b.samples.size()); ++i)
    if (a.samples[i] > 0) ratios.push_back(b.samples[i] / a.samples[i]);
  return median(std::move(ratios));
}

} // namespace volute::bench
