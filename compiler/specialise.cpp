#include "compiler/specialise.h"

#include "compiler/pack.h"
#include "compiler/prefetch.h"
#include "compiler/register_tile.h"
#include "compiler/strides.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace volute::compiler {

using namespace ir;

namespace {

/// Inclusive values of a loop variable.
struct Interval {
  int64_t lo = 0, hi = 0;
};

/// Where on an axis the code being written is: elements base + [0, size), of which those in
/// [active_lo, active_hi) meet data for the current tap.
struct AxisState {
  Affine base;
  int64_t size = 1;
  int64_t active_lo = 0, active_hi = 1;
};

/// Consecutive tiles of one loop that run the same code.
struct Segment {
  int64_t first = 0, count = 1; // tiles
  int64_t size = 1;             // elements of each
  bool element_wise = false;    // too many different borders: one element at a time
  std::string note;
};

struct State {
  std::vector<AxisState> axes;     // by nest variable
  std::vector<Affine> loops;       // value of each loop of the schedule, in units of its tile
  std::vector<Constraint> guarded; // constraints left to a test (staging copies only)
};

// Border tiles that get bodies of their own, a side. A filter so wide that more tiles than this
// meet the border is clipped element by element there: code size stays bounded.
constexpr int64_t most_border_bodies = 3;
constexpr int64_t most_split_taps = 16;

class Specialiser {
public:
  Specialiser(const Nest& nest, const Schedule& schedule, int32_t packed_buffer)
      : nest_(nest), schedule_(schedule), prefetcher_(nest, schedule) {
    step_.name = nest.name;
    step_.vars = nest.vars;
    step_.parameters = nest.parameters;
    step_.views = nest.operands;
    step_.tables = nest.tables;
    step_.packs = nest.packs;
    step_.origin = nest.origin;
    ranges_.resize(nest.vars.size());
    if (schedule.pack_weight) {
      layout_ = packed_layout(nest, schedule);
      packing_ = make_packing(nest, *layout_, packed_buffer);
      step_.views.push_back(packing_->nest.operands[0]);
    }
    for (const RegisterDirective& r : schedule.registers) {
      registers_.push_back({nest.axis(r.axis)->var,
                            static_cast<int32_t>(r.lanes),
                            {},
                            r.axis + (r.lanes ? "_v" : "_r")});
      shape_.push_back(r.lanes ? ceil_div(r.size, r.lanes) : r.size);
      if (r.lanes) lanes_ = static_cast<int32_t>(r.lanes), vector_ = registers_.size() - 1;
    }
  }

  Specialised run() {
    State state;
    for (size_t i = 0; i < nest_.vars.size(); ++i)
      state.axes.push_back({Affine(Var{static_cast<int32_t>(i)}), 1, 0, 1});
    for (const NestAxis& axis : nest_.axes) {
      const int64_t extent = axis.extent.constant();
      state.axes[id(axis.var)] = {0, extent, 0, extent};
    }
    state.loops.resize(schedule_.loops.size());
    for (const LoopDirective& loop : schedule_.loops)
      if (loop.parallel) item_extent(loop);
    make_arrays();
    step_.body = parallel_loops(0, state);
    return {std::move(step_), std::move(packing_)};
  }

private:
  static size_t id(Var var) { return static_cast<size_t>(var.id); }
  const std::string& name_of(Var var) const { return nest_.vars[id(var)]; }

  Var new_var(std::string name, Interval range) {
    step_.vars.push_back(std::move(name));
    ranges_.push_back(range);
    return {static_cast<int32_t>(step_.vars.size()) - 1};
  }

  // ---- what constraints say -----------------------------------------------------------------

  /// Smallest and largest value of an affine expression of loop variables.
  Interval bounds(const Affine& a) const {
    Interval sum{a.constant(), a.constant()};
    for (const Affine::Term& t : a.terms()) {
      const Interval r = id(t.var) < ranges_.size() ? ranges_[id(t.var)] : Interval{};
      sum.lo += t.coefficient * (t.coefficient > 0 ? r.lo : r.hi);
      sum.hi += t.coefficient * (t.coefficient > 0 ? r.hi : r.lo);
    }
    return sum;
  }

  /// The constraint's value with every axis but `keep` at the first element of its tile.
  Affine at_tile(const Affine& value, const State& state, Var keep) const {
    Affine result = value.constant();
    for (const Affine::Term& t : value.terms())
      result += (t.var == keep ? Affine(t.var) : state.axes[id(t.var)].base) * t.coefficient;
    return result;
  }

  /// The parallel axis of more than one element in the current tile that the constraint mentions.
  std::optional<Var> tiled_axis(const Constraint& c, const State& state) const {
    for (const NestAxis& axis : nest_.axes)
      if (!axis.reduction && c.value.depends_on(axis.var) && state.axes[id(axis.var)].size > 1)
        return axis.var;
    return std::nullopt;
  }

