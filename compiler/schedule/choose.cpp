#include "compiler/schedule/choose.h"

#include "compiler/nests/bands.h"
#include "compiler/nests/constant_weight.h"
#include "compiler/nests/expand_math.h"
#include "compiler/nests/facts.h"
#include "compiler/nests/flatten.h"
#include "compiler/nests/matrix_steps.h"
#include "compiler/nests/parts.h"
#include "compiler/nests/slides.h"
#include "compiler/nests/strides.h"
#include "compiler/nests/sums.h"
#include "compiler/schedule/bypass.h"
#include "compiler/schedule/cost_model.h"
#include "compiler/schedule/in_words.h"
#include "compiler/schedule/parameters.h"
#include "compiler/schedule/schedule_builder.h"
#include "ir/loops.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <optional>

namespace volute::compiler {

using namespace ir;

namespace {

constexpr size_t candidates_reported = 16; // those that measuring may begin with
constexpr size_t tiles_reordered = 8;      // of the cheapest
constexpr size_t windows_reordered = 16;   // of those without channels to sum up
// Instructions of a tile's ends: what is folded into a nest is written once for each register.
constexpr int64_t most_at_ends = 8192;
// Loads and multiply-adds of a tile whose weights' numbers stand in the code: there is a copy of it
// for each kind of border, and of those a filter without zeros gains little.
constexpr double most_with_numbers = 192;
constexpr int64_t most_gathered = 4; // registers of a tile whose operands are read lane by lane
constexpr int64_t most_unrolled = 28, most_vectors = 7;
constexpr int64_t most_whole = 16;     // vectors of a window's channels, all of them
constexpr int64_t least_registers = 4; // of a tile, where it may have twice as many
// Multiply-adds of a tile whose taps slide, all copies of them that borders of the lanes ask for.
constexpr int64_t most_sliding = 512;
constexpr int64_t longest_step_in_row = 4;
constexpr double poor = 0.4; // of the arithmetic peak: lanes of sums are tried too

// A schedule whose code is so many instructions longer must be a hundredth faster: it is compiled,
// and kept in caches. Some hundredths are all that this counts, up to where code is out of all
// proportion: a tile with a copy for each of a hundred taps at a border, or for each of its lanes.
constexpr double instructions_for_a_hundredth = 500, most_hundredths = 3;
constexpr double most_instructions = 12'000;

/// Instructions, about, of what is made of a register's sum before it is stored.
int64_t instructions_at_end(const Nest& nest) {
  constexpr int64_t of_a_function = 100; // as expand_math writes it, without multiply-adds
  int64_t count = 0;
  for (const Write& w : nest.writes)
    visit(w.value, [&](const ExprNode& node) { count += is_function(node) ? of_a_function : 1; });
  return count;
}

class Chooser {
public:
  Chooser(const Nest& nest, const Target& target, const std::vector<Buffer>& buffers,
          bool dot_products, SumOrder sums)
      : target_(target), sums_(sums), dot_products_(dot_products),
        lanes_(std::min<int64_t>(target.lanes(widest_in_registers(nest)), 64)) {
    flat_ = nest;
    std::vector<std::vector<std::string>> joined;
    if (!band_axis(nest))
      for (const std::vector<std::string>& axes : flattenable(nest))
        if (Expected<Nest> flat = flatten(flat_, axes))
          flat_ = std::move(*flat), joined.push_back(axes);
    scheduled_ = flat_;
    flat_ = at_least(flat_);
    builder_.emplace(flat_, std::move(joined), target, dot_products, sums);
    constant_ = ConstantWeight::of(flat_, buffers);
    at_end_ = instructions_at_end(flat_);
    for (const Accumulator& a : flat_.accumulators)
      visit(a.update, [&](const ExprNode& node) {
        updates_ += std::holds_alternative<Select>(node.is) ? 2
                    : std::holds_alternative<Read>(node.is) ||
                            std::holds_alternative<Acc>(node.is) ||
                            std::holds_alternative<Imm>(node.is)
                        ? 0
                        : 1;
      });
    facts_.emplace(scheduled_);
  }

