// The benchmark: a program compiled by Volute against others that compute the same.
//
// Nothing is timed before its results are right. Contenders take turns, so that the machine's drift
// meets all of them, beside the peak of the unit that Volute keeps busy, and rounds in which that
// peak dipped are measured again; what is far slower than the rest runs in a series of its own,
// with Volute in it.
#pragma once

#include "bench/ceilings.h"
#include "bench/counters.h"
#include "bench/entrant.h"
#include "bench/measure.h"
#include "compiler/report/report.h"
#include "ir/program.h"
#include "runtime/session.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace volute::bench {

/// Volute once more, by another schedule or for another target.
struct Variant {
  std::string name; // "volute naive"
  runtime::Session session;
  runtime::CompileOptions compile;
};

using FillInputs =
    std::function<std::optional<Failure>(const ir::Program&, std::vector<runtime::Tensor>&)>;

struct BenchOptions {
  runtime::Session session = runtime::Session(runtime::Options{}); // Volute's
  runtime::CompileOptions compile = {};                            // for "volute"
  std::vector<Variant> variants = {};
  std::vector<std::string> against = {};    // naive, cpp, or a peer's name
  std::vector<const Peer*> more_peers = {}; // by which tests bring their own
  FillInputs fill = nullptr;                // of what is timed; nothing: made up
  bool is_cold = false;                     // operands come from memory
  double seconds = 1;                       // of measuring, for each series
  double reference_steps = 1e9;             // of the reference evaluation, before it is left out
  std::optional<Ceilings> ceilings = {};    // else there are no bounds
  Clock clock = nullptr;                    // else that of the thread, or of the wall
  CounterSystem counters = perf_events();   // where it has any, on one thread
  std::function<void(const std::string&)> progress = [](const std::string&) {};
};

/// What `--against` takes: "naive" is Volute with the naive schedule, "cpp" plain C++ loops
/// compiled ahead of time, and then there are the libraries, built here or not.
std::vector<std::string> contender_names();
/// Those of them that this build has.
std::vector<std::string> built_contenders();

struct Contender {
  std::string name;    // "volute", "naive", "cpp", ...
  std::string refused; // why it has no timing
  std::string how;     // in the library's words
  bool is_volute = false;
  Timing timing;
  std::optional<Counts> counts; // of a call, where the processor's counters may be read
  double executed_multiply_adds = 0;
  /// Times, by the rounds of one series: the median and the quartiles; 0 of volute itself.
  double volute_is_faster = 0, faster_low = 0, faster_high = 0;
  Preparation preparation;
};

struct Benchmark {
  std::string program;     // its name
  std::string text;        // canonical
  std::string file;        // where it came from, set by the caller
  std::string group;       // what it is summed up in, "resnet50, channels first"; set by the caller
  int uses = 1;            // how often a network uses it, set by the caller
  compiler::Report report; // of "volute"
  std::string verification; // a sentence
  Bound bound;              // of the unit's peak in the rounds that count
  double peak_flops = 0;    // of one core in f32, in those rounds; 0 without one
  std::string matrix_unit;  // that Volute's kernel uses, "tdpbf16ps", and
  double matrix_peak = 0;   // what it did in those rounds, operations a second
  double predicted = 0; // seconds by the model of this CPU, at the clock of those rounds; 0: none
  int threads = 1;
  bool is_cold = false;
  int64_t rounds = 0, dipped = 0; // kept, and measured again
  double deepest = 0;             // how far the peak fell in those
  bool is_steady = true;
  std::vector<Contender> contenders; // volute first
};

/// Seconds that a call takes beside its kernel's work: those of a kernel for a single element.
double call_overhead(const runtime::Session& session);

/// Times the program, or says what is wrong: it is refused, or Volute computes something else.
Expected<Benchmark> benchmark(const ir::Program& program, const BenchOptions& options);

} // namespace volute::bench