  bool mentions_reduction(const Constraint& c) const {
    return std::any_of(nest_.axes.begin(), nest_.axes.end(),
                       [&](const NestAxis& a) { return a.reduction && c.value.depends_on(a.var); });
  }

  /// Smallest and largest contribution of the reduction axes to the constraint's value.
  Interval reduction_span(const Constraint& c) const {
    Interval span{0, 0};
    for (const NestAxis& axis : nest_.axes) {
      if (!axis.reduction) continue;
      const int64_t reach = c.value.coefficient(axis.var) * (axis.extent.constant() - 1);
      span.lo += std::min<int64_t>(reach, 0);
      span.hi += std::max<int64_t>(reach, 0);
    }
    return span;
  }

  /// Does every element of [begin, begin + size) of the axis satisfy every constraint for every
  /// tap?
  bool interior(Var axis, int64_t begin, int64_t size) const {
    for (const Constraint& c : nest_.constraints) {
      const int64_t factor = c.value.coefficient(axis);
      if (factor == 0) continue;
      const Interval span = reduction_span(c);
      const int64_t a = factor * begin, b = factor * (begin + size - 1);
      if (std::min(a, b) + span.lo + c.value.constant() < 0) return false;
      if (std::max(a, b) + span.hi + c.value.constant() >= c.extent.constant()) return false;
    }
    return true;
  }

  bool constrained(Var axis) const {
    return std::any_of(nest_.constraints.begin(), nest_.constraints.end(),
                       [&](const Constraint& c) { return c.value.depends_on(axis); });
  }

  // ---- loops over parallel axes -------------------------------------------------------------

  bool is_last(size_t at) const {
    return std::none_of(schedule_.loops.begin() + static_cast<long>(at) + 1, schedule_.loops.end(),
                        [&](const LoopDirective& l) { return l.axis == schedule_.loops[at].axis; });
  }

  void item_extent(const LoopDirective& loop) {
    int64_t extent = nest_.axis(loop.axis)->extent.constant();
    for (size_t i = 0; i < step_.items.size(); ++i)
      if (schedule_.loops[i].axis == loop.axis) {
        if (extent % schedule_.loops[i].by != 0)
          throw Error(
              fail("schedule", fmt::format("nest {}: parallel {}: its tiles of {} do not divide "
                                           "{}, so it cannot be parallel twice",
                                           nest_.name, loop.axis, schedule_.loops[i].by, extent))
                  .diagnostics);
        extent = schedule_.loops[i].by;
      }
    const int64_t count = ceil_div(extent, loop.by);
    step_.items.push_back(
        {new_var(loop.by > 1 ? loop.axis + "_t" : loop.axis, {0, std::max<int64_t>(count - 1, 0)}),
         count});
  }

  std::vector<Segment> segments(size_t at, const State& state) const {
    const LoopDirective& loop = schedule_.loops[at];
    const Var axis = nest_.axis(loop.axis)->var;
    const AxisState& here = state.axes[id(axis)];
    const int64_t full = here.size / loop.by, tail = here.size % loop.by;
    std::vector<Segment> result;
    if (!(is_last(at) && loop.by > 1 && constrained(axis))) {
      if (full) result.push_back({0, full, loop.by, false, tail ? "whole tiles" : ""});
      if (tail) result.push_back({full, 1, tail, false, "the last, smaller tile"});
      return result;
    }
    if (!here.base.is_constant())
      throw Error(
          fail("schedule",
               fmt::format(
                   "nest {}: for {} by {}: an axis whose taps reach into the padding is tiled once",
                   nest_.name, loop.axis, loop.by),
               fmt::format("leave out the outer loop over {}", loop.axis))
              .diagnostics);
    const int64_t begin = here.base.constant();
    int64_t left = 0, right = full;
    while (left < full && !interior(axis, begin + left * loop.by, loop.by)) ++left;
    while (right > left && !interior(axis, begin + (right - 1) * loop.by, loop.by)) --right;
    const bool wide = split_taps(axis) > most_split_taps;
    const bool left_apart = left > most_border_bodies || (left > 0 && wide);
    const bool right_apart = full - right > most_border_bodies || (right < full && wide);
    const auto add = [&](int64_t from, int64_t to, bool element_wise, const char* note) {
      if (from < to) result.push_back({from, to - from, loop.by, element_wise, note});
    };
    add(0, left_apart ? left : 0, true, "the left border, an element at a time");
    add(left_apart ? left : 0, right_apart ? right : full, false,
        left_apart || right_apart || tail ? "whole tiles" : "");
    add(right_apart ? right : full, full, true, "the right border, an element at a time");
    if (tail) {
      const bool apart = wide && !interior(axis, begin + full * loop.by, tail);
      result.push_back({full, 1, tail, apart, "the last, smaller tile"});
    }
    return result;
  }