  Choice run() {
    Choice choice;
    if (flat_.writes.front().offset) {
      choice.schedule = builder_->scattered();
      choice.why = {"elements are scattered one at a time, the planes that they go to are apart"};
      return choice;
    }
    if (dot_products_) try_matrices();
    if (lanes_ > 1 && !beats_vectors())
      for (const NestAxis& v : flat_.axes)
        if (may_be_tiled(v) && v.extent.number() > 1 && lanes_may_run_along(flat_, v.var) &&
            is_written_along(v))
          try_vector(v);
    sort();
    if (scored_.empty() || (scored_.front()->cost.efficiency < poor && !beats_vectors()))
      try_lanes_of_sums();
    if (scored_.empty()) {
      choice.why = {"no axis can be the vector axis: the naive nest"};
      if (builder_->is_banded()) choice.schedule = builder_->plain_loops();
      return choice;
    }
    sort();
    try_other_orders();
    try_taps_inside();
    try_blocks();
    put_transform_first();
    const Scored& best = *scored_.front();
    choice.schedule = best.schedule;
    choice.cycles = best.cost.cycles;
    choice.refused = refused_;
    explain(best, choice.why);
    for (size_t i = 0; i < std::min(scored_.size(), candidates_reported); ++i)
      choice.candidates.push_back({on_one_line(to_string(scored_[i]->plan.schedule)),
                                   scored_[i]->cost.cycles, std::string(scored_[i]->cost.bound)});
    return choice;
  }

private:
  struct Scored {
    TileShape tile;
    Schedule schedule;
    Plan plan;
    Cost cost;
    double weighed = 0; // cycles, with what its code costs
  };

  static double weighed(double cycles, double instructions) {
    const double hundredths = instructions / instructions_for_a_hundredth;
    const double beyond = std::max(0.0, instructions - most_instructions);
    return cycles * (1 + 0.01 * (std::min(hundredths, most_hundredths) +
                                 beyond / instructions_for_a_hundredth));
  }

  void sort() {
    std::stable_sort(scored_.begin(), scored_.end(),
                     [](const auto& a, const auto& b) { return a->weighed < b->weighed; });
  }

  /// Instructions, about, that a plan's code has: every kind of tile has its own steps and end.
  double instructions(const Plan& plan) const {
    double kinds = 1, borders = 1, steps = plan.slide ? static_cast<double>(plan.slide->taps) : 1;
    for (const PlanTile& t : plan.tile) {
      if (flat_.axis_of(t.axis).extent.number() % t.size != 0) kinds *= 2;
      const bool slides = plan.slide && &t == &plan.tile[plan.slide->tile];
      for (const NestAxis& tap : flat_.axes)
        if (!slides && t.size > 1 && tap.reduction && meets_border_with(tap, flat_.axis_of(t.axis)))
          borders += static_cast<double>(tap.extent.number());
    }
    for (const PlanLoop& loop : plan.loops)
      if (loop.reduction && !(plan.slide && loop.unrolls_all))
        steps *= static_cast<double>(std::max<int64_t>(loop.unroll, 1));
    const auto registers = static_cast<double>(plan.tile_registers());
    double loads = 0; // of a row, where taps slide
    for (const PlannedRead& read : plan.reads) {
      int64_t each = 1;
      if (read.arrival == Arrival::deinterleaved) each = 2 * read.lane_stride - 1;
      if (read.arrival == Arrival::gathered) each = 4 * int64_t{plan.lanes}; // with shuffles
      loads += static_cast<double>(read.registers * each);
    }
    if (plan.slide)
      loads *= static_cast<double>(plan.slide->rows(plan.tile[plan.slide->tile].size)) /
               static_cast<double>(plan.slide->taps);
    double ends = registers * static_cast<double>(at_end_);
    if (plan.store.kind == PlannedStore::Kind::lanes) // taken out one by one
      ends += registers * static_cast<double>(2 * plan.lanes);
    if (plan.store.kind == PlannedStore::Kind::transposed) { // a register for each lane
      const int64_t rows = plan.tile[plan.store.rows].registers();
      ends = registers / static_cast<double>(rows) *
             static_cast<double>(ceil_div(rows, plan.lanes) * plan.lanes) *
             static_cast<double>(at_end_ + std::bit_width(static_cast<uint64_t>(plan.lanes)));
    }
    return kinds * (borders * steps * (registers * updates_ + loads) + ends);
  }

