// Finding by measurement what the model orders well but not perfectly.
//
// The model's best schedule is where it starts. The forms that a convolution may be computed in,
// then the register tiles and loop orders of one nest after the other, those that the program
// spends its time in first: the model's best few of each are compiled and timed in turns, and the
// fastest is what the next nest starts from. What has won is timed once more against where it all
// started, in many turns, and is worth keeping only if it is clearly faster there: a winner of many
// candidates was also the luckiest.
#pragma once

#include "bench/bench.h"
#include "bench/measure.h"
#include "ir/program.h"
#include "runtime/session.h"

#include <functional>
#include <string>
#include <vector>

namespace volute::bench {

struct TuneOptions {
  runtime::Session session = runtime::Session(runtime::Options{});
  runtime::CompileOptions compile = {}; // its schedule is where it starts
  double seconds = 10;                  // of compiling and measuring, about
  int most_candidates = 12;             // of a nest
  double least_gain = 0.03;             // of what is kept
  FillInputs fill = nullptr;            // of what is timed; nothing: made up
  /// Of tests: time as they see it, without a look at the machine's peak, and what comes after each
  /// call of the kernel of a schedule.
  Clock clock = nullptr;
  std::function<void(const std::string& schedule)> on_call = nullptr;
  Clock budget_clock = steady_seconds;
  std::function<void(const std::string&)> progress = [](const std::string&) {};
};

/// A schedule that was tried.
struct Trial {
  std::string what;     // "conv_y: flatten h, w; parallel ...", "form conv_y direct"
  double seconds = 0;   // a call, the median; 0: refused
  double to_before = 0; // its time over that of the fastest before, round by round
  std::string refused;  // why it was not timed
};

struct Tuning {
  std::string start;        // the schedule where it started, on one line
  std::string schedule;     // of the winner, on one line; empty: nothing was clearly faster
  double start_seconds = 0; // a call, in the last comparison
  double best_seconds = 0;  // the winner's, whether or not it is kept
  double faster = 1;        // times: the median over the rounds, and the quartiles
  double faster_low = 1, faster_high = 1;
  std::vector<Trial> trials; // in order
  bool is_steady = true;     // enough rounds of the last comparison were undisturbed
  bool ran_out = false;      // of time, before all was tried
};

/// Refused where the program is, and where the winner computes something else.
Expected<Tuning> tune(const ir::Program& program, const TuneOptions& options);

} // namespace volute::bench