  /// Taps that a border tile of the axis has to tell apart.
  int64_t split_taps(Var axis) const {
    int64_t taps = 1;
    for (const Constraint& c : nest_.constraints)
      if (c.value.depends_on(axis))
        for (const NestAxis& a : nest_.axes)
          if (a.reduction && c.value.depends_on(a.var)) taps = std::max(taps, a.extent.constant());
    return taps;
  }

  Stmt parallel_loops(size_t at, const State& state) {
    if (at == schedule_.loops.size() || nest_.axis(schedule_.loops[at].axis)->reduction)
      return tile(at, state);
    const LoopDirective& loop = schedule_.loops[at];
    const std::vector<Segment> parts = segments(at, state);
    std::vector<Stmt> stmts;
    for (const Segment& s : parts) {
      const int64_t end = s.first + s.count;
      if (loop.parallel) {
        const Var item = step_.items[at].var;
        const Interval saved = ranges_[id(item)];
        ranges_[id(item)] = {s.first, end - 1};
        Stmt code = loop_body(at, state, s, s.count == 1 ? Affine(s.first) : Affine(item));
        ranges_[id(item)] = saved;
        stmts.push_back(parts.size() == 1 ? code : stmt(When{item, s.first, end, code}, s.note));
      } else if (s.count == 1) {
        stmts.push_back(block({loop_body(at, state, s, s.first)}, s.note));
      } else {
        const Var var = new_var(loop.by > 1 ? loop.axis + "_t" : loop.axis, {s.first, end - 1});
        const auto kind =
            loop.unroll == LoopDirective::full ? For::Kind::unrolled : For::Kind::serial;
        Stmt code = loop_body(at, state, s, var);
        stmts.push_back(for_loop(var, Range::of(s.first, end), kind, std::move(code), s.note));
      }
    }
    return block(std::move(stmts));
  }

  /// What one tile of a loop runs. `state` is that of the loop's outside.
  Stmt loop_body(size_t at, State state, const Segment& segment, const Affine& tile_index) {
    const LoopDirective& loop = schedule_.loops[at];
    const Var axis = nest_.axis(loop.axis)->var;
    enter_tile(state, at, segment.size, tile_index);
    if (!segment.element_wise) return parallel_loops(at + 1, state);
    AxisState& there = state.axes[id(axis)];
    const Affine begin = there.base;
    const Var element = new_var(loop.axis + "_e", {0, segment.size - 1});
    there = {begin + Affine(element), 1, 0, 1};
    element_offset_[id(axis)] = element;
    Stmt body = parallel_loops(at + 1, state);
    element_offset_.erase(id(axis));
    return for_loop(element, Range::of(0, segment.size), For::Kind::serial, std::move(body));
  }

  void enter_tile(State& state, size_t at, int64_t size, const Affine& tile_index) const {
    AxisState& there = state.axes[id(nest_.axis(schedule_.loops[at].axis)->var)];
    state.loops[at] = tile_index;
    there = {there.base + tile_index * schedule_.loops[at].by, size, 0, size};
  }

  // ---- the register tile --------------------------------------------------------------------

  void make_arrays() {
    for (const Accumulator& a : nest_.accumulators) {
      accumulator_arrays_.push_back(static_cast<int32_t>(step_.arrays.size()));
      step_.arrays.push_back({a.name, a.type, lanes_, shape_});
    }
  }

  /// The tile axes with the elements of [lo, hi) that the state makes active, or all.
  std::vector<TileAxis> spread(const State& state, bool only_active) const {
    std::vector<TileAxis> axes = registers_;
    for (TileAxis& axis : axes) {
      const AxisState& s = state.axes[id(axis.axis)];
      axis.pieces = only_active ? pieces_of(s.active_lo, s.active_hi, axis.lanes)
                                : pieces_of(0, s.size, axis.lanes);
    }
    return axes;
  }

  std::vector<Affine> bases(const State& state) const {
    std::vector<Affine> result;
    for (const AxisState& s : state.axes) result.push_back(s.base);
    return result;
  }

  AccumulatorRegister in_tile() const {
    return [this](int32_t a, const std::vector<Affine>& registers) {
      return reg(nest_.accumulators[static_cast<size_t>(a)].type, lanes_,
                 accumulator_arrays_[static_cast<size_t>(a)], registers);
    };
  }

  TileWriter::Source source(const State& state, const std::vector<Affine>& base) {
    TileWriter::Source result{nest_, step_, base, nullptr, nullptr};
    if (layout_) {
      result.redirect = [this, &state](const Read& read) { return packed_read(read, state); };
      result.is_padded = [this](const Read& read) { return read.operand == nest_.weight; };
    }
    return result;
  }