  /// A transform by numbers that stand in the code makes all of its results of a vector while it is
  /// there. Where L2 holds the image, that is all it makes at a time, so that the code is as short
  /// as can be: the model takes several vectors for the fewer ends of tiles, and measured on Zen 4
  /// those cost nothing beside what goes on at the same time. Winograd's algorithm of 64 channels
  /// is 1.12 times as fast so, and compiles in two thirds of the time. From beyond L2 long rows
  /// come faster.
  void put_transform_first() {
    if (flat_.kind != NestKind::transform || !constant_) return;
    const bool is_near = builder_->input_bytes() <= target_.l2_bytes;
    const auto found = std::find_if(scored_.begin(), scored_.end(), [&](const auto& scored) {
      const TileShape& tile = scored->tile;
      return scored->plan.weight == WeightUse::numbers && tile.u &&
             (!is_near || tile.size == tile.lanes) && constant_->moves_along(tile.u->var) &&
             tile.rows == tile.u->extent.number();
    });
    if (found != scored_.end()) std::rotate(scored_.begin(), found, found + 1);
  }

  /// The cheapest tiles once more, with the loops over tiles the other way round: which of the
  /// image and the weight is swept again and again decides what the caches bring in.
  void try_other_orders() {
    if (builder_->is_banded() || flat_.accumulators.empty()) return;
    std::vector<TileShape> tiles;
    const bool is_grouped =
        std::any_of(flat_.axes.begin(), flat_.axes.end(), [](const NestAxis& axis) {
          return axis.role == AxisRole::group && axis.extent.number() > 1;
        });
    const bool is_window = sums_taps_alone();
    const size_t most = is_window ? windows_reordered : tiles_reordered;
    for (size_t i = 0; i < std::min(most, scored_.size()); ++i) tiles.push_back(scored_[i]->tile);
    for (size_t i = 0; i < tiles.size(); ++i) {
      const TileShape& tile = tiles[i];
      if (!tile.v) continue;
      if (i < tiles_reordered) add(tile, LoopOrder::turned);
      if (is_grouped || (is_window && !tile.tap && tile.u && builder_->constrained(*tile.u)))
        add(tile, LoopOrder::along_rows);
    }
    sort();
  }

  /// Products of matrices for whose taps the image comes from L1: a few channels of it, and all of
  /// them before the next. An image in parts is read often enough for that, by six products each;
  /// where the model promises 1 %, 2 to 3 % are lost.
  void try_taps_inside() {
    if (builder_->is_banded() || !has_parts(flat_) || !scored_.front()->plan.matrix) return;
    std::vector<std::pair<Schedule, double>> best; // and their cycles
    for (size_t i = 0; i < std::min(tiles_reordered, scored_.size()); ++i)
      best.emplace_back(scored_[i]->schedule, scored_[i]->cost.cycles);
    for (auto& [schedule, cycles] : best) {
      std::optional<Schedule> turned = builder_->with_taps_inside(std::move(schedule));
      if (!turned) continue;
      turned->prefetch.clear(), turned->bypass.clear();
      const size_t before = scored_.size();
      score({}, std::move(*turned));
      if (scored_.size() == before) continue;
      Scored& inside = *scored_.back();
      const double share = (1 - promised) * cycles / inside.cost.cycles + promised;
      if (share < 1) continue;
      inside.cost.cycles *= share, inside.weighed *= share * taps_inside;
      for (CostTerm& term : inside.cost.terms) term.cycles *= share;
    }
    sort();
  }
  static constexpr double promised = 0.4; // of what the model saw, measured: 8 % of 18, 3 of 14
  static constexpr double taps_inside = 1.02;

