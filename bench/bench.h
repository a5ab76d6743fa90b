// The benchmark: a program compiled by Volute against others that compute the same.
//
// Nothing is timed before its results are right. Contenders take turns, so that the machine's drift
// meets all of them, the peak of its multiply-adds among them; what is far slower than the rest
// runs in a second series, fewer times, with Volute beside it.
#pragma once

#include "bench/measure.h"
#include "compiler/report/report.h"
#include "ir/program.h"
#include "runtime/session.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace volute::bench {

struct BenchOptions {
  runtime::Session session = runtime::Session(runtime::Options{}); // Volute's; others have 1 thread
  runtime::CompileOptions compile = {};                            // for "volute"
  std::vector<std::string> against = {};                           // naive, cpp, or a peer's name
  double seconds = 1;                                              // of measuring, for each series
  double reference_steps = 1e9; // of the reference evaluation, before it is left out
  std::function<void(const std::string&)> progress = [](const std::string&) {};
};

/// What `--against` takes: "naive" is Volute with the naive schedule, "cpp" plain C++ loops
/// compiled ahead of time, and then there are the libraries of this build.
std::vector<std::string> contender_names();

struct Contender {
  std::string name;    // "volute", "naive", "cpp", ...
  std::string refused; // why it has no timing
  Timing timing;
  double executed_multiply_adds = 0;
  double volute_is_faster =
      0; // times, the median over the rounds of one series; 0 of volute itself
};

struct Benchmark {
  std::string program;      // its name
  std::string text;         // canonical
  std::string file;         // where it came from, set by the caller
  int uses = 1;             // how often a network uses it, set by the caller
  compiler::Report report;  // of "volute"
  std::string verification; // a sentence
  double peak_flops = 0;    // of one core in f32, by the rounds of the same series; 0 without one
  int threads = 1;
  std::vector<Contender> contenders; // volute first
};

/// Times the program, or says what is wrong: it is refused, or a contender computes something else.
Expected<Benchmark> benchmark(const ir::Program& program, const BenchOptions& options);

} // namespace volute::bench