  std::optional<Read> packed_read(const Read& read, const State& state) const {
    if (read.operand != nest_.weight) return std::nullopt;
    Index index;
    for (const PackedLayout::Dimension& d : layout_->dimensions) {
      const Var axis = nest_.axis(d.axis)->var;
      if (d.loop < 0) { // the element within the register tile
        const auto element = element_offset_.find(id(axis));
        Affine within = Affine(axis) - state.axes[id(axis)].base;
        if (element != element_offset_.end()) within += Affine(element->second);
        index.emplace_back(std::move(within));
      } else {
        index.emplace_back(state.loops[static_cast<size_t>(d.loop)]);
      }
    }
    return Read{static_cast<int32_t>(step_.views.size()) - 1, std::move(index)};
  }

  Stmt tile(size_t first_reduction, State state) {
    std::vector<Stmt> parts;
    const std::vector<Affine> base = bases(state);
    if (!nest_.accumulators.empty()) {
      std::vector<Expr> initial;
      for (const Accumulator& a : nest_.accumulators) initial.push_back(a.initial);
      parts.push_back(TileWriter(source(state, base), spread(state, false))
                          .write(initial, in_tile(),
                                 [&](const auto& values, const auto& registers, const Piece&) {
                                   return set_accumulators(values, registers);
                                 }));
      if (narrow_to_domain(state)) parts.push_back(reduction_loops(first_reduction, state));
    }
    parts.push_back(epilogue(state));
    return block(std::move(parts));
  }

  Stmt set_accumulators(const std::vector<Expr>& values,
                        const std::vector<Affine>& registers) const {
    std::vector<Stmt> sets;
    for (size_t a = 0; a < values.size(); ++a)
      sets.push_back(stmt(Set{accumulator_arrays_[a], registers, values[a]}));
    return block(std::move(sets));
  }

  /// Constraints without a reduction axis (a copy into a padded frame): narrows the active elements
  /// of tiled axes; false when no element is inside. Scalar ones that are not decided become tests.
  bool narrow_to_domain(State& state) const {
    for (const Constraint& c : nest_.constraints) {
      if (mentions_reduction(c)) continue;
      const std::optional<Var> tiled = tiled_axis(c, state);
      const int64_t extent = c.extent.constant();
      if (tiled) {
        const Affine rest =
            at_tile(c.value, state, *tiled).filter([&](Var v) { return v != *tiled; }, true);
        AxisState& s = state.axes[id(*tiled)];
        if (!(rest + s.base * c.value.coefficient(*tiled)).is_constant())
          continue; // interior by segmentation
        const auto [lo, hi] = active((rest + s.base * c.value.coefficient(*tiled)).constant(),
                                     c.value.coefficient(*tiled), s.size, extent);
        s.active_lo = std::max(s.active_lo, lo), s.active_hi = std::min(s.active_hi, hi);
        if (s.active_lo >= s.active_hi) return false;
        continue;
      }
      const Affine value = at_tile(c.value, state, Var{});
      const Interval range = bounds(value);
      if (range.hi < 0 || range.lo >= extent) return false;
      if (range.lo < 0 || range.hi >= extent) state.guarded.push_back({value, extent});
    }
    return true;
  }

  /// Elements j in [0, size) with 0 <= start + factor * j < extent.
  static std::pair<int64_t, int64_t> active(int64_t start, int64_t factor, int64_t size,
                                            int64_t extent) {
    int64_t lo = 0, hi = size;
    while (lo < hi && !(start + factor * lo >= 0 && start + factor * lo < extent)) ++lo;
    while (hi > lo && !(start + factor * (hi - 1) >= 0 && start + factor * (hi - 1) < extent)) --hi;
    return {lo, hi};
  }

  // ---- loops over reduction axes ------------------------------------------------------------

  struct TapRun { // consecutive taps that the same elements of the tile meet
    int64_t begin, end;
    int64_t active_lo, active_hi;
    bool operator==(const TapRun&) const = default;
  };

  /// Taps that every element of the tile meets run in one loop, clipped at the border; those that
  /// only some elements meet follow, on border tiles alone. Taps that no element meets are gone.
  Stmt reduction_loops(size_t at, const State& state) {
    if (at == schedule_.loops.size()) return update(state);
    const LoopDirective& loop = schedule_.loops[at];
    const NestAxis& axis = *nest_.axis(loop.axis);
    if (loop.by > 1) return tap_tiles(at, state);

    Range whole = Range::of(0, state.axes[id(axis.var)].size);
    std::optional<Var> split;
    const Constraint* splitting = nullptr;
    for (const Constraint& c : nest_.constraints) {
      if (!c.value.depends_on(axis.var)) continue;
      clip_range(whole, c, axis, state);
      if (const std::optional<Var> tiled = tiled_axis(c, state)) split = tiled, splitting = &c;
    }
    Stmt meets_all = tap_loop(at, whole, state);
    if (!split) return meets_all;
    return block({std::move(meets_all), partial_taps(at, *splitting, axis, *split, state)});
  }

