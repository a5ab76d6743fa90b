#include "bench/ceilings.h"

#include "bench/watched.h"
#include "compiler/target/target.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace volute::bench {
namespace {

// Memory is measured over a buffer several times as large as the last cache.
constexpr int64_t least_far_buffer = int64_t{64} << 20, most_far_buffer = int64_t{512} << 20;

std::optional<ir::ElementType> product_type(const ir::Program& program) {
  for (const ir::Statement& s : program.statements)
    if (std::holds_alternative<ir::Conv>(s.operation) ||
        std::holds_alternative<ir::ConvTranspose>(s.operation))
      return program.type(s.operands[0]).element;
  return std::nullopt;
}

double bytes_of(const ir::Program& program, const std::vector<ir::ValueId>& ids) {
  double bytes = 0;
  for (const ir::ValueId id : ids) bytes += static_cast<double>(program.type(id).bytes());
  return bytes;
}

} // namespace

std::string_view name(Unit unit) {
  switch (unit) {
  case Unit::f32: return "f32";
  case Unit::f64: return "f64";
  case Unit::bf16: return "bf16";
  case Unit::bytes: return "bytes";
  }
  return "";
}

Unit unit_of(const ir::Program& program) {
  ir::ElementType element = ir::ElementType::f32;
  if (!program.inputs.empty()) element = program.type(program.inputs[0]).element;
  switch (product_type(program).value_or(element)) {
  case ir::ElementType::f64: return Unit::f64;
  case ir::ElementType::bf16: return Unit::bf16;
  case ir::ElementType::f32:
  case ir::ElementType::f16: return Unit::f32; // f16 is computed with in f32
  case ir::ElementType::i8:
  case ir::ElementType::u8:
  case ir::ElementType::i32:
  case ir::ElementType::i64: return Unit::bytes;
  }
  return Unit::f32;
}

double Ceilings::peak(Unit unit) const {
  switch (unit) {
  case Unit::f32: return f32;
  case Unit::f64: return f32 / 2;
  case Unit::bf16: return bf16;
  case Unit::bytes: return bytes;
  }
  return f32;
}

double Ceilings::of(std::string_view instruction) const {
  if (instruction == f32_by) return f32;
  if (instruction == bf16_by) return bf16;
  return instruction == bytes_by ? bytes : 0;
}

Ceilings measure_ceilings(double seconds, const Clock& clock) {
  const compiler::Target& here = compiler::host();
  std::vector<Probe> probes = {*fma_probe(here.vector_bytes), byte_dot_probe()};
  const std::optional<Probe> bf16 = bf16_dot_probe();
  if (bf16) probes.push_back(*bf16);
  const size_t first_level = probes.size();

  Ceilings found;
  const auto add = [&](const char* level, int64_t bytes, int64_t buffer) {
    found.levels.push_back({level, bytes, 0, 0});
    probes.push_back(load_probe(buffer));
    probes.push_back(store_probe(buffer));
  };
  add("L1", here.l1_bytes, here.l1_bytes / 2);
  if (here.l2_bytes > 0) add("L2", here.l2_bytes, here.l2_bytes / 2);
  // Of an L3 that others share, as much as one core may hope to keep.
  if (here.l3_bytes > 0) add("L3", here.l3_bytes, std::max(here.l3_bytes / 4, 2 * here.l2_bytes));
  add("memory", 0, std::clamp(3 * here.l3_bytes, least_far_buffer, most_far_buffer));

  std::vector<Candidate> candidates;
  for (const Probe& probe : probes) candidates.push_back(probe.candidate);
  MeasureOptions options;
  options.warm_up_seconds = 0.002;
  options.sample_seconds = 0.001;
  options.minimum_rounds = 7;
  options.minimum_seconds = seconds / static_cast<double>(2 * probes.size());
  const std::vector<Timing> timings = measure(candidates, options, clock);
  // The better quarter: a ceiling is what can be had, and nothing makes a core faster than it is.
  const auto rate = [&](size_t i) {
    const double a_call = timings[i].lower_quartile();
    return a_call > 0 ? probes[i].work / a_call : 0;
  };
  // A neighbour leaves a matrix unit alone for some milliseconds in a hundred.
  const auto rate_of_products = [&](size_t i) {
    if (!probes[i].is_matrix_unit) return rate(i);
    MeasureOptions often;
    often.warm_up_seconds = 0.002;
    often.sample_seconds = 0.00005;
    often.minimum_seconds = seconds / 2;
    const Timing timing = measure({probes[i].candidate}, often, clock).front();
    const double a_call = quantile(timing.samples, 0.005);
    return a_call > 0 ? probes[i].work / a_call : 0;
  };
  found.f32 = rate(0), found.f32_by = probes[0].candidate.name;
  found.bytes = rate_of_products(1), found.bytes_by = probes[1].candidate.name;
  found.bf16 = bf16 ? rate_of_products(2) : found.f32;
  found.bf16_by = bf16 ? probes[2].candidate.name : found.f32_by;
  for (size_t level = 0; level < found.levels.size(); ++level) {
    found.levels[level].load = rate(first_level + 2 * level);
    found.levels[level].store = rate(first_level + 2 * level + 1);
  }
  return found;
}

