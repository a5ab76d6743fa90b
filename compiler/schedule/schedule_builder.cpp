#include "compiler/schedule/schedule_builder.h"

#include "compiler/nests/bands.h"
#include "compiler/nests/strides.h"
#include "compiler/nests/weight_expression.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>

namespace volute::compiler {

using namespace ir;

namespace {

// Straight-line multiply-adds in one body: more buys nothing and costs compile time (about 0.03 ms
// each).
constexpr int64_t most_straight_line = 48;
constexpr int64_t elementwise_chunk = 4096; // elements of a work item, about: whole tiles
// Of tiles of a matrix unit, those that follow each other in an item, so that each is finished amid
// the next, and items that threads share.
constexpr int64_t least_overlapping = 4, least_items = 8;

} // namespace

ScheduleBuilder::ScheduleBuilder(const Nest& nest, std::vector<std::vector<std::string>> flattened,
                                 const Target& target, bool dot_products, SumOrder sums)
    : nest_(nest), flattened_(std::move(flattened)), target_(target), dot_products_(dot_products),
      is_ordered_(sums == SumOrder::stated && order_matters(nest)),
      is_banded_(band_axis(nest) != nullptr), reads_(inner_reads(nest)), weight_(weight_of(nest)),
      summed_(reduction_order()) {
  for (const LoopOrder by : {LoopOrder::usual, LoopOrder::turned, LoopOrder::along_rows})
    parallel_[static_cast<size_t>(by)] = parallel_order(by);
  if (!summed_.empty()) dot_form_ = dot_form(nest_, summed_.back()->var);
}

const std::string& ScheduleBuilder::name(const NestAxis& axis) const {
  return nest_.vars[static_cast<size_t>(axis.var.id)];
}

bool ScheduleBuilder::is_space(const NestAxis& axis) {
  return axis.role == AxisRole::space || axis.role == AxisRole::residue;
}

Schedule ScheduleBuilder::plain_loops() const {
  Schedule schedule;
  for (const NestAxis& axis : nest_.axes) {
    LoopDirective loop{name(axis)};
    loop.parallel = is_shared(nest_, axis);
    schedule.loops.push_back(loop);
  }
  return schedule;
}

Schedule ScheduleBuilder::scattered() const {
  Schedule schedule;
  std::vector<LoopDirective> inner;
  for (const NestAxis& axis : nest_.axes) {
    const Write& w = nest_.writes.front();
    const bool is_plane = stride_along(nest_, w.operand, w.index, axis.var) != 0;
    LoopDirective loop{name(axis)};
    loop.parallel = is_plane;
    (is_plane ? schedule.loops : inner).push_back(loop);
  }
  schedule.flatten = flattened_;
  schedule.loops.insert(schedule.loops.end(), inner.begin(), inner.end());
  return schedule;
}

Schedule ScheduleBuilder::for_tile(const TileShape& tile, LoopOrder order) const {
  const NestAxis& v = *tile.v;
  const NestAxis* u = tile.u;
  const int64_t size = tile.size, r = tile.rows;
  Schedule schedule;
  schedule.flatten = flattened_;
  if (weight_ >= 0) schedule.pack = {{"weight"}};
  std::vector<LoopDirective>& items = schedule.loops;
  std::vector<LoopDirective> inner;
  items.reserve(2 * nest_.axes.size());
  inner.reserve(nest_.axes.size());
  for (const NestAxis* axis : parallel_axes(order)) {
    const bool tiled = axis->var == v.var || (u && axis->var == u->var);
    LoopDirective loop{name(*axis)};
    if (is_banded_) { // work items are those of the step
      loop.parallel = is_shared(nest_, *axis);
      (loop.parallel ? items : inner).push_back(loop);
    } else if (tiled && !constrained(*axis) && nest_.accumulators.empty() &&
               axis->extent.number() > 2 * elementwise_chunk) {
      items.push_back({name(*axis), elementwise_chunk / size * size, 1, true});
      inner.push_back(loop);
    } else if ((tiled && constrained(*axis) && !(tile.tap && axis->var == u->var)) ||
               (order == LoopOrder::along_rows && !inner.empty())) {
      inner.push_back(loop); // its borders are bodies of their own, one after the other
    } else {
      loop.parallel = true;
      items.push_back(loop);
    }
  }
  const auto is_of_images = [&](const LoopDirective& loop) {
    return nest_.axis(loop.axis)->role == AxisRole::batch;
  };
  if (!std::is_partitioned(items.begin(), items.end(), is_of_images))
    std::stable_partition(items.begin(), items.end(), is_of_images);
  std::move(inner.begin(), inner.end(), std::back_inserter(schedule.loops));
  const int64_t accumulators = r * ceil_div(size, tile.lanes);
  if (tile.tap)
    add_sliding(schedule.loops, *tile.tap, accumulators);
  else
    add_reduction(schedule.loops, v, accumulators);
  schedule.registers.reserve(2);
  if (u) schedule.registers.push_back({name(*u), r, 0});
  schedule.registers.push_back({name(v), size, tile.lanes});
  if (!tile.tap) add_prefetch(schedule, v, u);
  return schedule;
}

Schedule ScheduleBuilder::for_matrices(const MatrixShape& shape, LoopOrder order) const {
  const TileShape tile{shape.v, shape.lanes, shape.lanes * shape.vectors, shape.rows_axis,
                       shape.rows * shape.row_registers};
  Schedule schedule = for_tile(tile, order);
  schedule.prefetch.clear();
  std::erase_if(schedule.loops, [&](const LoopDirective& loop) { // of two for prefetching, one
    return loop.by > 1 && nest_.axis(loop.axis)->reduction;
  });
  // Loops over parts go inside.
  std::stable_partition(
      schedule.loops.begin(), schedule.loops.end() - 1,
      [&](const LoopDirective& loop) { return nest_.axis(loop.axis)->role != AxisRole::part; });
  schedule.loops.back().dot = 0, schedule.loops.back().unroll = 1;
  schedule.loops.back().tile = shape.step;
  put_parts_inside(schedule);
  schedule.registers.clear();
  if (shape.u) {
    schedule.registers.push_back({name(*shape.u), shape.unrolled, 0});
    for (LoopDirective& loop : schedule.loops) // whose borders are bodies of their own
      if (loop.axis == name(*shape.u) && constrained(*shape.u)) loop.parallel = false;
    std::stable_partition(schedule.loops.begin(), schedule.loops.end(),
                          [](const LoopDirective& loop) { return loop.parallel; });
  }
  schedule.registers.push_back({name(*shape.rows_axis), tile.rows, 0, {}, shape.rows});
  schedule.registers.push_back({name(*shape.v), tile.size, shape.lanes, {}, 0});
  if (shape.overlaps) let_tiles_overlap(schedule);
  return schedule;
}

std::optional<Schedule> ScheduleBuilder::with_taps_inside(Schedule schedule) const {
  std::vector<LoopDirective>& loops = schedule.loops;
  const LoopDirective last = loops.back();
  if (last.tile == 0 || nest_.axis(last.axis)->extent.number() <= last.tile) return std::nullopt;
  const auto taps = std::find_if(loops.begin(), loops.end(), [&](const LoopDirective& loop) {
    return nest_.axis(loop.axis)->role == AxisRole::tap;
  });
  if (taps == loops.end()) return std::nullopt;
  const auto steps = std::find_if(taps, std::prev(loops.end()), [&](const LoopDirective& loop) {
    return loop.axis == last.axis;
  });
  if (steps != std::prev(loops.end())) {
    std::rotate(taps, steps, std::next(steps));
  } else {
    LoopDirective outer{last.axis};
    outer.by = last.tile;
    loops.insert(taps, outer);
  }
  return schedule;
}

void ScheduleBuilder::put_parts_inside(Schedule& schedule) const {
  const LoopDirective& step = schedule.loops.back();
  const auto part =
      std::find_if(schedule.loops.begin(), schedule.loops.end(), [&](const LoopDirective& loop) {
        return nest_.axis(loop.axis)->role == AxisRole::part;
      });
  if (part == schedule.loops.end() || nest_.axis(step.axis)->extent.number() <= step.tile) return;
  LoopDirective steps{step.axis};
  steps.by = step.tile;
  schedule.loops.insert(part, steps);
}

void ScheduleBuilder::let_tiles_overlap(Schedule& schedule) const {
  if (is_banded_) return; // items are those of the step
  std::vector<LoopDirective>& loops = schedule.loops;
  const auto taps = std::find_if(loops.begin(), loops.end(), [&](const LoopDirective& loop) {
    return nest_.axis(loop.axis)->reduction;
  });
  const auto tile_of = [&](const LoopDirective& loop) {
    for (const RegisterDirective& r : schedule.registers)
      if (r.axis == loop.axis) return r.size;
    return int64_t{1};
  };
  const auto trips_of = [&](const LoopDirective& loop) {
    return ceil_div(nest_.axis(loop.axis)->extent.number(), tile_of(loop));
  };
  // Loops of one trip may stand anywhere.
  std::stable_partition(loops.begin(), taps, [&](const LoopDirective& loop) {
    return loop.parallel && trips_of(loop) == 1;
  });
  if (taps == loops.begin() || !std::prev(taps)->parallel) return;
  int64_t items = 1;
  for (auto loop = loops.begin(); loop != std::prev(taps); ++loop) items *= trips_of(*loop);
  const auto inner = std::prev(taps);
  const int64_t trips = trips_of(*inner);
  if (trips < 2) return;
  inner->parallel = false;
  const int64_t chunks = ceil_div(least_items, items);
  const int64_t a_chunk = std::max<int64_t>(ceil_div(trips, chunks), least_overlapping);
  if (chunks == 1 || a_chunk >= trips) return;
  LoopDirective outer = *inner;
  outer.parallel = true;
  outer.by = a_chunk * tile_of(outer);
  loops.insert(inner, outer);
}

/// An input beyond L2 that each tile reads once is asked for a tile ahead. Where it comes in rows
/// that the tiles of output channels share, each of those asks for its share, at every trip.
void ScheduleBuilder::add_prefetch(Schedule& schedule, const NestAxis& v, const NestAxis* u) const {
  if (weight_ < 0 || !nest_.constraints.empty() || input_bytes() <= target_.l2_bytes / 2 ||
      schedule.loops.empty())
    return;
  const NestAxis& tap = *nest_.axis(schedule.loops.back().axis);
  if (!tap.reduction) return;
  for (const NestAxis& axis : nest_.axes)
    if (axis.reduction && axis.var != tap.var && axis.extent.number() > 1) return;
  for (const Read& read : reads_) {
    if (read.operand == weight_) continue;
    const auto stride = [&](const NestAxis& axis) {
      return stride_along(nest_, read.operand, read.index, axis.var);
    };
    const bool rows = stride(v) == 1;
    const bool block = u && stride(*u) == tap.extent.number() && stride(tap) == 1;
    if (!rows && !block) continue;
    schedule.prefetch.push_back({nest_.operands[static_cast<size_t>(read.operand)].name});
    if (rows && u && stride(*u) == 0) {
      const int64_t turns = ceil_div(u->extent.number(), schedule.registers.front().size);
      // Two loops over the taps: a trip of the outer one asks for a row, in each of `by` passes.
      const int64_t by = std::min<int64_t>(turns, 8);
      if (by > 1 && tap.extent.number() >= 2 * by) {
        LoopDirective trips = schedule.loops.back();
        trips.by = by, trips.unroll = 1;
        schedule.loops.insert(schedule.loops.end() - 1, std::move(trips));
      }
    }
  }
}

std::optional<Schedule> ScheduleBuilder::blocked(const TileShape& tile, const NestAxis& summed,
                                                 int64_t block, const NestAxis& made,
                                                 int64_t panels, bool space_inside,
                                                 int64_t most_waiting) const {
  Schedule schedule = for_tile(tile, LoopOrder::usual);
  schedule.prefetch.clear();
  std::vector<LoopDirective> items, space, taps;
  for (LoopDirective loop : schedule.loops) {
    const NestAxis& axis = *nest_.axis(loop.axis);
    if (axis.reduction) {
      taps.push_back(loop);
    } else if (is_space(axis)) {
      loop.parallel = false;
      space.push_back(loop);
    } else if (axis.var != made.var) {
      items.push_back(loop);
    }
  }
  const int64_t panel = tile.v == &made ? tile.size : tile.rows;
  if (most_waiting > 0) {
    if (space.empty()) return std::nullopt;
    int64_t of_a_row = panel * panels; // bytes of sums
    for (const Accumulator& a : nest_.accumulators) of_a_row *= size_of(a.type);
    for (size_t i = 1; i < space.size(); ++i)
      of_a_row *= nest_.axis(space[i].axis)->extent.number();
    const NestAxis& outermost = *nest_.axis(space.front().axis);
    const int64_t of_tile = tile.v->var == outermost.var             ? tile.size
                            : tile.u && tile.u->var == outermost.var ? tile.rows
                                                                     : 1;
    // Whole register tiles of them.
    const int64_t rows = std::max(most_waiting / of_a_row / of_tile, int64_t{1}) * of_tile;
    if (rows >= outermost.extent.number()) return std::nullopt;
    items.push_back({name(outermost), rows, 1, true});
  }
  LoopDirective channels{name(made)};
  items.push_back({name(made), panel * panels, 1, true});
  items.push_back({name(summed), block});
  if (space_inside && panels > 1) items.push_back(channels);
  items.insert(items.end(), space.begin(), space.end());
  if (!space_inside && panels > 1) items.push_back(channels);
  items.insert(items.end(), taps.begin(), taps.end());
  schedule.loops = std::move(items);
  return schedule;
}

Schedule ScheduleBuilder::lanes_of_sums(const NestAxis& v, const NestAxis& u, int64_t rows,
                                        const NestAxis* other, int64_t more, int64_t lanes) const {
  Schedule schedule;
  schedule.flatten = flattened_;
  if (weight_ >= 0) schedule.pack = {{"weight"}};
  std::vector<LoopDirective> inner;
  for (const NestAxis* axis : parallel_axes(LoopOrder::usual)) {
    LoopDirective loop{name(*axis)};
    const bool tiled = axis->var == u.var || (other && axis->var == other->var);
    loop.parallel = !(tiled && constrained(*axis)); // whose borders are bodies of their own
    (loop.parallel ? schedule.loops : inner).push_back(loop);
  }
  schedule.loops.insert(schedule.loops.end(), inner.begin(), inner.end());
  for (const NestAxis& axis : nest_.axes)
    if (axis.reduction && axis.var != v.var && axis.extent.number() > 1)
      schedule.loops.push_back({name(axis)});
  LoopDirective last{name(v), lanes};
  if (v.extent.number() >= 4 * lanes) last.unroll = rows * more <= 4 ? 4 : 2;
  schedule.loops.push_back(last);
  if (other) schedule.registers.push_back({name(*other), more, 0});
  schedule.registers.push_back({name(u), rows, 0});
  schedule.registers.push_back({name(v), lanes, lanes});
  return schedule;
}

void ScheduleBuilder::put_numbers(Schedule& schedule, const ConstantWeight& weight) const {
  schedule.pack.clear();
  for (LoopDirective& loop : schedule.loops) {
    const NestAxis& axis = *nest_.axis(loop.axis);
    if (!axis.reduction) continue;
    loop.by = loop.dot = 0;
    loop.unroll = weight.moves_along(axis.var) ? LoopDirective::full : 1;
  }
}

/// n and groups first, but where channels are walked along rows. Then, as a rule, what is swept
/// again and again is the smaller: weights that fit L2 are the inner sweep (space outermost), else
/// the input is. A transform sweeps nothing again: its points, which are far apart, are outermost,
/// and channels lie together.
ScheduleBuilder::Axes ScheduleBuilder::parallel_order(LoopOrder by) const {
  const bool is_transform = nest_.kind == ir::NestKind::transform;
  Axes channels, space, first;
  for (const NestAxis& axis : nest_.axes) {
    if (axis.reduction) continue;
    const bool is_first = axis.role == AxisRole::batch || axis.role == AxisRole::band ||
                          (axis.role == AxisRole::group && by != LoopOrder::along_rows) ||
                          (is_transform && axis.role == AxisRole::other);
    (is_first ? first : is_space(axis) ? space : channels).push_back(&axis);
  }
  Axes order = first;
  const bool usual = weight_ >= 0 && operand_bytes(weight_) <= target_.l2_bytes / 2 &&
                     (is_transform || input_bytes() > target_.l2_bytes / 2);
  const bool space_outermost = by == LoopOrder::along_rows || usual != (by == LoopOrder::turned);
  const auto& outer = space_outermost ? space : channels;
  const auto& inner = space_outermost ? channels : space;
  order.insert(order.end(), outer.begin(), outer.end());
  order.insert(order.end(), inner.begin(), inner.end());
  return order;
}

/// Taps and input channels in the order in which they lie in the input, farthest apart outermost.
ScheduleBuilder::Axes ScheduleBuilder::reduction_order() const {
  struct Loop {
    const NestAxis* axis;
    int64_t stride;
  };
  std::vector<Loop> loops;
  for (const NestAxis& axis : nest_.axes) {
    if (!axis.reduction || axis.extent.number() == 1) continue;
    int64_t stride = 0;
    for (const Read& read : reads_)
      if (read.operand != weight_) {
        // The taps of a phase go backwards, and are the innermost loop, few and written out: but
        // where products are added in groups that must be the channels.
        const int64_t there = stride_along(nest_, read.operand, read.index, axis.var);
        stride = std::max(stride, dot_products_ ? std::abs(there) : there);
      }
    loops.push_back({&axis, stride});
  }
  if (!is_ordered())
    std::stable_sort(loops.begin(), loops.end(),
                     [](const Loop& a, const Loop& b) { return a.stride > b.stride; });
  // Rows of taps come first even so: their bounds are found once, and channels inside a row
  // share its lines just as well.
  const auto is_tap_axis = [](const Loop& l) { return l.axis->role == AxisRole::tap; };
  const auto last_tap = std::find_if(loops.rbegin(), loops.rend(), is_tap_axis);
  const NestAxis* nearest = last_tap == loops.rend() ? nullptr : last_tap->axis;
  if (!is_ordered())
    std::stable_partition(loops.begin(), loops.end(),
                          [&](const Loop& l) { return is_tap_axis(l) && l.axis != nearest; });
  std::stable_partition(loops.begin(), loops.end(), [](const Loop& l) {
    return l.axis->role == AxisRole::part; // small products first
  });
  Axes order;
  for (const Loop& loop : loops) order.push_back(loop.axis);
  return order;
}

void ScheduleBuilder::add_reduction(std::vector<LoopDirective>& loops, const NestAxis& v,
                                    int64_t accumulators) const {
  if (summed_.empty()) return;
  for (const NestAxis* axis : summed_) loops.push_back({name(*axis)});
  LoopDirective& last = loops.back();
  const NestAxis& axis = *summed_.back();
  const int64_t extent = axis.extent.number();
  if (dot_form_ && dot_products_ && vector_is_of_channels(*dot_form_, v)) {
    last.dot = dot_form_->ways;
    if (extent >= 4 * dot_form_->ways && accumulators <= 16) last.unroll = 2;
    return;
  }
  const bool is_tap = axis.role == AxisRole::tap;
  if (is_tap && !constrained(axis) && extent * accumulators <= most_straight_line)
    last.unroll = LoopDirective::full;
  else if (!is_tap && extent >= 4 && accumulators <= 16)
    last.unroll = accumulators <= 8 ? 4 : 2;
}

/// The taps that slide innermost.
void ScheduleBuilder::add_sliding(std::vector<LoopDirective>& loops, const NestAxis& tap,
                                  int64_t accumulators) const {
  const NestAxis* last = nullptr; // around them
  for (const NestAxis& axis : nest_.axes)
    if (axis.reduction && axis.extent.number() > 1 && axis.var != tap.var)
      loops.push_back({name(axis)}), last = &axis;
  if (last && !constrained(*last) &&
      last->extent.number() * tap.extent.number() * accumulators <= 2 * most_straight_line)
    loops.back().unroll = LoopDirective::full;
  loops.push_back({name(tap)});
  loops.back().slide = true;
}

bool ScheduleBuilder::vector_is_of_channels(const DotForm& form, const NestAxis& v) const {
  return !moves(form.image, v.var) && moves(form.weight, v.var);
}

bool ScheduleBuilder::constrained(const NestAxis& axis) const {
  return std::any_of(nest_.constraints.begin(), nest_.constraints.end(),
                     [&](const Constraint& c) { return c.value.depends_on(axis.var); });
}

int64_t ScheduleBuilder::operand_bytes(int32_t operand) const {
  const View& view = nest_.operands[static_cast<size_t>(operand)];
  int64_t bytes = size_of(view.element);
  for (const Dim& d : view.dims) bytes *= d.extent.number();
  return bytes;
}

int64_t ScheduleBuilder::input_bytes() const {
  int64_t bytes = 0;
  for (const Read& read : reads_)
    if (read.operand != weight_) bytes += operand_bytes(read.operand);
  return bytes;
}

} // namespace volute::compiler