  /// The taps that reach into the padding for some elements of the tile, for each border tile.
  Stmt partial_taps(size_t at, const Constraint& c, const NestAxis& axis, Var tiled,
                    const State& state) {
    const std::optional<size_t> loop = tile_loop(tiled);
    const Affine tile_index = loop ? state.loops[*loop] : Affine(0);
    const int64_t by = loop ? schedule_.loops[*loop].by : 0;
    const Affine origin = state.axes[id(tiled)].base - tile_index * by; // a number: tiled once
    const Interval tiles = bounds(tile_index);
    struct Group {
      int64_t first, end;
      std::vector<TapRun> runs;
    };
    std::vector<Group> groups;
    for (int64_t t = tiles.lo; t <= tiles.hi; ++t) {
      const int64_t begin = origin.constant() + t * by;
      if (interior(tiled, begin, state.axes[id(tiled)].size)) {
        // All tiles up to the next border are.
        int64_t lo = t, hi = tiles.hi;
        while (lo < hi) {
          const int64_t middle = lo + (hi - lo + 1) / 2;
          if (interior(tiled, origin.constant() + middle * by, state.axes[id(tiled)].size))
            lo = middle;
          else
            hi = middle - 1;
        }
        t = lo;
        continue;
      }
      std::vector<TapRun> runs = partial_runs(c, axis, tiled, begin, state);
      if (runs.empty()) continue;
      if (!groups.empty() && groups.back().end == t && groups.back().runs == runs)
        groups.back().end = t + 1;
      else
        groups.push_back({t, t + 1, std::move(runs)});
    }
    std::vector<Stmt> parts;
    for (const Group& group : groups) {
      std::vector<Stmt> taps;
      for (const TapRun& run : group.runs) {
        State inner = state;
        inner.axes[id(tiled)].active_lo = run.active_lo;
        inner.axes[id(tiled)].active_hi = run.active_hi;
        taps.push_back(
            block({tap_loop(at, Range::of(run.begin, run.end), inner)},
                  fmt::format("elements {}..{} of the tile meet {}", run.active_lo, run.active_hi,
                              run.end - run.begin == 1 ? "this tap" : "these taps")));
      }
      Stmt code = block(std::move(taps));
      const bool always = tiles.lo >= group.first && tiles.hi < group.end;
      parts.push_back(always ? code
                             : stmt(When{tile_index, group.first, group.end, std::move(code)}));
    }
    return block(std::move(parts));
  }

  /// The loop that places the register tile along an axis.
  std::optional<size_t> tile_loop(Var axis) const {
    for (size_t i = schedule_.loops.size(); i-- > 0;)
      if (nest_.axis(schedule_.loops[i].axis)->var == axis) return i;
    return std::nullopt;
  }

  std::vector<TapRun> partial_runs(const Constraint& c, const NestAxis& axis, Var tiled,
                                   int64_t begin, const State& state) const {
    std::vector<TapRun> runs;
    const int64_t size = state.axes[id(tiled)].size;
    Affine start = c.value.constant() + c.value.coefficient(tiled) * begin;
    for (const Affine::Term& t : c.value.terms())
      if (t.var != tiled && t.var != axis.var) start += state.axes[id(t.var)].base * t.coefficient;
    if (!start.is_constant())
      throw InternalError(fmt::format("nest {}: a border that depends on two loops", nest_.name));
    for (int64_t k = 0; k < axis.extent.constant(); ++k) {
      const auto [lo, hi] = active(start.constant() + c.value.coefficient(axis.var) * k,
                                   c.value.coefficient(tiled), size, c.extent.constant());
      if (lo >= hi || (lo == 0 && hi == size)) continue;
      if (!runs.empty() && runs.back().end == k && runs.back().active_lo == lo &&
          runs.back().active_hi == hi)
        runs.back().end = k + 1;
      else
        runs.push_back({k, k + 1, lo, hi});
    }
    return runs;
  }

