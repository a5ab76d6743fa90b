#include "bench/bench.h"

#include "bench/machine.h"
#include "bench/peer.h"
#include "bench/verify.h"
#include "compiler/compile.h"
#include "ir/number.h"
#include "ir/print.h"
#include "runtime/kernel.h"
#include "runtime/tensor.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <memory>

namespace volute::bench {
namespace {

using runtime::Kernel;
using runtime::Tensor;

// A call above this would turn every round into a wait: it gets a series of its own.
constexpr double slow_call_seconds = 0.03;
constexpr int most_rounds_of_slow = 11;
// Contenders that are compared with each other, because the reference would take too long, may
// differ by this part of the largest element: f32 sums of some thousand products.
constexpr double mutual_tolerance = 1e-5;

/// One thing that computes the program into the shared outputs.
struct Entrant {
  Contender contender;
  std::function<Status()> call;
  double seconds = 0; // of one call, roughly
};

/// The tensors that everybody works on.
struct Data {
  std::vector<Tensor> inputs, outputs; // in the program's order
  Tensors by_name;
};

Expected<Data> make_data(const ir::Program& program) {
  Data data;
  const auto add = [&](const std::vector<ir::ValueId>& ids,
                       std::vector<Tensor>& to) -> std::optional<Failure> {
    for (const ir::ValueId id : ids) {
      Expected<Tensor> tensor = Tensor::allocate(program.type(id));
      if (!tensor) return tensor.failure();
      to.push_back(std::move(*tensor));
    }
    return std::nullopt;
  };
  if (auto fault = add(program.inputs, data.inputs)) return *fault;
  if (auto fault = add(program.outputs, data.outputs)) return *fault;
  for (size_t i = 0; i < data.inputs.size(); ++i)
    runtime::fill(data.inputs[i], {runtime::Fill::Kind::random, 0}, i);
  const auto name = [&](const std::vector<ir::ValueId>& ids, std::vector<Tensor>& tensors) {
    for (size_t i = 0; i < ids.size(); ++i)
      data.by_name[program.name_of(ids[i])] = {tensors[i].data(),
                                               static_cast<size_t>(tensors[i].bytes())};
  };
  name(program.inputs, data.inputs);
  name(program.outputs, data.outputs);
  return data;
}

/// Weights and per-channel vectors are constant from call to call; what has a batch is not.
bool is_weight(const ir::TensorType& type) { return !type.has(ir::Axis::n); }

Expected<Entrant> volute_entrant(const ir::Program& program, const runtime::Session& session,
                                 const compiler::CompileRequest& request, Data& data,
                                 compiler::Report& report) {
  Expected<compiler::Compiled> compiled = session.inspect(program, request);
  if (!compiled) return compiled.failure();
  report = compiled->report;
  Expected<Kernel> kernel = session.load(compiled->image);
  if (!kernel) return kernel.failure();
  std::vector<runtime::TensorRef> arguments;
  for (size_t i = 0; i < data.inputs.size(); ++i) {
    if (!is_weight(data.inputs[i].type())) {
      arguments.emplace_back(std::as_const(data.inputs[i]));
      continue;
    }
    Expected<Kernel> bound = kernel->try_bind(program.name_of(program.inputs[i]), data.inputs[i]);
    if (!bound) return bound.failure();
    kernel = std::move(*bound);
  }
  for (Tensor& output : data.outputs) arguments.emplace_back(output);
  Entrant entrant;
  for (const compiler::NestReport& nest : report.nests)
    entrant.contender.executed_multiply_adds += static_cast<double>(nest.executed_multiply_adds);
  entrant.call = [kernel = *kernel, arguments] { return kernel.call(arguments); };
  return entrant;
}

Expected<Entrant> peer_entrant(const ir::Program& program, const Peer& peer, const Data& data,
                               const compiler::Report& report) {
  Expected<std::unique_ptr<PreparedPeer>> prepared = peer.prepare(program, data.by_name);
  if (!prepared) return prepared.failure();
  Entrant entrant;
  // What it is asked for: none of the peers says what it executes.
  entrant.contender.executed_multiply_adds = static_cast<double>(report.multiply_adds);
  entrant.call = [shared = std::shared_ptr<PreparedPeer>(std::move(*prepared))] {
    shared->run();
    return Status();
  };
  return entrant;
}

std::string reason_of(const std::vector<Diagnostic>& faults) {
  std::string text;
  for (const Diagnostic& fault : faults) text += (text.empty() ? "" : "; ") + to_string(fault);
  return text;
}

// ---- verification -------------------------------------------------------------------------------

using Bytes = std::vector<std::byte>;

/// Runs it once into outputs full of NaN, or of what is no likely integer.
Expected<std::vector<Bytes>> results_of(Entrant& entrant, Data& data) {
  for (Tensor& output : data.outputs)
    std::memset(output.data(), 0xff, static_cast<size_t>(output.bytes()));
  const double start = steady_seconds();
  if (Status status = entrant.call(); !status) return status.failure();
  entrant.seconds = steady_seconds() - start;
  std::vector<Bytes> results;
  for (const Tensor& output : data.outputs)
    results.emplace_back(output.data(), output.data() + output.bytes());
  return results;
}

/// An entrant's results as a reference: for when the true one takes too long.
Bounded as_bounded(const ir::TensorType& type, Bytes bytes) {
  Bounded bounded{{type, std::move(bytes)}, {}};
  double largest = 0;
  for (const double value : ir::elements_of(bounded.value))
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  bounded.tolerance.assign(static_cast<size_t>(type.elements()), mutual_tolerance * largest);
  return bounded;
}

Expected<std::map<std::string, Bounded>> reference_of(const ir::Program& program, const Data& data,
                                                      double steps, bool flushed) {
  std::vector<ir::TensorData> copies;
  copies.reserve(data.inputs.size());
  std::map<std::string, const ir::TensorData*> named;
  for (size_t i = 0; i < data.inputs.size(); ++i) {
    const Tensor& input = data.inputs[i];
    copies.push_back({input.type(), Bytes(input.data(), input.data() + input.bytes())});
    named[program.name_of(program.inputs[i])] = &copies.back();
  }
  return bounded_reference(program, named, {steps, 4e9}, flushed);
}

/// A sentence that says how, or what differs.
Expected<std::string> verify_all(const ir::Program& program, Data& data,
                                 std::vector<Entrant>& entrants, const BenchOptions& options) {
  Expected<std::map<std::string, Bounded>> wanted = reference_of(
      program, data, options.reference_steps, options.compile.flush_denormals.value_or(false));
  const bool has_reference = wanted.has_value();
  std::string against = "the reference", equal, within;
  std::map<std::string, Bounded> first;
  for (Entrant& entrant : entrants) {
    if (!entrant.call) continue;
    Expected<std::vector<Bytes>> results = results_of(entrant, data);
    if (!results) return results.failure();
    if (!has_reference && first.empty()) {
      against = entrant.contender.name;
      for (size_t i = 0; i < results->size(); ++i)
        first[program.name_of(program.outputs[i])] =
            as_bounded(data.outputs[i].type(), std::move((*results)[i]));
      continue;
    }
    bool is_exact = true;
    double largest_share = 0;
    for (size_t i = 0; i < results->size(); ++i) {
      const std::string& name = program.name_of(program.outputs[i]);
      const Agreement found =
          compare(name, has_reference ? wanted->at(name) : first.at(name), (*results)[i].data());
      is_exact = is_exact && found.largest_difference == 0;
      largest_share = std::max(largest_share, found.largest_share);
      if (!found.agrees())
        return fail(
            fmt::format("@{}", program.name),
            fmt::format("{} computes something else than {}: %{}: {} of {} elements differ, "
                        "the first at {}: {} instead of {}, tolerance {:.3g}",
                        entrant.contender.name, against, name, found.wrong, found.elements,
                        found.where, found.got, found.wanted, found.tolerance));
    }
    if (is_exact)
      equal += fmt::format("{}{}", equal.empty() ? "" : ", ", entrant.contender.name);
    else
      within += fmt::format("{}{} ({:.2g} of it)", within.empty() ? "" : ", ",
                            entrant.contender.name, largest_share);
  }
  std::string how;
  if (!equal.empty()) how += fmt::format("equal to {}: {}", against, equal);
  if (!within.empty())
    how +=
        fmt::format("{}within the tolerance of {}: {}", how.empty() ? "" : "; ", against, within);
  if (has_reference) return how;
  if (how.empty())
    return std::string("not verified: the reference evaluation takes too long, and "
                       "there is nothing to compare with");
  return fmt::format("{} (to 1e-5 of the largest element; the reference evaluation takes too long)",
                     how);
}

// ---- timing -------------------------------------------------------------------------------------

Candidate candidate_of(const Entrant& entrant) {
  return {entrant.contender.name, [call = entrant.call](int64_t repetitions) {
            for (int64_t i = 0; i < repetitions; ++i)
              if (!call()) return; // it has succeeded on these very arguments
          }};
}

/// Rounds that fit the time, as many as make a median.
MeasureOptions rounds_for(double seconds, double round_seconds) {
  MeasureOptions options;
  if (round_seconds < slow_call_seconds) {
    options.minimum_seconds = seconds / 4;
    return options;
  }
  const double fit = std::floor(seconds / round_seconds);
  options.minimum_rounds = static_cast<int>(std::clamp<double>(fit, 3, most_rounds_of_slow));
  options.maximum_rounds = options.minimum_rounds;
  options.minimum_seconds = 0;
  return options;
}

/// Volute against some of the others, and the peak among them when asked for. Entrant 0 is Volute.
void time_series(std::vector<Entrant>& entrants, const std::vector<size_t>& others,
                 const std::optional<Probe>& peak, const BenchOptions& options,
                 Benchmark& benchmark) {
  std::vector<Candidate> candidates = {candidate_of(entrants[0])};
  double round = entrants[0].seconds;
  for (const size_t i : others) {
    candidates.push_back(candidate_of(entrants[i]));
    round += entrants[i].seconds;
  }
  if (peak) candidates.push_back(peak->candidate);
  std::vector<Timing> timings = measure(candidates, rounds_for(options.seconds, round),
                                        benchmark.threads == 1 ? thread_seconds : steady_seconds);
  if (peak) benchmark.peak_flops = work_per_second(*peak, timings.back());
  for (size_t at = 0; at < others.size(); ++at) {
    Contender& contender = entrants[others[at]].contender;
    contender.volute_is_faster = speedup(timings[0], timings[at + 1]);
    contender.timing = std::move(timings[at + 1]);
  }
  // The series with the peak is the one that counts for Volute's own time.
  if (entrants[0].contender.timing.samples.empty()) entrants[0].contender.timing = timings[0];
}

} // namespace

std::vector<std::string> contender_names() {
  std::vector<std::string> names = {"naive", "cpp"};
  for (const Peer* peer : peers())
    if (peer->name() != "naive") names.emplace_back(peer->name());
  return names;
}

Expected<Benchmark> benchmark(const ir::Program& program, const BenchOptions& options) {
  Benchmark result;
  result.program = program.name;
  result.text = ir::to_string(program);
  result.threads = options.session.threads().count();
  options.progress(fmt::format("@{}: compiling", program.name));
  Expected<Data> data = make_data(program);
  if (!data) return data.failure();

  std::vector<Entrant> entrants;
  const Expected<compiler::CompileRequest> request =
      options.session.request(program, options.compile);
  if (!request) return request.failure();
  Expected<Entrant> own = volute_entrant(program, options.session, *request, *data, result.report);
  if (!own) return own.failure();
  own->contender.name = "volute";
  entrants.push_back(std::move(*own));
  for (const std::string& name : options.against) {
    compiler::CompileRequest naive = *request;
    naive.schedule = "naive";
    compiler::Report naive_report;
    const Peer* peer = find_peer(name == "cpp" ? "naive" : name);
    Expected<Entrant> entrant =
        name == "naive" ? volute_entrant(program, options.session, naive, *data, naive_report)
        : peer          ? peer_entrant(program, *peer, *data, result.report)
                        : Expected<Entrant>(fail(name, "this build has no such contender"));
    Entrant added = entrant ? std::move(*entrant) : Entrant{};
    if (!entrant) added.contender.refused = reason_of(entrant.diagnostics());
    added.contender.name = name;
    entrants.push_back(std::move(added));
  }

  options.progress(fmt::format("@{}: verifying", program.name));
  Expected<std::string> verified = verify_all(program, *data, entrants, options);
  if (!verified) return verified.failure();
  result.verification = std::move(*verified);

  options.progress(fmt::format("@{}: measuring", program.name));
  std::vector<size_t> quick, slow;
  for (size_t i = 1; i < entrants.size(); ++i) {
    if (!entrants[i].call) continue;
    const double limit = std::max(slow_call_seconds, 4 * entrants[0].seconds);
    (entrants[i].seconds > limit ? slow : quick).push_back(i);
  }
  const std::optional<Probe> peak = fma_probe(request->target.vector_bytes);
  time_series(entrants, quick, peak, options, result);
  for (const size_t i : slow) {
    options.progress(fmt::format("@{}: measuring {}", program.name, entrants[i].contender.name));
    time_series(entrants, {i}, std::nullopt, options, result);
  }
  for (Entrant& entrant : entrants) result.contenders.push_back(std::move(entrant.contender));
  return result;
}

} // namespace volute::bench