  /// Where neither image nor weight stays in L2, part of the channels that are summed up at a time:
  /// a block of the image, one of the weight and the sums that wait stay there together.
  void try_blocks() {
    const int64_t l2 = target_.l2_bytes;
    if (builder_->is_banded() || has_parts(flat_) || builder_->weight() < 0 ||
        flat_.accumulators.size() != 1 || builder_->input_bytes() <= l2 ||
        builder_->operand_bytes(builder_->weight()) <= l2)
      return;
    const NestAxis *summed = nullptr, *made = nullptr; // channels
    for (const NestAxis& axis : flat_.axes)
      if (axis.role == AxisRole::channel && !builder_->constrained(axis))
        (axis.reduction ? summed : made) = &axis;
    if (!summed || !made) return;
    std::vector<TileShape> tiles;
    for (size_t i = 0; i < std::min(tiles_reordered, scored_.size()); ++i)
      if (const TileShape& tile = scored_[i]->tile;
          tile.v && !tile.tap && !scored_[i]->plan.across && (tile.v == made || tile.u == made) &&
          std::find(tiles.begin(), tiles.end(), tile) == tiles.end()) // of both orders of loops
        tiles.push_back(tile);
    for (const TileShape& tile : tiles)
      for (int64_t block = 32; block <= 256 && 2 * block <= summed->extent.number(); block *= 2)
        for (const int64_t panels : {1, 2, 4})
          for (const bool space_inside : {false, true})
            for (const int64_t most_waiting : {int64_t{0}, l2 / 2})
              if (std::optional<Schedule> schedule = builder_->blocked(
                      tile, *summed, block, *made, panels, space_inside, most_waiting))
                score(tile, std::move(*schedule));
    sort();
  }

  /// Whether a register tile may take several elements along the axis. Rows of a band may lie
  /// beyond the image, and are computed one at a time.
  bool may_be_tiled(const NestAxis& axis) const {
    return !axis.reduction && !is_shared(flat_, axis) && !shares_border(flat_, axis.var) &&
           !facts_->in_domain(axis.var);
  }

  /// Whether the results move with the axis.
  bool is_written_along(const NestAxis& v) const {
    return std::none_of(flat_.writes.begin(), flat_.writes.end(), [&](const Write& w) {
      return stride_along(flat_, w.operand, w.index, v.var) == 0;
    });
  }

  /// Whether tiles with lanes along the axis will read some operand lane by lane: a weight they
  /// have packed, or its numbers.
  bool gathers(const NestAxis& v) const {
    return std::any_of(facts_->reads().begin(), facts_->reads().end(), [&](const Read& read) {
      return read.operand != builder_->weight() &&
             arrival(flat_, read.operand, stride_along(flat_, read.operand, read.index, v.var),
                     target_) == Arrival::gathered;
    });
  }

  /// Is some operand read lane by lane? Each such read is a score of instructions.
  static bool gathers(const Plan& plan) {
    return std::any_of(plan.reads.begin(), plan.reads.end(),
                       [&](const PlannedRead& read) { return read.arrival == Arrival::gathered; });
  }

  void try_vector(const NestAxis& v) {
    try_vector(v, lanes_);
    if (may_store_pairs(v)) try_vector(v, 2 * lanes_);
    // Vectors half as long, or a quarter, where a last one of the longest would be half empty.
    if (flat_.accumulators.empty() || v.extent.number() > most_of_narrow * lanes_) return;
    for (int64_t lanes = lanes_ / 2; lanes * widest_in_registers(flat_) >= 16; lanes /= 2)
      if (ceil_div(v.extent.number(), 2 * lanes) * 2 * lanes - v.extent.number() >= lanes)
        try_vector(v, lanes);
  }
  static constexpr int64_t most_of_narrow = 3; // vectors of the longest

  /// Whether two registers at a time, whose results fill one, are copied along the axis: they are
  /// stored as one.
  bool may_store_pairs(const NestAxis& v) const {
    const auto is_one = [&](int32_t operand, const Index& index) {
      return stride_along(flat_, operand, index, v.var) == 1;
    };
    return flat_.kind == NestKind::stage && has_narrow_results(flat_) &&
           v.extent.number() >= 2 * lanes_ &&
           std::all_of(flat_.writes.begin(), flat_.writes.end(),
                       [&](const Write& w) { return is_one(w.operand, w.index); }) &&
           std::all_of(facts_->reads().begin(), facts_->reads().end(),
                       [&](const Read& read) { return is_one(read.operand, read.index); });
  }