  /// Bounds of a tap loop, so that every element of the tile satisfies the constraint.
  void clip_range(Range& range, const Constraint& c, const NestAxis& axis,
                  const State& state) const {
    const int64_t factor = c.value.coefficient(axis.var);
    const int64_t extent = c.extent.constant();
    const int64_t reach = factor * (axis.extent.constant() - 1);
    Affine lowest = c.value.constant(); // over the tile's elements, the tap's own term left out
    for (const Affine::Term& t : c.value.terms())
      if (t.var != axis.var) lowest += state.axes[id(t.var)].base * t.coefficient;
    Affine highest = lowest;
    for (const NestAxis& other : nest_.axes) {
      const int64_t span =
          other.reduction ? 0
                          : c.value.coefficient(other.var) * (state.axes[id(other.var)].size - 1);
      (span < 0 ? lowest : highest) += Affine(span);
    }
    // 0 <= factor * k + rest < extent, solved for k with quotients rounded up.
    const bool low_holds = bounds(lowest).lo + std::min<int64_t>(reach, 0) >= 0;
    const bool high_holds = bounds(highest).hi + std::max<int64_t>(reach, 0) < extent;
    const auto bound = [&](const Affine& numerator, int64_t divisor) -> Bound {
      if (numerator.is_constant()) return {Affine(ceil_div(numerator.constant(), divisor)), 1};
      return {numerator, divisor};
    };
    if (factor > 0) {
      if (!low_holds) range.lo.push_back(bound(lowest * -1, factor));
      if (!high_holds) range.hi.push_back(bound(Affine(extent) - highest, factor));
    } else {
      if (!high_holds) range.lo.push_back(bound(highest + Affine(1 - extent), -factor));
      if (!low_holds) range.hi.push_back(bound(lowest + Affine(1), -factor));
    }
    tighten(range);
  }

  /// Constant bounds of one side merge into one; it comes first.
  static void tighten(Range& range) {
    const auto merge = [](std::vector<Bound>& bounds, bool largest) {
      std::optional<int64_t> constant;
      std::vector<Bound> rest;
      for (const Bound& b : bounds) {
        if (!b.numerator.is_constant()) {
          rest.push_back(b);
          continue;
        }
        const int64_t value = ceil_div(b.numerator.constant(), b.divisor);
        constant = !constant ? value
                   : largest ? std::max(*constant, value)
                             : std::min(*constant, value);
      }
      bounds.clear();
      if (constant) bounds.push_back({Affine(*constant), 1});
      bounds.insert(bounds.end(), rest.begin(), rest.end());
    };
    merge(range.lo, true);
    merge(range.hi, false);
  }

  Stmt tap_loop(size_t at, Range range, const State& state) {
    tighten(range);
    const LoopDirective& loop = schedule_.loops[at];
    const Var axis = nest_.axis(loop.axis)->var;
    const bool innermost = at + 1 == schedule_.loops.size();
    const auto body = [&](const Affine& value) {
      State inner = state;
      inner.axes[id(axis)] = {state.axes[id(axis)].base + value, 1, 0, 1};
      inner.loops[at] = value;
      return reduction_loops(at + 1, inner);
    };
    const int64_t extent = state.axes[id(axis)].size;
    if (!range.is_constant()) {
      const Var var = new_var(loop.axis, {0, extent - 1});
      Stmt code = body(var);
      return for_loop(var, std::move(range), For::Kind::serial, std::move(code),
                      "taps inside the image");
    }
    const int64_t lo = range.begin(), hi = range.end();
    if (lo >= hi) return block({});
    const auto copies = [&](int64_t from, int64_t to, const Affine& offset) {
      const Var var = new_var(loop.axis + (offset.is_constant() ? "" : "_u"), {from, to - 1});
      std::vector<Stmt> code = {body(offset + Affine(var))};
      // Without a fence, instruction selection merges the equal inputs of neighbouring taps and
      // runs out of registers.
      if (innermost) code.push_back(stmt(Fence{}));
      return for_loop(var, Range::of(from, to), For::Kind::unrolled, block(std::move(code)));
    };
    if (loop.unroll == LoopDirective::full || hi - lo == 1) return copies(lo, hi, 0);
    const int64_t trips = loop.unroll > 1 ? (hi - lo) / loop.unroll : 0;
    if (trips == 0) {
      const Var var = new_var(loop.axis, {lo, hi - 1});
      Stmt code = body(var);
      return for_loop(var, range, For::Kind::serial, std::move(code));
    }
    const Var trip = new_var(loop.axis + "_b", {0, trips - 1});
    std::vector<Stmt> parts;
    Stmt code = copies(0, loop.unroll, Affine(trip) * loop.unroll + Affine(lo));
    parts.push_back(for_loop(trip, Range::of(0, trips), For::Kind::serial, std::move(code)));
    if (const int64_t done = lo + trips * loop.unroll; done < hi)
      parts.push_back(copies(done, hi, 0));
    return block(std::move(parts));
  }

