#include "compiler/schedule/choose.h"

#include "compiler/nests/bands.h"
#include "compiler/nests/parts.h"
#include "compiler/nests/slides.h"
#include "compiler/nests/strides.h"
#include "compiler/nests/sums.h"
#include "compiler/schedule/candidates.h"
#include "compiler/schedule/matrix_candidates.h"
#include "compiler/schedule/scheduled_nest.h"

#include <algorithm>
#include <optional>

namespace volute::compiler {

using namespace ir;

namespace {

constexpr size_t windows_reordered = 16; // of those without channels to sum up
// Loads and multiply-adds of a tile whose weights' numbers stand in the code: there is a copy of it
// for each kind of border, and of those a filter without zeros gains little.
constexpr double most_with_numbers = 192;
constexpr int64_t most_unrolled = 28, most_vectors = 7;
constexpr int64_t most_whole = 16;     // vectors of a window's channels, all of them
constexpr int64_t least_registers = 4; // of a tile, where it may have twice as many
// Multiply-adds of a tile whose taps slide, all copies of them that borders of the lanes ask for.
constexpr int64_t most_sliding = 512;
constexpr int64_t longest_step_in_row = 4;
constexpr double poor = 0.4; // of the arithmetic peak: lanes of sums are tried too

class Chooser {
public:
  Chooser(const Nest& nest, const Target& target, const std::vector<Buffer>& buffers,
          bool dot_products, SumOrder sums)
      : nest_(nest, target, buffers, dot_products, sums), dot_products_(dot_products) {}

  Choice run() {
    Choice choice;
    if (nest_.flat.writes.front().offset) {
      choice.schedule = nest_.builder.scattered();
      choice.why = {"elements are scattered one at a time, the planes that they go to are apart"};
      return choice;
    }
    if (dot_products_) matrices_.try_tiles();
    if (nest_.lanes > 1 && !matrices_.beat_vectors())
      for (const NestAxis& v : nest_.flat.axes)
        if (nest_.may_be_tiled(v) && v.extent.number() > 1 &&
            lanes_may_run_along(nest_.flat, v.var) && nest_.is_written_along(v))
          try_vector(v);
    candidates_.sort();
    if (candidates_.empty() ||
        (candidates_.best().cost.efficiency < poor && !matrices_.beat_vectors()))
      try_lanes_of_sums();
    if (candidates_.empty()) {
      choice.why = {"no axis can be the vector axis: the naive nest"};
      if (nest_.builder.is_banded()) choice.schedule = nest_.builder.plain_loops();
      return choice;
    }
    candidates_.sort();
    try_other_orders();
    matrices_.try_taps_inside();
    try_blocks();
    candidates_.put_transform_first();
    return candidates_.choice();
  }

private:
  /// The cheapest tiles once more, with the loops over tiles the other way round: which of the
  /// image and the weight is swept again and again decides what the caches bring in.
  void try_other_orders() {
    if (nest_.builder.is_banded() || nest_.flat.accumulators.empty()) return;
    std::vector<TileShape> tiles;
    const bool is_grouped =
        std::any_of(nest_.flat.axes.begin(), nest_.flat.axes.end(), [](const NestAxis& axis) {
          return axis.role == AxisRole::group && axis.extent.number() > 1;
        });
    const bool is_window = sums_taps_alone();
    const size_t most = is_window ? windows_reordered : tiles_reordered;
    for (size_t i = 0; i < std::min(most, candidates_.size()); ++i)
      tiles.push_back(candidates_[i].tile);
    for (size_t i = 0; i < tiles.size(); ++i) {
      const TileShape& tile = tiles[i];
      if (!tile.v) continue;
      if (i < tiles_reordered) add(tile, LoopOrder::turned);
      if (is_grouped || (is_window && !tile.tap && tile.u && nest_.builder.constrained(*tile.u)))
        add(tile, LoopOrder::along_rows);
    }
    candidates_.sort();
  }

