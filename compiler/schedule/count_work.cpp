#include "compiler/schedule/count_work.h"

#include "compiler/nests/borders.h"
#include "compiler/nests/lattice.h"
#include "compiler/nests/parts.h"
#include "compiler/nests/strides.h"
#include "compiler/nests/weight_expression.h"

#include <algorithm>
#include <cstdlib>
#include <map>

namespace volute::compiler {

using namespace ir;

namespace {

/// Sums over the tiles of one parallel axis.
struct Along {
  double tiles = 0;
  double registers = 0; // that the tiles' elements take
  double elements = 0;
  double blocks = 0; // runs of at most `lanes` elements, where it is stored in vectors of rows
  // The same over pairs of a tile and a tap of the axis's constraint that meet.
  double visits = 0;
  double active = 0; // registers with an element that meets
  double rows = 0;   // pairs of a tile and a row that are inside, where taps slide along the axis
};

class Counter {
public:
  Counter(const Nest& nest, const Plan& plan) : nest_(nest), plan_(plan), borders_(nest) {
    for (const NestAxis& axis : nest.axes)
      if (!axis.reduction) along_[axis.var] = sum_along(axis);
  }

  Counts run() {
    Counts counts;
    const double taps = free_taps();
    if (nest_.accumulators.empty()) {
      count_ends(counts);
      return counts;
    }
    if (plan_.matrix) {
      count_matrices(counts, taps);
      return counts;
    }
    double active = taps * static_cast<double>(plan_.lanes);
    for (const auto& [var, a] : along_) active *= a.active;
    const bool is_dot = plan_.instruction.kind == Instruction::Kind::dot;
    int64_t fmas = is_dot ? plan_.instruction.ways : 0;
    if (!is_dot)
      for (const Accumulator& a : nest_.accumulators)
        visit(a.update,
              [&](const ExprNode& node) { fmas += std::holds_alternative<Fma>(node.is); });
    counts.multiply_adds = active * static_cast<double>(fmas) * plan_.density;
    for (const PlannedRead& read : plan_.reads)
      counts.loads += taps * updates(read) * plan_.density;
    for (const Accumulator& a : nest_.accumulators)
      for (const Read& read : reads_in({a.initial})) counts.loads += ends(read, plan_.across);
    count_ends(counts);
    count_partial_sums(counts);
    return counts;
  }

private:
  /// The taps of an axis's only constraint that has taps, where it has no more to it.
  struct Meeting {
    const Constraint* constraint = nullptr;
    const NestAxis* tap = nullptr;
  };
  Meeting meeting(const NestAxis& axis) const {
    Meeting found;
    for (const Constraint& c : nest_.constraints) {
      if (!c.value.depends_on(axis.var)) continue;
      const NestAxis* tap = nullptr;
      for (const Affine::Term& t : c.value.terms()) {
        if (t.var == axis.var) continue;
        const NestAxis* other = nest_.axis(t.var);
        if (!other || !other->reduction || tap) return {};
        tap = other;
      }
      if (!tap || found.constraint) return {};
      found = {&c, tap};
    }
    return found;
  }

  Along sum_along(const NestAxis& axis) {
    Along sum;
    const auto tile = std::find_if(plan_.tile.begin(), plan_.tile.end(),
                                   [&](const PlanTile& t) { return t.axis == axis.var; });
    const int64_t by = tile == plan_.tile.end() ? 1 : tile->size;
    const int64_t lanes = tile == plan_.tile.end() ? 1 : tile->each();
    const int64_t finished = !plan_.matrix ? plan_.lanes
                             : tile != plan_.tile.end() && tile->lanes
                                 ? plan_.matrix->finished_lanes
                                 : plan_.matrix->finished;
    const int64_t extent = axis.extent.number();
    const Meeting meets = meeting(axis);
    if (meets.tap) met_.push_back(meets.tap->var);
    std::vector<Segment> segments;
    const bool slides = plan_.slide && plan_.tile[plan_.slide->tile].axis == axis.var;
    if (by > 1 && borders_.constrained(axis.var) && !slides) {
      segments = borders_.segments(axis.var, 0, extent, by);
    } else {
      if (extent / by) segments.push_back({0, extent / by, by, false, ""});
      if (extent % by) segments.push_back({extent / by, 1, extent % by, false, ""});
    }
    for (const Segment& s : segments) {
      const auto tiles = static_cast<double>(s.element_wise ? s.count * s.size : s.count);
      const int64_t size = s.element_wise ? 1 : s.size;
      sum.tiles += tiles;
      sum.registers += tiles * static_cast<double>(ceil_div(size, lanes));
      sum.elements += static_cast<double>(s.count * s.size);
      sum.blocks += tiles * static_cast<double>(ceil_div(size, finished));
      if (meets.tap)
        meet(sum, axis, meets, s, by, lanes);
      else
        sum.visits = sum.tiles, sum.active = sum.registers;
      if (slides) sum.rows += rows_inside(axis, meets, s, by);
    }
    return sum;
  }