  /// The outer of two loops over a tap axis that meets no padding: whole tiles, then what is left.
  Stmt tap_tiles(size_t at, const State& state) {
    const LoopDirective& loop = schedule_.loops[at];
    const Var axis = nest_.axis(loop.axis)->var;
    const AxisState& here = state.axes[id(axis)];
    const int64_t trips = here.size / loop.by, rest = here.size % loop.by;
    const auto body = [&](const Affine& tile_index, int64_t size) {
      State inner = state;
      inner.axes[id(axis)] = {here.base + tile_index * loop.by, size, 0, size};
      inner.loops[at] = tile_index;
      return reduction_loops(at + 1, inner);
    };
    std::vector<Stmt> parts;
    if (trips > 0) {
      const Var trip = new_var(loop.axis + "_t", {0, trips - 1});
      Stmt code = body(trip, loop.by);
      Stmt ahead = prefetcher_.at_trip(bases(state), state.loops, at, trip, trips);
      parts.push_back(for_loop(trip, Range::of(0, trips), For::Kind::serial,
                               block({std::move(code), std::move(ahead)})));
    }
    if (rest > 0) parts.push_back(body(trips, rest));
    return block(std::move(parts));
  }

  Stmt update(const State& state) {
    const std::vector<Affine> base = bases(state);
    std::vector<Expr> updates;
    for (const Accumulator& a : nest_.accumulators) updates.push_back(a.update);
    std::vector<TileAxis> axes = spread(state, true);
    for (const TileAxis& axis : axes)
      if (axis.pieces.empty()) return block({});
    Stmt code = TileWriter(source(state, base), std::move(axes), neutral())
                    .write(updates, in_tile(),
                           [&](const auto& values, const auto& registers, const Piece&) {
                             return set_accumulators(values, registers);
                           });
    code = block({std::move(code), prefetcher_.at_tap(base)});
    for (const Constraint& c : state.guarded)
      code = stmt(When{c.value, 0, c.extent.constant(), code});
    return code;
  }

  /// What a lane outside the domain reads so that its accumulator keeps its value: found by trying.
  double neutral() {
    if (neutral_) return *neutral_;
    constexpr double infinity = std::numeric_limits<double>::infinity();
    for (double candidate : {0.0, -infinity, infinity})
      if (keeps_accumulators(candidate)) return *(neutral_ = candidate);
    if (lanes_ > 1 && !nest_.constraints.empty())
      throw Error(fail("schedule", fmt::format("nest {}: its combine has no neutral element, so a "
                                               "padded axis cannot be the vector axis",
                                               nest_.name))
                      .diagnostics);
    return *(neutral_ = 0.0);
  }

  bool keeps_accumulators(double candidate) const {
    for (const Accumulator& a : nest_.accumulators)
      for (double value : {0.0, 2.5, -3.0}) {
        const std::function<Scalar(const Expr&)> evaluate = [&](const Expr& e) -> Scalar {
          if (std::holds_alternative<Acc>(e->is)) return {value, static_cast<int64_t>(value)};
          if (const auto* read = std::get_if<Read>(&e->is))
            return read->operand == nest_.weight ? Scalar{1.5, 2} : Scalar{candidate, 0};
          std::array<Scalar, 4> operands{};
          size_t n = 0;
          for (const Expr& child : children(e)) operands[n++] = evaluate(child);
          return apply(*e, operands.data());
        };
        if (evaluate(a.update).real != value) return false;
      }
    return true;
  }

  // ---- the store ----------------------------------------------------------------------------

  int64_t stride_of(const Write& write, Var axis) const {
    return stride_along(nest_, write.operand, write.index, axis);
  }

  Stmt epilogue(const State& state) {
    std::optional<size_t> rows; // the unrolled tile axis along which the result is contiguous
    if (lanes_ > 1 && !nest_.accumulators.empty() &&
        stride_of(nest_.writes.front(), registers_[vector_].axis) != 1)
      for (size_t i = 0; i < registers_.size(); ++i)
        if (i != vector_ && shape_[i] > 1 &&
            stride_of(nest_.writes.front(), registers_[i].axis) == 1)
          rows = i;
    if (rows) return transposed_epilogue(state, *rows);
    const std::vector<Affine> base = bases(state);
    return write_results(state, base, spread(state, false), in_tile());
  }

  Stmt write_results(const State& state, const std::vector<Affine>& base,
                     std::vector<TileAxis> axes, const AccumulatorRegister& accumulators) {
    std::vector<Expr> values;
    for (const Write& w : nest_.writes) values.push_back(w.value);
    TileWriter writer(source(state, base), std::move(axes));
    return writer.write(
        values, accumulators, [&](const auto& lowered, const auto& registers, const Piece& vector) {
          std::vector<Stmt> stores;
          for (size_t i = 0; i < lowered.size(); ++i) {
            TileWriter::Address to = writer.address(nest_.writes[i].index, registers);
            if (to.lane_dim < 0 && writer.lanes() > 1)
              throw Error(
                  fail("schedule",
                       fmt::format("nest {}: the result does not move along the vector axis",
                                   nest_.name))
                      .diagnostics);
            stores.push_back(
                stmt(Store{nest_.writes[i].operand, std::move(to.index), to.lane_dim, to.lane_step,
                           to.lane_dim < 0 ? 1 : vector.count, lowered[i]}));
          }
          return block(std::move(stores));
        });
  }