Ceilings best_of(const Ceilings& a, const Ceilings& b) {
  Ceilings best = a;
  best.f32 = std::max(a.f32, b.f32);
  best.bf16 = std::max(a.bf16, b.bf16);
  best.bytes = std::max(a.bytes, b.bytes);
  for (size_t i = 0; i < std::min(a.levels.size(), b.levels.size()); ++i) {
    best.levels[i].load = std::max(a.levels[i].load, b.levels[i].load);
    best.levels[i].store = std::max(a.levels[i].store, b.levels[i].store);
  }
  return best;
}

double drift(const Ceilings& a, const Ceilings& b) {
  double most = 0;
  const auto compare = [&](double x, double y) {
    if (x > 0 && y > 0) most = std::max(most, 1 - std::min(x, y) / std::max(x, y));
  };
  compare(a.f32, b.f32);
  compare(a.bf16, b.bf16);
  compare(a.bytes, b.bytes);
  for (size_t i = 0; i < std::min(a.levels.size(), b.levels.size()); ++i) {
    compare(a.levels[i].load, b.levels[i].load);
    compare(a.levels[i].store, b.levels[i].store);
  }
  return most;
}

Bound bound_of(const ir::Program& program, const compiler::Report& report, const Ceilings& ceilings,
               bool is_cold, int threads) {
  Bound bound;
  bound.unit = unit_of(program);
  bound.operations = 2.0 * static_cast<double>(report.multiply_adds);
  bound.read = bytes_of(program, program.inputs);
  for (const ir::Statement& s : program.statements)
    if (std::holds_alternative<ir::Const>(s.operation)) bound.read += bytes_of(program, s.results);
  bound.written = bytes_of(program, program.outputs);
  const double cores = std::max(1, threads);
  bound.peak = ceilings.peak(bound.unit) * cores;
  if (bound.peak > 0) bound.arithmetic = bound.operations / bound.peak;

  // Loads and stores may go at once, so the slower of the two counts. Of what a level holds, the
  // part that a nearer one does not.
  const double all = bound.read + bound.written;
  double nearer = 0;
  for (size_t i = is_cold && !ceilings.levels.empty() ? ceilings.levels.size() - 1 : 0;
       i < ceilings.levels.size() && nearer < all; ++i) {
    const Level& level = ceilings.levels[i];
    const double holds = level.bytes > 0 ? static_cast<double>(level.bytes) : all;
    const double part = (std::min(all, holds) - nearer) / all;
    if (part <= 0) continue;
    const double load = level.load > 0 ? part * bound.read / level.load : 0;
    const double store = level.store > 0 ? part * bound.written / level.store : 0;
    bound.traffic += std::max(load, store) / cores;
    bound.level = level.name;
    nearer = std::min(all, holds);
  }
  return bound;
}

} // namespace volute::bench