  /// Whether a tile takes all channels of a window: what it reads lies together then, pixel beside
  /// pixel. From memory 2x2 windows of 256 channels come twice as fast so.
  bool may_be_whole(const NestAxis& v, int64_t vectors, int64_t lanes) const {
    return builder_->weight() < 0 && flat_.accumulators.size() == 1 && vectors <= most_whole &&
           v.extent.number() == vectors * lanes && v.role == AxisRole::channel;
  }

  void try_vector(const NestAxis& v, int64_t lanes) {
    const int64_t extent = v.extent.number();
    const int64_t most = (flat_.accumulators.empty() ? 4 : most_vectors) / (lanes > lanes_ ? 2 : 1);
    if (const int64_t all = extent / lanes; all > most && may_be_whole(v, all, lanes))
      add({&v, lanes, extent}, LoopOrder::usual);
    for (int64_t vectors = 1; vectors <= most; ++vectors) {
      const int64_t size = vectors * lanes;
      if (vectors > 1 && size - extent >= lanes) break;
      add({&v, lanes, size}, LoopOrder::usual);
      if (flat_.accumulators.empty() || lanes > lanes_) continue;
      for (const NestAxis& u : flat_.axes) {
        if (!may_be_tiled(u) || u.var == v.var || u.extent.number() < 2) continue;
        if (!worth_unrolling(u, v)) continue;
        const int64_t most_rows = std::min(most_unrolled, u.extent.number());
        for (int64_t r = 2; r <= most_rows; ++r)
          if (is_worth_trying(u.extent.number(), r) &&
              (r * vectors >= least_registers || most_rows * vectors < 2 * least_registers))
            add({&v, lanes, size, &u, r}, LoopOrder::usual);
      }
      if (sums_taps_alone() && !(constant_ && constant_->has_empty_taps()))
        try_slides(v, lanes, size);
    }
  }

  /// Tiles of a matrix unit: rows of pixels by lanes of channels, some registers of both.
  void try_matrices() {
    for (const NestAxis& summed : flat_.axes) {
      if (!summed.reduction) continue;
      const std::optional<DotForm> form = dot_form(flat_, summed.var);
      if (!form || !target_.has_tiles_for(form->image->type)) continue;
      MatrixShape shape;
      shape.overlaps = scheduled_.parameters.empty(); // loops over those are plain ones
      shape.step = matrix_step(flat_, *form, summed.var);
      if (shape.step == 0) continue;
      for (const NestAxis& v : flat_.axes)
        for (const NestAxis& rows : flat_.axes) {
          if (!is_of(*form, v, form->weight) || !is_of(*form, rows, form->image)) continue;
          shape.v = &v, shape.rows_axis = &rows;
          shape.lanes = most_tile_row_bytes / size_of(form->type);
          while (shape.lanes / 2 >= v.extent.number() && shape.lanes > 2) shape.lanes /= 2;
          try_matrices(*form, shape);
        }
    }
  }

  /// Whether some products of matrices take fewer cycles than vectors could, were nothing in their
  /// way.
  bool beats_vectors() const {
    double most = target_.fma_per_cycle * static_cast<double>(target_.lanes(4));
    for (const Unit& unit : target_.units())
      if (unit.kind != Unit::Kind::tile) most = std::max(most, unit.products_per_cycle());
    const double bound = static_cast<double>(flat_.points()) * share_of_parts(flat_) / most;
    return std::any_of(scored_.begin(), scored_.end(), [&](const auto& scored) {
      return scored->plan.matrix && scored->cost.cycles < bound;
    });
  }

  bool may_be_matrices(const NestAxis& axis) const {
    return may_be_tiled(axis) && axis.extent.number() > 1;
  }

  /// Whether results move with the axis, and of the operands one alone.
  bool is_of(const DotForm& form, const NestAxis& axis, const Expr& operand) const {
    return may_be_matrices(axis) && !builder_->constrained(axis) && is_written_along(axis) &&
           moves(operand, axis.var) &&
           !moves(operand == form.image ? form.weight : form.image, axis.var);
  }