  /// Where neither image nor weight stays in L2, part of the channels that are summed up at a time:
  /// a block of the image, one of the weight and the sums that wait stay there together.
  void try_blocks() {
    const int64_t l2 = nest_.target.l2_bytes;
    if (nest_.builder.is_banded() || has_parts(nest_.flat) || nest_.builder.weight() < 0 ||
        nest_.flat.accumulators.size() != 1 || nest_.builder.input_bytes() <= l2 ||
        nest_.builder.operand_bytes(nest_.builder.weight()) <= l2)
      return;
    const NestAxis *summed = nullptr, *made = nullptr; // channels
    for (const NestAxis& axis : nest_.flat.axes)
      if (axis.role == AxisRole::channel && !nest_.builder.constrained(axis))
        (axis.reduction ? summed : made) = &axis;
    if (!summed || !made) return;
    std::vector<TileShape> tiles;
    for (size_t i = 0; i < std::min(tiles_reordered, candidates_.size()); ++i)
      if (const TileShape& tile = candidates_[i].tile;
          tile.v && !tile.tap && !candidates_[i].plan.across &&
          (tile.v == made || tile.u == made) &&
          std::find(tiles.begin(), tiles.end(), tile) == tiles.end()) // of both orders of loops
        tiles.push_back(tile);
    for (const TileShape& tile : tiles)
      for (int64_t block = 32; block <= 256 && 2 * block <= summed->extent.number(); block *= 2)
        for (const int64_t panels : {1, 2, 4})
          for (const bool space_inside : {false, true})
            for (const int64_t most_waiting : {int64_t{0}, l2 / 2})
              if (std::optional<Schedule> schedule = nest_.builder.blocked(
                      tile, *summed, block, *made, panels, space_inside, most_waiting))
                candidates_.add(tile, std::move(*schedule));
    candidates_.sort();
  }

  /// Whether tiles with lanes along the axis will read some operand lane by lane: a weight they
  /// have packed, or its numbers.
  bool gathers(const NestAxis& v) const {
    return std::any_of(nest_.facts.reads().begin(), nest_.facts.reads().end(),
                       [&](const Read& read) {
                         return read.operand != nest_.builder.weight() &&
                                arrival(nest_.flat, read.operand,
                                        stride_along(nest_.flat, read.operand, read.index, v.var),
                                        nest_.target) == Arrival::gathered;
                       });
  }

  void try_vector(const NestAxis& v) {
    try_vector(v, nest_.lanes);
    if (may_store_pairs(v)) try_vector(v, 2 * nest_.lanes);
    // Vectors half as long, or a quarter, where a last one of the longest would be half empty.
    if (nest_.flat.accumulators.empty() || v.extent.number() > most_of_narrow * nest_.lanes) return;
    for (int64_t lanes = nest_.lanes / 2; lanes * widest_in_registers(nest_.flat) >= 16; lanes /= 2)
      if (ceil_div(v.extent.number(), 2 * lanes) * 2 * lanes - v.extent.number() >= lanes)
        try_vector(v, lanes);
  }
  static constexpr int64_t most_of_narrow = 3; // vectors of the longest

  /// Whether two registers at a time, whose results fill one, are copied along the axis: they are
  /// stored as one.
  bool may_store_pairs(const NestAxis& v) const {
    const auto is_one = [&](int32_t operand, const Index& index) {
      return stride_along(nest_.flat, operand, index, v.var) == 1;
    };
    return nest_.flat.kind == NestKind::stage && has_narrow_results(nest_.flat) &&
           v.extent.number() >= 2 * nest_.lanes &&
           std::all_of(nest_.flat.writes.begin(), nest_.flat.writes.end(),
                       [&](const Write& w) { return is_one(w.operand, w.index); }) &&
           std::all_of(nest_.facts.reads().begin(), nest_.facts.reads().end(),
                       [&](const Read& read) { return is_one(read.operand, read.index); });
  }

