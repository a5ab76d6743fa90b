#include "compiler/schedule/overlap.h"

#include "compiler/nests/bands.h"
#include "compiler/nests/parts.h"
#include "compiler/nests/strides.h"
#include "ir/walk.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace volute::compiler {

using namespace ir;

namespace {

// Measured on Emerald Rapids: splitting an image of 28x28x512 adds 36 us to the 304 of its products
// where a step of 24 instructions for those has 7 vectors of it to split, and takes 70 to 100 by
// itself. A dozen is what they hide; of more the rest stands beside them.
constexpr double left_amid = 0.4, hidden_by_product = 0.5;

/// A loop of the consumer inside a work item.
struct Around {
  const NestAxis* axis;
  int64_t trips;
};

/// Those of a schedule, outermost first, without loops over parts, of which a step takes all. Empty
/// where one has code that is copied, or a last tile of its own.
std::vector<Around> loops_around_steps(const Nest& nest, const Schedule& schedule) {
  std::vector<Around> loops;
  std::vector<int64_t> left(nest.vars.size());
  for (const NestAxis& axis : nest.axes)
    left[static_cast<size_t>(axis.var.id)] = axis.extent.number();
  for (const LoopDirective& loop : schedule.loops) {
    const NestAxis* axis = nest.axis(loop.axis);
    if (!axis || loop.unroll != 1 || loop.dot || loop.slide) return {};
    int64_t& extent = left[static_cast<size_t>(axis->var.id)];
    int64_t tile = std::max<int64_t>({loop.by, loop.tile, 1});
    if (loop.by == 0 && !loop.tile)
      for (const RegisterDirective& r : schedule.registers)
        if (r.axis == loop.axis) tile = r.size;
    if (extent % tile != 0) return {};
    const int64_t trips = extent / tile;
    extent = std::min(extent, tile);
    if (!loop.parallel && axis->role != AxisRole::part && trips > 1) loops.push_back({axis, trips});
  }
  return loops;
}

/// Rows of the stage and their vectors, beside the loops that they go along with.
struct Spread {
  Schedule stage;
  int64_t rows = 1, vectors_a_step = 1, products_a_step = 1;
};

/// Of a step of the consumer, instructions.
int64_t products_of_step(const Nest& nest, const Schedule& schedule) {
  double products = share_of_parts(nest);
  for (const NestAxis& axis : nest.axes)
    if (axis.role == AxisRole::part) products *= static_cast<double>(axis.extent.number());
  for (const RegisterDirective& r : schedule.registers)
    products *= static_cast<double>(ceil_div(r.size, std::max<int64_t>({r.lanes, r.rows, 1})));
  return std::llround(products);
}

std::optional<Spread> spread(const Nest& stage, const Schedule& of_stage, const Nest& consumer,
                             const Schedule& of_consumer) {
  if (stage.kind != NestKind::stage || !stage.constraints.empty() || !stage.domain.empty() ||
      !consumer.domain.empty() || !has_parts(consumer) || of_consumer.loops.empty() ||
      !of_consumer.loops.back().tile || of_stage.registers.empty())
    return std::nullopt;
  const std::vector<Around> around = loops_around_steps(consumer, of_consumer);
  if (around.size() < 2) return std::nullopt;
  const Around rows = around.front(), steps = around.back();
  if (rows.axis->role != AxisRole::space || rows.axis->reduction ||
      rows.axis->extent != Affine(rows.trips) || steps.axis->role != AxisRole::channel ||
      !steps.axis->reduction)
    return std::nullopt;
  const RegisterDirective& lanes = of_stage.registers.back();
  const NestAxis* vectors = stage.axis(lanes.axis);
  if (!vectors || lanes.lanes == 0 || vectors->extent.number() % lanes.lanes != 0 ||
      vectors->extent.number() / lanes.lanes % steps.trips != 0 || !lie_beside(stage, vectors->var))
    return std::nullopt;
  Spread result;
  result.rows = rows.trips;
  std::vector<const NestAxis*> others; // rows, and what is in one of them
  for (const NestAxis& axis : stage.axes) {
    if (is_shared(stage, axis))
      result.stage.loops.push_back({stage.name_of(axis.var), 0, 1, true});
    else if (axis.var != vectors->var && axis.extent.number() > 1)
      others.push_back(&axis);
  }
  if (others.empty() || others.size() > 2 || others.front()->extent != rows.axis->extent)
    return std::nullopt;
  for (const NestAxis* axis : others) result.stage.loops.push_back({stage.name_of(axis->var)});
  result.stage.loops.push_back({lanes.axis, lanes.lanes});
  result.stage.registers = {{lanes.axis, lanes.lanes, lanes.lanes}};
  int64_t tiles = 1;
  for (size_t i = 1; i + 1 < around.size(); ++i) tiles *= around[i].trips;
  const int64_t elements = others.size() > 1 ? others.back()->extent.number() : 1;
  result.vectors_a_step =
      ceil_div(elements, tiles) * (vectors->extent.number() / lanes.lanes / steps.trips);
  result.products_a_step = products_of_step(consumer, of_consumer);
  if (result.vectors_a_step > most_units_amid_products) return std::nullopt;
  return result;
}

/// How much of its cycles a stage takes that is spread so; its first row is made beforehand.
double left_of(const Spread& spread) {
  const auto vectors = static_cast<double>(spread.vectors_a_step);
  const auto rows = static_cast<double>(spread.rows);
  const double hidden = hidden_by_product * static_cast<double>(spread.products_a_step);
  const double left = 1 - (1 - left_amid) * std::min(1.0, hidden / vectors);
  return (1 + left * (rows - 1)) / rows;
}

} // namespace

std::optional<Schedule> overlapping_stage(const Nest& stage, const Schedule& of_stage,
                                          const Nest& consumer, const Schedule& of_consumer) {
  std::optional<Spread> found = spread(stage, of_stage, consumer, of_consumer);
  if (!found) return std::nullopt;
  return std::move(found->stage);
}

std::optional<Overlapping> overlapping(const Nest& stage, const Choice& of_stage,
                                       const Nest& consumer, const Choice& of_consumer) {
  std::optional<Overlapping> best;
  double least = of_stage.cycles + of_consumer.cycles;
  const auto consider = [&](const Schedule& schedule, double cycles) {
    if (cycles >= least) return;
    std::optional<Spread> found = spread(stage, of_stage.schedule, consumer, schedule);
    if (!found) return;
    cycles += left_of(*found) * of_stage.cycles;
    if (cycles >= least) return;
    least = cycles;
    best = {std::move(found->stage), schedule, cycles};
  };
  consider(of_consumer.schedule, of_consumer.cycles);
  for (const Candidate& candidate : of_consumer.candidates)
    if (candidate.cycles < least)
      consider(parse_schedules(candidate.schedule).value().begin()->second, candidate.cycles);
  return best;
}

} // namespace volute::compiler