  void try_matrices(const DotForm& form, MatrixShape shape) {
    const int64_t extent = shape.rows_axis->extent.number();
    const int64_t registers = ceil_div(extent, most_tile_rows);
    shape.rows = ceil_div(extent, registers);
    for (shape.row_registers = 1; shape.row_registers <= std::min<int64_t>(registers, 4);
         ++shape.row_registers)
      for (shape.vectors = 1; shape.vectors <= 4; ++shape.vectors) {
        if (shape.vectors > ceil_div(shape.v->extent.number(), shape.lanes)) break;
        shape.u = nullptr, shape.unrolled = 1;
        score_matrices(shape);
        for (const NestAxis& u : flat_.axes) {
          if (&u == shape.v || &u == shape.rows_axis || !may_be_matrices(u) ||
              !moves(form.image, u.var) || moves(form.weight, u.var))
            continue;
          shape.u = &u, shape.unrolled = 2;
          score_matrices(shape);
        }
      }
  }

  void score_matrices(const MatrixShape& shape) {
    const int64_t images = shape.row_registers * shape.unrolled;
    if (images * shape.vectors + shape.vectors + 1 > most_tiles || images * shape.vectors > 4)
      return;
    for (const LoopOrder order : {LoopOrder::usual, LoopOrder::turned})
      score({}, builder_->for_matrices(shape, order));
  }

  /// Rows of tiles that cover an axis: no more of them than it takes for so many tiles, or such
  /// that nearly nothing is left over.
  static bool is_worth_trying(int64_t extent, int64_t rows) {
    const int64_t tiles = ceil_div(extent, rows);
    return ceil_div(extent, tiles) == rows || extent % rows >= rows - 1 || extent % rows == 1;
  }