  /// Whether a tile takes all channels of a window: what it reads lies together then, pixel beside
  /// pixel. From memory 2x2 windows of 256 channels come twice as fast so.
  bool may_be_whole(const NestAxis& v, int64_t vectors, int64_t lanes) const {
    return nest_.builder.weight() < 0 && nest_.flat.accumulators.size() == 1 &&
           vectors <= most_whole && v.extent.number() == vectors * lanes &&
           v.role == AxisRole::channel;
  }

  void try_vector(const NestAxis& v, int64_t lanes) {
    const int64_t extent = v.extent.number();
    const int64_t most =
        (nest_.flat.accumulators.empty() ? 4 : most_vectors) / (lanes > nest_.lanes ? 2 : 1);
    if (const int64_t all = extent / lanes; all > most && may_be_whole(v, all, lanes))
      add({&v, lanes, extent}, LoopOrder::usual);
    for (int64_t vectors = 1; vectors <= most; ++vectors) {
      const int64_t size = vectors * lanes;
      if (vectors > 1 && size - extent >= lanes) break;
      add({&v, lanes, size}, LoopOrder::usual);
      if (nest_.flat.accumulators.empty() || lanes > nest_.lanes) continue;
      for (const NestAxis& u : nest_.flat.axes) {
        if (!nest_.may_be_tiled(u) || u.var == v.var || u.extent.number() < 2) continue;
        if (!worth_unrolling(u, v)) continue;
        const int64_t most_rows = std::min(most_unrolled, u.extent.number());
        for (int64_t r = 2; r <= most_rows; ++r)
          if (is_worth_trying(u.extent.number(), r) &&
              (r * vectors >= least_registers || most_rows * vectors < 2 * least_registers))
            add({&v, lanes, size, &u, r}, LoopOrder::usual);
      }
      if (sums_taps_alone() && !(nest_.constant && nest_.constant->has_empty_taps()))
        try_slides(v, lanes, size);
    }
  }

  /// Rows of tiles that cover an axis: no more of them than it takes for so many tiles, or such
  /// that nearly nothing is left over.
  static bool is_worth_trying(int64_t extent, int64_t rows) {
    const int64_t tiles = ceil_div(extent, rows);
    return ceil_div(extent, tiles) == rows || extent % rows >= rows - 1 || extent % rows == 1;
  }

  /// Tiles along which taps slide, no larger than that so many of them cover the axis.
  void try_slides(const NestAxis& v, int64_t lanes, int64_t size) {
    for (const NestAxis& u : nest_.flat.axes) {
      const int64_t extent = u.extent.number();
      if (!nest_.may_be_tiled(u) || u.var == v.var || extent < 2) continue;
      for (const NestAxis& tap : nest_.flat.axes) {
        if (!tap.reduction || tap.extent.number() < 2) continue;
        const std::optional<int64_t> step =
            slide_step(nest_.flat, nest_.builder.reads(), u.var, tap.var);
        if (!step || *step >= tap.extent.number()) continue; // no row is shared
        int64_t copies = tap.extent.number() * (size / lanes);
        for (const NestAxis& other : nest_.flat.axes)
          if (other.reduction && other.var != tap.var && nest_.meets_border_with(other, v))
            copies *= other.extent.number();
        const std::vector<int64_t> all = rows_of_tiles(u, most_unrolled);
        for (auto rows = all.rbegin(); rows != all.rend(); ++rows)
          if (ceil_div(extent, *rows) <= extent / 2 && *rows * copies <= most_sliding)
            add({&v, lanes, size, &u, *rows, &tap}, LoopOrder::usual);
      }
    }
  }