  // Before: acc[14 pixels][2] of 16 channels. After: for each vector, 16 channels x 14 pixels, and
  // the epilogue runs on rows of pixels, which is how a channels-first result lies in memory.
  Stmt transposed_epilogue(const State& state, size_t rows) {
    std::vector<int32_t> turned;
    for (const Accumulator& a : nest_.accumulators) {
      turned.push_back(static_cast<int32_t>(step_.arrays.size()));
      step_.arrays.push_back({a.name + "_rows", a.type, lanes_, {lanes_}});
    }
    return transposed_loops(state, rows, 0, std::vector<Affine>(registers_.size()), Piece{},
                            turned);
  }

  Stmt transposed_loops(const State& state, size_t rows, size_t depth,
                        std::vector<Affine> registers, const Piece& vector,
                        const std::vector<int32_t>& turned) {
    std::vector<Stmt> parts;
    if (depth == registers_.size()) {
      const int64_t size = state.axes[id(registers_[rows].axis)].size;
      for (int64_t begin = 0; begin < size; begin += lanes_) {
        const auto count = static_cast<int32_t>(std::min<int64_t>(size - begin, lanes_));
        parts.push_back(transposed_block(state, rows, registers, vector, begin, count, turned));
      }
      return block(std::move(parts));
    }
    if (depth == rows) return transposed_loops(state, rows, depth + 1, registers, vector, turned);
    const TileAxis& axis = registers_[depth];
    for (const Piece& piece : pieces_of(0, state.axes[id(axis.axis)].size, axis.lanes)) {
      const Var var = new_var(axis.name, {piece.begin, piece.end - 1});
      registers[depth] = var;
      parts.push_back(for_loop(var, Range::of(piece.begin, piece.end), For::Kind::unrolled,
                               transposed_loops(state, rows, depth + 1, registers,
                                                depth == vector_ ? piece : vector, turned)));
    }
    return block(std::move(parts));
  }

  Stmt transposed_block(const State& state, size_t rows, std::vector<Affine> registers,
                        const Piece& vector, int64_t begin, int32_t count,
                        const std::vector<int32_t>& turned) {
    std::vector<Stmt> parts;
    registers[rows] = begin;
    for (size_t a = 0; a < turned.size(); ++a)
      parts.push_back(stmt(Transpose{turned[a], accumulator_arrays_[a], registers,
                                     static_cast<int32_t>(rows), count}));
    State inner = state;
    std::vector<TileAxis> axes;
    for (size_t i = 0; i < registers_.size(); ++i) {
      AxisState& s = inner.axes[id(registers_[i].axis)];
      if (i == vector_) {
        s.base += registers[i] * lanes_;
        axes.insert(axes.begin(),
                    {registers_[i].axis, 0, pieces_of(0, vector.count, 0),
                     registers_[i].axis.id >= 0 ? name_of(registers_[i].axis) + "_l" : ""});
      } else if (i == rows) {
        s.base += Affine(begin);
        axes.push_back({registers_[i].axis, lanes_, pieces_of(0, count, lanes_),
                        name_of(registers_[i].axis) + "_v"});
      } else {
        s.base += registers[i];
      }
    }
    const AccumulatorRegister from_rows = [this, &turned](int32_t a,
                                                          const std::vector<Affine>& at) {
      return reg(nest_.accumulators[static_cast<size_t>(a)].type, lanes_,
                 turned[static_cast<size_t>(a)], {at.front()});
    };
    const std::vector<Affine> base = bases(inner);
    parts.push_back(write_results(inner, base, std::move(axes), from_rows));
    return block(std::move(parts));
  }

  const Nest& nest_;
  const Schedule& schedule_;
  Prefetcher prefetcher_;
  Step step_;
  std::optional<PackedLayout> layout_;
  std::optional<Packing> packing_;
  std::vector<Interval> ranges_; // by step variable
  std::vector<TileAxis> registers_;
  std::vector<int64_t> shape_; // registers along each tile axis
  int32_t lanes_ = 1;
  size_t vector_ = 0; // which tile axis is the vector axis, when lanes_ > 1
  std::vector<int32_t> accumulator_arrays_;
  std::map<size_t, Var> element_offset_; // axes that are walked element by element inside a tile
  std::optional<double> neutral_;
};

} // namespace

Expected<Specialised> specialise(const Nest& nest, const Schedule& schedule,
                                 int32_t packed_buffer) {
  try {
    return Specialiser(nest, schedule, packed_buffer).run();
  } catch (const InternalError&) {
    throw;
  } catch (const Error& error) {
    return Failure{error.diagnostics()};
  }
}

} // namespace volute::compiler
