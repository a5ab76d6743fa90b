// Timing several things against each other on a machine whose speed drifts.
//
// The candidates take turns, A B C A B C, one sample each a round, so that a change of the clock
// meets all of them. A ratio of two is taken round by round and its median reported: that is
// steadier than the ratio of two medians, and far steadier than two runs one after the other.
// Pinning is the caller's (`taskset -c 1 ...`); `cpu_report` in bench/machine.h says what it was.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace volute::bench {

/// One thing to time. The loop over repetitions is inside, so that what a std::function costs is
/// paid once a sample and not once a call.
struct Candidate {
  std::string name;
  std::function<void(int64_t repetitions)> repeat;
};

template <class F>
Candidate candidate(std::string name, F call) {
  return {std::move(name), [call = std::move(call)](int64_t repetitions) mutable {
            for (int64_t i = 0; i < repetitions; ++i) call();
          }};
}

struct MeasureOptions {
  double warm_up_seconds = 0.02;  // of each candidate: caches, page faults, the clock's first step
  double sample_seconds = 0.002;  // a sample repeats its call until it takes about this long
  double minimum_seconds = 0.25;  // of each candidate, all its samples together
  int minimum_rounds = 11;        // whatever they take
  int64_t maximum_rounds = 10000; // whatever is left to do
  double peak_seconds = 0.0005;   // a sample of the peak beside which something is measured
  // Where the peak is there for some milliseconds only: how long to wait for it, in all, and how
  // many samples to take for one that it is there for. 0: a round is one piece.
  double patience_seconds = 0;
  int most_samples = 1;
  /// Comes before every sample and is not timed, and a sample is one call then: it empties the
  /// caches, say.
  std::function<void()> before_call = nullptr;
};

/// What one candidate took, in seconds a call.
struct Timing {
  std::string name;
  int64_t repetitions = 0;     // calls in a sample
  std::vector<double> samples; // seconds a call, one a round, in order

  double median() const;
  double minimum() const;
  double lower_quartile() const;
  double upper_quartile() const;
  /// Distance between the quartiles over the median: 0.02 is a quiet machine.
  double spread() const;
};

/// A clock in seconds; tests bring their own.
using Clock = std::function<double()>;
double steady_seconds();
/// Time that this thread has spent on a core. On a machine shared with other processes it leaves
/// out their turns, but it is blind to other threads: for candidates that start none.
double thread_seconds();

/// Warms up, then measures in turns. Timings are in the order of the candidates.
std::vector<Timing> measure(const std::vector<Candidate>& candidates,
                            const MeasureOptions& options = {},
                            const Clock& clock = steady_seconds);

/// How far the peak may fall below what it has been before the time beside it is no measurement.
constexpr double tolerated_dip = 0.07;

/// A measurement beside the peak of the machine.
struct Series {
  std::vector<Timing> timings; // of the candidates, in their order: rounds in which the peak held
  Timing peak;                 // of the probe, a sample a round kept: the slowest beside it
  int64_t dipped = 0;          // rounds that were measured again
  double deepest = 0;          // how far the peak fell in them: 0.5 is to half
  bool is_steady = true;       // enough rounds held; else these are the best there were
};

/// Measures in turns with a probe of the machine's peak before and after every round. On a shared
/// machine a neighbour takes half of it for seconds at a time; a round in which the probe took
/// longer than `tolerated_dip` above its usual time is measured again, up to twice as many as were
/// asked for. With patience, each sample waits for the peak and is beside one of its own.
/// `usual_seconds` is a call's time that the probe has reached before; 0: in this series.
Series measure_beside(const Candidate& peak, const std::vector<Candidate>& candidates,
                      const MeasureOptions& options = {}, const Clock& clock = steady_seconds,
                      double usual_seconds = 0);

/// Middle of the values, or of the two middle ones; 0 of none.
double median(std::vector<double> values);
/// The value below which the fraction `part` of the values lies, between neighbours linearly.
double quantile(std::vector<double> values, double part);

/// How much faster `a` is than `b`: the median over the rounds of b's time divided by a's.
double speedup(const Timing& a, const Timing& b);

/// Makes the compiler believe that the memory behind the pointer is read and written.
inline void touch(const void* memory) { asm volatile("" : : "r"(memory) : "memory"); }

} // namespace volute::bench