  /// Lanes along what is summed up: where the result has too few elements beside each other, or
  /// what is read lies so. Every sum takes a register, and they are added up across lanes at the
  /// end.
  void try_lanes_of_sums() {
    if (nest_.lanes < 2 || nest_.builder.is_banded() || !adds_up(nest_.flat) ||
        nest_.builder.is_ordered())
      return;
    const Write& w = nest_.flat.writes.front();
    for (const NestAxis& v : nest_.flat.axes) {
      if (!v.reduction || nest_.builder.constrained(v) || v.extent.number() < nest_.lanes / 2 ||
          !lies_in_a_row(v))
        continue;
      for (const NestAxis& u : nest_.flat.axes) { // along which results are neighbours
        if (!nest_.may_be_tiled(u) || stride_along(nest_.flat, w.operand, w.index, u.var) != 1)
          continue;
        for (const int64_t rows : rows_of_tiles(u, most_sums)) {
          candidates_.add({}, nest_.builder.lanes_of_sums(v, u, rows, nullptr, 1, nest_.lanes));
          for (const NestAxis& other : nest_.flat.axes)
            if (other.var != u.var && nest_.may_be_tiled(other) &&
                !(nest_.builder.constrained(other) && nest_.builder.constrained(u)))
              for (const int64_t more : rows_of_tiles(other, most_sums))
                if (more > 1 && rows * more <= most_sums)
                  candidates_.add(
                      {}, nest_.builder.lanes_of_sums(v, u, rows, &other, more, nest_.lanes));
        }
      }
    }
  }

  static constexpr int64_t most_sums = 16; // registers of a tile, of sums across lanes

  /// Rows of tiles, up to so many, that are no more than it takes for as few tiles.
  static std::vector<int64_t> rows_of_tiles(const NestAxis& axis, int64_t most) {
    const int64_t extent = axis.extent.number();
    std::vector<int64_t> all;
    for (int64_t rows = 1; rows <= std::min(most, extent); ++rows)
      if (ceil_div(extent, ceil_div(extent, rows)) == rows) all.push_back(rows);
    return all;
  }
  bool lies_in_a_row(const NestAxis& v) const {
    return std::all_of(nest_.builder.reads().begin(), nest_.builder.reads().end(),
                       [&](const Read& read) {
                         return read.operand == nest_.builder.weight() ||
                                stride_along(nest_.flat, read.operand, read.index, v.var) == 1;
                       });
  }

  /// A sum over channels has work enough for what it loads, and gains nothing from sliding.
  bool sums_taps_alone() const {
    return std::all_of(nest_.flat.axes.begin(), nest_.flat.axes.end(), [](const NestAxis& axis) {
      return !axis.reduction || axis.extent.number() == 1 || axis.role == AxisRole::tap;
    });
  }

  /// The axis along which some operand is shared, or the result is contiguous. At most one padded
  /// axis is tiled, so that borders do not multiply.
  bool worth_unrolling(const NestAxis& u, const NestAxis& v) const {
    const Write& result = nest_.flat.writes.front();
    const int64_t apart = stride_along(nest_.flat, result.operand, result.index, u.var);
    // Pixels of few channels, in copies and poolings: side by side, several at a time.
    if (nest_.builder.weight() < 0 && v.extent.number() < nest_.lanes && apart == v.extent.number())
      return true;
    if (nest_.builder.constrained(u) && nest_.builder.constrained(v)) return false;
    // A phase of a transposed convolution writes every second or third element of a row.
    const auto is_along_rows = [&](const NestAxis& axis) {
      const int64_t stride = stride_along(nest_.flat, result.operand, result.index, axis.var);
      return stride >= 1 && stride <= longest_step_in_row;
    };
    if (is_along_rows(v)) {
      for (const Read& read : nest_.builder.reads())
        if (stride_along(nest_.flat, read.operand, read.index, u.var) == 0)
          return innermost_space(u) || !nest_.builder.is_space(u);
      return false;
    }
    return is_along_rows(u);
  }

  /// Of a transposed convolution both have an innermost one, the phases, which share the image, and
  /// the pixels of a phase, which share the weight.
  bool innermost_space(const NestAxis& axis) const {
    for (const NestAxis& other : nest_.flat.axes)
      if (!other.reduction && other.role == axis.role && other.extent.number() > 1 &&
          other.var.id != axis.var.id) {
        const Write& w = nest_.flat.writes.front();
        if (stride_along(nest_.flat, w.operand, w.index, other.var) <
            stride_along(nest_.flat, w.operand, w.index, axis.var))
          return false;
      }
    return nest_.builder.is_space(axis);
  }