  void meet(Along& sum, const NestAxis& axis, const Meeting& meets, const Segment& s, int64_t by,
            int64_t lanes) const {
    const int64_t size = s.element_wise ? 1 : s.size;
    const int64_t count = s.element_wise ? s.count * s.size : s.count;
    const int64_t factor = meets.constraint->value.coefficient(axis.var);
    const int64_t start = meets.constraint->value.constant_term() + factor * s.first * by;
    const Moving tiles = {s.element_wise ? factor : factor * by, count};
    const Moving taps = {meets.constraint->value.coefficient(meets.tap->var),
                         meets.tap->extent.number()};
    const int64_t extent = meets.constraint->extent.number();
    // Pairs of a tile and a tap for which some of the tile's `elements` from one of them on is
    // inside.
    const auto meeting = [&](int64_t from, int64_t elements) {
      const int64_t first = start + factor * from;
      if (std::abs(factor) >= extent) { // no two of them are
        double pairs = 0;
        for (int64_t e = 0; e < elements; ++e)
          pairs += static_cast<double>(pairs_inside(extent, first + factor * e, tiles, taps));
        return pairs;
      }
      const int64_t reach = factor * (elements - 1);
      return static_cast<double>(
          pairs_inside(extent, first + std::min<int64_t>(reach, 0), tiles, taps, std::abs(reach)));
    };
    sum.visits += meeting(0, size);
    for (int64_t e = 0; e < size; e += lanes) sum.active += meeting(e, std::min(lanes, size - e));
  }

  double rows_inside(const NestAxis& axis, const Meeting& meets, const Segment& s,
                     int64_t by) const {
    const Slide& slide = *plan_.slide;
    double rows = 0; // those between taps are not read
    for (int64_t row = 0; row < slide.rows(s.size); ++row) {
      if (row % slide.step >= slide.taps) continue;
      if (!meets.tap) {
        rows += static_cast<double>(s.count);
        continue;
      }
      const Affine& value = meets.constraint->value;
      const int64_t of_axis = value.coefficient(axis.var);
      const int64_t first =
          value.constant_term() + of_axis * s.first * by + value.coefficient(meets.tap->var) * row;
      rows += static_cast<double>(
          pairs_inside(meets.constraint->extent.number(), first, {of_axis * by, s.count}, {0, 1}));
    }
    return rows;
  }

  /// Steps of the reduction axes that meet no border.
  double free_taps() const {
    double steps = share_of_parts(nest_);
    for (const NestAxis& axis : nest_.axes) {
      if (!axis.reduction || std::find(met_.begin(), met_.end(), axis.var) != met_.end()) continue;
      int64_t extent = axis.extent.number();
      if (plan_.instruction.kind != Instruction::Kind::combine &&
          axis.var == plan_.loops.back().axis)
        extent = ceil_div(extent, plan_.loops.back().tile);
      if (plan_.across && axis.var == plan_.tile[*plan_.vector].axis)
        extent = ceil_div(extent, plan_.lanes);
      steps *= static_cast<double>(extent);
    }
    return steps;
  }

  /// The taps that slide, where free_taps() has them.
  double taps_apart() const {
    const bool met = std::find(met_.begin(), met_.end(), plan_.loops.back().axis) != met_.end();
    return met ? 1 : static_cast<double>(plan_.slide->taps);
  }

  double updates(const PlannedRead& read) const {
    double loads = 1;
    for (const auto& [var, a] : along_) {
      const bool slides = plan_.slide && var == plan_.tile[plan_.slide->tile].axis;
      if (slides && read.sliding == PlannedRead::Sliding::rows)
        loads *= a.rows / taps_apart();
      else if (slides && read.sliding == PlannedRead::Sliding::taps)
        loads *= plan_.slide->holds
                     ? a.tiles * static_cast<double>(plan_.slide->taps) / taps_apart()
                     : a.active;
      else
        loads *= moves(read.read.index, var) ? a.active : a.visits;
    }
    return loads;
  }

  static std::vector<Read> reads_in(const std::vector<Expr>& all) {
    std::vector<const ExprNode*> seen;
    std::vector<Read> reads;
    for (const Expr& e : all)
      visit(e, [&](const ExprNode& node) {
        const auto* read = std::get_if<Read>(&node.is);
        if (!read || std::find(seen.begin(), seen.end(), &node) != seen.end()) return;
        seen.push_back(&node);
        reads.push_back(*read);
      });
    return reads;
  }

