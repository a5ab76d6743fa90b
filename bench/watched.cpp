#include "bench/watched.h"

#include "compiler/target/target.h"
#include "runtime/tile_permission.h"

#include <algorithm>

namespace volute::bench {

MeasureOptions Watched::rounds(MeasureOptions options) const {
  if (!probe.is_matrix_unit) return options;
  options.peak_seconds = 0.00005;
  if (options.before_call) return options; // a peak is over by the time that caches are empty
  options.sample_seconds = 0.0003;
  options.patience_seconds = std::max(0.5, 32 * options.minimum_seconds);
  options.most_samples = 8;
  return options;
}

double Watched::usual_seconds(const Ceilings& ceilings) const {
  if (ceilings.f32 <= 0) return 0;
  if (!probe.is_matrix_unit) return probe.work / ceilings.f32;
  // With a neighbour, whoever measured the ceilings may have found no undisturbed moment. Full of
  // data the unit clocks lower than beside multiply-adds alone: 0.85 to 0.95 of what its cycles
  // say.
  const compiler::Target& here = compiler::host();
  const double clock = ceilings.f32 / (2 * here.lanes(4) * here.fma_per_cycle);
  const ir::ElementType element =
      probe.candidate.name == ceilings.bf16_by ? ir::ElementType::bf16 : ir::ElementType::u8;
  constexpr double least_of_cycles = 0.8;
  const double expected = least_of_cycles * 2 * here.products_per_cycle(element) * clock;
  return probe.work / std::max(expected, ceilings.of(probe.candidate.name));
}

Watched watched(const std::vector<const compiler::Report*>& reports) {
  for (const compiler::Report* report : reports)
    for (const compiler::NestReport& nest : report->nests) {
      if (nest.matrix_unit.empty() || !runtime::may_use_tiles()) continue;
      if (nest.matrix_unit == byte_dot_probe().candidate.name) return {byte_dot_probe()};
      if (const std::optional<Probe> bf16 = bf16_dot_probe()) return {*bf16};
    }
  return {*fma_probe(compiler::host().vector_bytes)};
}

} // namespace volute::bench