  void add(const TileShape& tile, LoopOrder order) {
    const int64_t registers = tile.rows * ceil_div(tile.size, tile.lanes);
    const auto sums = static_cast<int64_t>(nest_.flat.accumulators.size());
    if (registers * sums > nest_.target.vector_registers - 1) return;
    const bool numbers = !tile.tap && has_numbers(*tile.v, tile.u, registers, tile.rows);
    if (!tile.tap && !numbers && registers_needed(tile) > nest_.target.vector_registers - 1) return;
    if (registers > most_gathered && gathers(*tile.v)) return;
    Schedule schedule = nest_.builder.for_tile(tile, order);
    if (numbers) nest_.builder.put_numbers(schedule, *nest_.constant);
    if (order != LoopOrder::usual &&
        std::any_of(candidates_.all().begin(), candidates_.all().end(), [&](const auto& scored) {
          return scored->schedule.loops == schedule.loops &&
                 scored->schedule.registers == schedule.registers;
        }))
      return; // there is only one order
    if (order == LoopOrder::along_rows && work_items(schedule) < least_items) return;
    candidates_.add(tile, std::move(schedule));
  }

  int64_t registers_needed(const TileShape& tile) {
    tile_.clear();
    if (tile.u) tile_.push_back({tile.u->var, "", tile.rows});
    tile_.push_back({tile.v->var, "", tile.size, static_cast<int32_t>(tile.lanes)});
    return compiler::registers_needed(nest_.facts, tile_);
  }

  /// Of one image.
  int64_t work_items(const Schedule& schedule) const {
    int64_t items = 1;
    for (const LoopDirective& loop : schedule.loops)
      if (const NestAxis& axis = *nest_.flat.axis(loop.axis);
          loop.parallel && axis.role != AxisRole::batch)
        items *= ceil_div(axis.extent.number(), std::max<int64_t>(loop.tile, 1));
    return items;
  }
  static constexpr int64_t least_items = 16; // that threads can share

  /// Whether the weight's numbers stand in the code: it is small, one number serves all lanes, and
  /// the copies are not too many.
  bool has_numbers(const NestAxis& v, const NestAxis* u, int64_t registers, int64_t rows) const {
    if (!nest_.constant || !nest_.constant->is_small() || nest_.constant->moves_along(v.var))
      return false;
    if (u && nest_.constant->moves_along(u->var)) registers /= rows;
    int64_t loads = 1; // of a vector: neighbours, or every so many-th
    for (const Read& read : nest_.builder.reads())
      if (read.operand != nest_.builder.weight())
        loads = std::max(loads, stride_along(nest_.flat, read.operand, read.index, v.var));
    return nest_.constant->density() *
               static_cast<double>(nest_.constant->count() * registers * loads) <=
           most_with_numbers;
  }

  const ScheduledNest nest_;
  const bool dot_products_;
  Candidates candidates_{nest_};
  MatrixCandidates matrices_{nest_, candidates_};
  std::vector<PlanTile> tile_; // room for that of registers_needed
};

} // namespace

Schedule plain_schedule(const Nest& nest, const Schedule& given) {
  Schedule schedule;
  schedule.flatten = given.flatten;
  schedule.compute = given.compute;
  for (const bool shared : {true, false})
    for (const NestAxis& axis : nest.axes)
      if (is_shared(nest, axis) == shared) {
        schedule.loops.push_back({nest.name_of(axis.var)});
        schedule.loops.back().parallel = shared;
      }
  return schedule;
}

Choice choose(const Nest& nest, const Target& target, const std::vector<Buffer>& buffers,
              bool dot_products, SumOrder sums) {
  if (nest.points() == 0) return {{}, {"there is no work"}, {}};
  return Chooser(nest, target, buffers, dot_products, sums).run();
}

} // namespace volute::compiler