  /// Loads of a read once a tile, in the tile's own order or turned for the store.
  double ends(const Read& read, bool turned) const {
    double loads = 1;
    for (const auto& [var, a] : along_) {
      if (!turned)
        loads *= moves(read.index, var) ? a.registers : a.tiles;
      else if (var == plan_.tile[plan_.store.rows].axis)
        loads *= a.blocks;
      else if (var == plan_.tile[*plan_.vector].axis)
        loads *= moves(read.index, var) ? a.elements : a.registers;
      else
        loads *= a.registers;
    }
    return loads;
  }

  void count_ends(Counts& counts) const {
    const bool turned = plan_.store.kind == PlannedStore::Kind::transposed;
    std::vector<Expr> values;
    for (const Write& w : nest_.writes) {
      values.push_back(w.value);
      if (w.offset) values.push_back(w.offset);
    }
    double registers = 1; // that are finished
    for (const auto& [var, a] : along_) {
      if (turned && var == plan_.tile[plan_.store.rows].axis)
        registers *= a.blocks;
      else if (turned && var == plan_.tile[*plan_.vector].axis)
        registers *= a.elements;
      else
        registers *= a.registers;
    }
    const bool waits = plan_.ends_in_loop; // and is loaded with all that it meets
    for (const Read& read : reads_in(values))
      counts.loads += waits ? registers : ends(read, turned);
    counts.stores += registers * static_cast<double>(nest_.writes.size());
    const double waiting = waits ? registers * static_cast<double>(nest_.accumulators.size()) : 0;
    counts.loads += waiting;
    counts.stores += waiting;
  }

  /// Products of matrices, row by row, and then vectors of the sums that wait in scratch.
  void count_matrices(Counts& counts, double taps) const {
    const Var rows = plan_.tile[plan_.matrix->rows].axis, lanes = plan_.tile[*plan_.vector].axis;
    const Read& image = std::get<Read>(plan_.instruction.dot->image->is);
    const Read& weight = read_in_part(plan_.instruction.dot->weight);
    double products = taps, images = taps, weights = taps, sums = 1, vectors = 1;
    for (const auto& [var, a] : along_) {
      products *= a.active;
      weights *= moves(weight.index, var) ? a.active : a.visits;
      const bool loaded = moves(image.index, var) || (!plan_.matrix->holds_images && var != lanes);
      images *= loaded ? a.active : a.visits;
      sums *= a.registers;
      vectors *= var == lanes ? a.blocks : a.elements;
    }
    const auto of_a_tile = static_cast<double>(plan_.tile[plan_.matrix->rows].rows);
    counts.multiply_adds =
        products * of_a_tile * static_cast<double>(plan_.lanes * plan_.loops.back().tile);
    counts.loads = images * of_a_tile + weights * static_cast<double>(plan_.instruction.steps);
    counts.stores = sums * of_a_tile;

    const bool turned = plan_.store.kind == PlannedStore::Kind::transposed;
    const auto finished = [&](bool by_row, bool by_lane) {
      double times = 1;
      for (const auto& [var, a] : along_)
        times *= var == rows    ? by_row && !turned ? a.elements : a.blocks
                 : var == lanes ? by_lane && turned ? a.elements : a.blocks
                                : a.elements;
      return times;
    };
    std::vector<Expr> values = {nest_.accumulators.front().initial};
    for (const Write& w : nest_.writes) values.push_back(w.value);
    counts.loads += vectors;
    for (const Read& read : reads_in(values))
      counts.loads += finished(moves(read.index, rows), moves(read.index, lanes));
    counts.stores += finished(true, true) * static_cast<double>(nest_.writes.size());
  }

  void count_partial_sums(Counts& counts) const {
    double trips = 0;
    for (size_t i = 0; i < plan_.first_tap(); ++i)
      if (plan_.loops[i].reduction)
        trips = std::max(trips, 1.0) * static_cast<double>(plan_.loops[i].trips());
    if (trips == 0) return;
    auto sums = static_cast<double>(nest_.accumulators.size());
    for (const auto& [var, a] : along_) sums *= a.registers;
    counts.loads += (trips + 1) * sums;
    counts.stores += (trips + 1) * sums;
  }

  const Nest& nest_;
  const Plan& plan_;
  const Borders borders_;
  std::map<Var, Along> along_;
  std::vector<Var> met_; // taps that are summed up with a parallel axis
};

} // namespace

Counts count_work(const Nest& nest, const Plan& plan) { return Counter(nest, plan).run(); }

} // namespace volute::compiler