  /// Tiles along which taps slide, no larger than that so many of them cover the axis.
  void try_slides(const NestAxis& v, int64_t lanes, int64_t size) {
    for (const NestAxis& u : flat_.axes) {
      const int64_t extent = u.extent.number();
      if (!may_be_tiled(u) || u.var == v.var || extent < 2) continue;
      for (const NestAxis& tap : flat_.axes) {
        if (!tap.reduction || tap.extent.number() < 2) continue;
        const std::optional<int64_t> step = slide_step(flat_, builder_->reads(), u.var, tap.var);
        if (!step || *step >= tap.extent.number()) continue; // no row is shared
        int64_t copies = tap.extent.number() * (size / lanes);
        for (const NestAxis& other : flat_.axes)
          if (other.reduction && other.var != tap.var && meets_border_with(other, v))
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
    if (lanes_ < 2 || builder_->is_banded() || !adds_up(flat_) || builder_->is_ordered()) return;
    const Write& w = flat_.writes.front();
    for (const NestAxis& v : flat_.axes) {
      if (!v.reduction || builder_->constrained(v) || v.extent.number() < lanes_ / 2 ||
          !lies_in_a_row(v))
        continue;
      for (const NestAxis& u : flat_.axes) { // along which results are neighbours
        if (!may_be_tiled(u) || stride_along(flat_, w.operand, w.index, u.var) != 1) continue;
        for (const int64_t rows : rows_of_tiles(u, most_sums)) {
          score({}, builder_->lanes_of_sums(v, u, rows, nullptr, 1, lanes_));
          for (const NestAxis& other : flat_.axes)
            if (other.var != u.var && may_be_tiled(other) &&
                !(builder_->constrained(other) && builder_->constrained(u)))
              for (const int64_t more : rows_of_tiles(other, most_sums))
                if (more > 1 && rows * more <= most_sums)
                  score({}, builder_->lanes_of_sums(v, u, rows, &other, more, lanes_));
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
    return std::all_of(builder_->reads().begin(), builder_->reads().end(), [&](const Read& read) {
      return read.operand == builder_->weight() ||
             stride_along(flat_, read.operand, read.index, v.var) == 1;
    });
  }

  /// A sum over channels has work enough for what it loads, and gains nothing from sliding.
  bool sums_taps_alone() const {
    return std::all_of(flat_.axes.begin(), flat_.axes.end(), [](const NestAxis& axis) {
      return !axis.reduction || axis.extent.number() == 1 || axis.role == AxisRole::tap;
    });
  }

  bool meets_border_with(const NestAxis& tap, const NestAxis& axis) const {
    return std::any_of(flat_.constraints.begin(), flat_.constraints.end(),
                       [&](const Constraint& c) {
                         return c.value.depends_on(tap.var) && c.value.depends_on(axis.var);
                       });
  }

  /// The axis along which some operand is shared, or the result is contiguous. At most one padded
  /// axis is tiled, so that borders do not multiply.
  bool worth_unrolling(const NestAxis& u, const NestAxis& v) const {
    const Write& result = flat_.writes.front();
    const int64_t apart = stride_along(flat_, result.operand, result.index, u.var);
    // Pixels of few channels, in copies and poolings: side by side, several at a time.
    if (builder_->weight() < 0 && v.extent.number() < lanes_ && apart == v.extent.number())
      return true;
    if (builder_->constrained(u) && builder_->constrained(v)) return false;
    // A phase of a transposed convolution writes every second or third element of a row.
    const auto is_along_rows = [&](const NestAxis& axis) {
      const int64_t stride = stride_along(flat_, result.operand, result.index, axis.var);
      return stride >= 1 && stride <= longest_step_in_row;
    };
    if (is_along_rows(v)) {
      for (const Read& read : builder_->reads())
        if (stride_along(flat_, read.operand, read.index, u.var) == 0)
          return innermost_space(u) || !builder_->is_space(u);
      return false;
    }
    return is_along_rows(u);
  }

  /// Of a transposed convolution both have an innermost one, the phases, which share the image, and
  /// the pixels of a phase, which share the weight.
  bool innermost_space(const NestAxis& axis) const {
    for (const NestAxis& other : flat_.axes)
      if (!other.reduction && other.role == axis.role && other.extent.number() > 1 &&
          other.var.id != axis.var.id) {
        const Write& w = flat_.writes.front();
        if (stride_along(flat_, w.operand, w.index, other.var) <
            stride_along(flat_, w.operand, w.index, axis.var))
          return false;
      }
    return builder_->is_space(axis);
  }

  void add(const TileShape& tile, LoopOrder order) {
    const int64_t registers = tile.rows * ceil_div(tile.size, tile.lanes);
    const auto sums = static_cast<int64_t>(flat_.accumulators.size());
    if (registers * sums > target_.vector_registers - 1) return;
    const bool numbers = !tile.tap && has_numbers(*tile.v, tile.u, registers, tile.rows);
    if (!tile.tap && !numbers && registers_needed(tile) > target_.vector_registers - 1) return;
    if (registers > most_gathered && gathers(*tile.v)) return;
    Schedule schedule = builder_->for_tile(tile, order);
    if (numbers) builder_->put_numbers(schedule, *constant_);
    if (order != LoopOrder::usual &&
        std::any_of(scored_.begin(), scored_.end(), [&](const auto& scored) {
          return scored->schedule.loops == schedule.loops &&
                 scored->schedule.registers == schedule.registers;
        }))
      return; // there is only one order
    if (order == LoopOrder::along_rows && work_items(schedule) < least_items) return;
    score(tile, std::move(schedule));
  }

  int64_t registers_needed(const TileShape& tile) {
    tile_.clear();
    if (tile.u) tile_.push_back({tile.u->var, "", tile.rows});
    tile_.push_back({tile.v->var, "", tile.size, static_cast<int32_t>(tile.lanes)});
    return compiler::registers_needed(*facts_, tile_);
  }

  /// Of one image.
  int64_t work_items(const Schedule& schedule) const {
    int64_t items = 1;
    for (const LoopDirective& loop : schedule.loops)
      if (const NestAxis& axis = *flat_.axis(loop.axis);
          loop.parallel && axis.role != AxisRole::batch)
        items *= ceil_div(axis.extent.number(), std::max<int64_t>(loop.tile, 1));
    return items;
  }
  static constexpr int64_t least_items = 16; // that threads can share

  void score(const TileShape& tile, Schedule schedule) {
    if (builder_->is_ordered() && out_of_order(schedule, flat_)) return;
    const ConstantWeight* weight = constant_ ? &*constant_ : nullptr;
    Expected<Plan> plan = resolve(schedule, *facts_, target_, weight, sums_);
    if (!plan && !schedule.prefetch.empty()) { // its tiles do not lie so that they can be asked for
      schedule.prefetch.clear();
      plan = resolve(schedule, *facts_, target_, weight, sums_);
    }
    if (!plan) {
      ++refused_;
      return;
    }
    if (plan->registers_needed(flat_) > target_.vector_registers - 1) return;
    if (plan->slide && !plan->slide->holds) return;
    if (plan->tile_registers() > 1 && plan->tile_registers() * at_end_ > most_at_ends) return;
    // Whole groups of rows, and what is left of them.
    if (plan->matrix && 2 * plan->matrix->finished * at_end_ > most_at_ends) return;
    if (gathers(*plan) && plan->tile_registers() > most_gathered) return;
    if (!plan->packed.empty() && comes_in_bursts(*plan)) {
      const std::string& name = flat_.operands[static_cast<size_t>(builder_->weight())].name;
      schedule.prefetch.push_back({name});
      plan = with_prefetch(std::move(*plan), name, *facts_, target_);
      if (!plan) {
        ++refused_;
        return;
      }
    }
    Cost cost =
        plan->matrix ? choose_bypass(*plan, flat_, target_) : predict(flat_, *plan, target_);
    schedule.bypass = plan->schedule.bypass;
    const double cycles = weighed(cost.cycles, instructions(*plan));
    scored_.push_back(std::make_unique<Scored>(
        Scored{tile, std::move(schedule), std::move(*plan), std::move(cost), cycles}));
  }

  /// Whether the weight comes from beyond L2, a panel at a time for a few tiles each: the first of
  /// them waits. Of many tiles the first is no matter.
  bool comes_in_bursts(const Plan& plan) const {
    if (plan.slide || plan.across ||
        builder_->operand_bytes(builder_->weight()) <= target_.l2_bytes / 2)
      return false;
    const Panels found = panels(flat_, plan, plan.packed.front().operand, target_.line_bytes);
    return found.tiles <= most_tiles_waiting && (found.tiles > 1 || plan.matrix);
  }
  static constexpr int64_t most_tiles_waiting = 16;

  /// Whether the weight's numbers stand in the code: it is small, one number serves all lanes, and
  /// the copies are not too many.
  bool has_numbers(const NestAxis& v, const NestAxis* u, int64_t registers, int64_t rows) const {
    if (!constant_ || !constant_->is_small() || constant_->moves_along(v.var)) return false;
    if (u && constant_->moves_along(u->var)) registers /= rows;
    int64_t loads = 1; // of a vector: neighbours, or every so many-th
    for (const Read& read : builder_->reads())
      if (read.operand != builder_->weight())
        loads = std::max(loads, stride_along(flat_, read.operand, read.index, v.var));
    return constant_->density() * static_cast<double>(constant_->count() * registers * loads) <=
           most_with_numbers;
  }

  void explain(const Scored& best, std::vector<std::string>& why) const {
    if (best.plan.weight == WeightUse::numbers)
      why.push_back(fmt::format("the weight's {} numbers stand in the code, {:.0f} % of them are 0",
                                constant_->count(), 100 * (1 - constant_->density())));
    why.push_back(
        fmt::format("{} register tiles were scored for {}", scored_.size(), target_.name));
    const std::vector<std::string> told = in_words(flat_, best.plan, best.cost, target_);
    why.insert(why.end(), told.begin(), told.end());
    if (!builder_->flattened().empty())
      for (const auto& axes : builder_->flattened())
        why.push_back(fmt::format("{} are one axis: every access walks them together",
                                  fmt::join(axes, " and ")));
  }

  const Target& target_;
  const SumOrder sums_;
  const bool dot_products_;
  const int64_t lanes_;
  Nest scheduled_;                         // flattened
  Nest flat_;                              // the same with the least that each parameter may be
  int64_t at_end_ = 0;                     // instructions a register
  double updates_ = 0;                     // instructions an update
  std::optional<ScheduleBuilder> builder_; // of flat_
  std::optional<ConstantWeight> constant_; // the weight, where it is one
  std::optional<NestFacts> facts_;         // of scheduled_
  std::vector<std::unique_ptr<Scored>> scored_;
  std::vector<PlanTile> tile_; // room for that of registers_needed
  int64_t refused_ = 0;        // candidates that do not fit: none should be made
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
