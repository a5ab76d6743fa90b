#include "compiler/specialise/specialise.h"

#include "compiler/nests/constant_weight.h"
#include "compiler/nests/neutral.h"
#include "compiler/nests/weight_expression.h"
#include "compiler/specialise/borders.h"
#include "compiler/specialise/pack.h"
#include "compiler/specialise/prefetch.h"
#include "compiler/specialise/register_tile.h"
#include "compiler/specialise/tile_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace volute::compiler {

using namespace ir;

namespace {

// Multiply-adds of one tile that are copied out with their weights' numbers in them.
constexpr int64_t most_copied = 512;

bool is_empty(const Stmt& s) {
  const auto* inner = std::get_if<Block>(&s->is);
  return inner && std::all_of(inner->stmts.begin(), inner->stmts.end(), is_empty);
}

/// Where the code being written is.
struct State {
  std::vector<Place> places;       // by nest variable; taps too
  std::vector<Affine> loops;       // value of each loop of the schedule, in units of its tile
  std::vector<Constraint> guarded; // constraints left to a test (copies into a frame only)
};

class Specialiser {
public:
  Specialiser(const Nest& nest, const Schedule& schedule, int32_t packed_buffer,
              const std::vector<Buffer>& buffers)
      : nest_(nest), schedule_(schedule), borders_(nest_), prefetcher_(nest, schedule) {
    step_.name = nest.name;
    step_.vars = nest.vars;
    step_.parameters = nest.parameters;
    step_.views = nest.operands;
    step_.tables = nest.tables;
    step_.packs = nest.packs;
    step_.origin = nest.origin;
    ranges_.resize(nest.vars.size());
    for (const ParameterVar& p : nest.parameters)
      ranges_[id(p.var)] = {p.range.least, p.range.most};
    if (schedule.pack_weight) {
      layout_ = packed_layout(nest, schedule);
      packing_ = make_packing(nest, packed_expression(nest, schedule), *layout_, packed_buffer);
      nest_ = with_packed_weight(nest);
      View packed = packing_->nest.operands[0];
      if (layout_->group > 1) { // each lane's group is part of the vector
        packed.dims.pop_back();
        packed.dims.back().extent *= layout_->group;
        packed.dims.back().stride = 1;
      }
      step_.views.push_back(std::move(packed));
    }
    if (!schedule.loops.empty() && schedule.loops.back().dot)
      dot_ = dot_form(nest, nest.axis(schedule.loops.back().axis)->var);
    make_frame();
    use_constants(nest, buffers);
  }

  Specialised run() {
    State state;
    bool has_work = true;
    for (size_t i = 0; i < nest_.vars.size(); ++i)
      state.places.push_back({Affine(Var{static_cast<int32_t>(i)}), 1, 0, 1});
    for (const NestAxis& axis : nest_.axes) {
      const int64_t extent = most(axis.extent);
      state.places[id(axis.var)] = {0, extent, 0, extent};
      has_work &= extent > 0;
    }
    state.loops.resize(schedule_.loops.size());
    if (has_work) {
      for (const LoopDirective& loop : schedule_.loops)
        if (loop.parallel) add_items(loop);
      step_.body = parallel_loops(0, state);
    } else { // an empty batch
      step_.items = {{new_var("nothing", {0, 0}), Affine(0)}};
      step_.body = block({});
    }
    return {std::move(step_), std::move(packing_)};
  }

private:
  static size_t id(Var var) { return static_cast<size_t>(var.id); }

  Var new_var(std::string name, Interval range) {
    step_.vars.push_back(std::move(name));
    ranges_.resize(step_.vars.size());
    ranges_.back() = range;
    return {static_cast<int32_t>(step_.vars.size()) - 1};
  }

  void make_frame() {
    for (const RegisterDirective& r : schedule_.registers) {
      if (r.lanes) frame_.lanes = static_cast<int32_t>(r.lanes), frame_.vector = frame_.axes.size();
      frame_.axes.push_back({nest_.axis(r.axis)->var,
                             static_cast<int32_t>(r.lanes),
                             {},
                             r.axis + (r.lanes ? "_v" : "_r")});
      frame_.shape.push_back(ceil_div(r.size, std::max<int64_t>(r.lanes, 1)));
    }
    for (const Accumulator& a : nest_.accumulators) {
      frame_.accumulators.push_back(static_cast<int32_t>(step_.arrays.size()));
      step_.arrays.push_back({a.name, a.type, frame_.lanes, frame_.shape});
    }
  }

  // ---- weights that are known ---------------------------------------------------------------

  /// Decides whether taps are copied out: a small weight's with their numbers, a larger one's where
  /// a good part of them is 0 for all channels.
  void use_constants(const Nest& nest, const std::vector<Buffer>& buffers) {
    if (schedule_.registers.empty()) return;
    weight_ = ConstantWeight::of(nest, buffers);
    if (!weight_) return;
    int64_t copied = weight_->count();
    for (size_t i = 0; i < frame_.axes.size(); ++i)
      if (!weight_->moves_along(frame_.axes[i].axis)) copied *= frame_.shape[i];
    const bool is_scalar =
        frame_.lanes == 1 || !weight_->moves_along(frame_.axes[frame_.vector].axis);
    has_numbers_ = weight_->is_small() && copied <= most_copied && is_scalar && !layout_ && !dot_;
    for (const LoopDirective& loop : schedule_.loops)
      if (const NestAxis& tap = *nest_.axis(loop.axis); tap.reduction && tap.extent != Affine(1))
        has_numbers_ &= loop.by == 1 && loop.unroll == LoopDirective::full;
    copies_taps_ = has_numbers_ || weight_->has_empty_taps();
    if (!copies_taps_) weight_.reset();
  }

  bool is_copied(Var tap) const { return copies_taps_ && (has_numbers_ || weight_->is_tap(tap)); }

  /// Of all elements that the code being written computes. Lanes are computed together, those too
  /// that the result does not take.
  KnownValues known(const State& state) const {
    KnownValues values;
    for (const Place& p : state.places) {
      values.emplace_back();
      if (p.base.is_constant() && p.active_hi == p.active_lo + 1)
        values.back() = p.base.number() + p.active_lo;
    }
    if (frame_.lanes > 1) values[id(frame_.axes[frame_.vector].axis)].reset();
    return values;
  }

  /// Copied taps are only as many as are needed where the borders are told apart; and what a number
  /// depends on must be known.
  std::vector<Segment> told_apart(const LoopDirective& loop, const Place& here, Var axis,
                                  const std::vector<Segment>& together) const {
    std::vector<Segment> result;
    for (const Segment& s : together) {
      const bool each = has_numbers_ && weight_->moves_along(axis);
      if (s.element_wise || !here.base.is_constant() || (!each && !borders_.constrained(axis))) {
        result.push_back(s);
        continue;
      }
      const auto interior = [&](int64_t t) {
        return borders_.interior(axis, here.base.number() + t * loop.by, s.size);
      };
      for (int64_t t = s.first; t < s.first + s.count; ++t) {
        const bool apart = each || (loop.by > 1 && !interior(t));
        if (apart || t == s.first || interior(t) != interior(t - 1))
          result.push_back({t, 1, s.size, false, s.note});
        else
          ++result.back().count;
      }
    }
    return result;
  }

  // ---- loops over parallel axes -------------------------------------------------------------

  /// The most that an extent can be: of a parameter, which only a plain loop runs along.
  int64_t most(const Affine& extent) const {
    return extent.is_constant() ? extent.number() : bounds(extent, ranges_).hi;
  }

  void add_items(const LoopDirective& loop) {
    const Affine& whole = nest_.axis(loop.axis)->extent;
    int64_t extent = most(whole);
    for (size_t i = 0; i < step_.items.size(); ++i) {
      const LoopDirective& outer = schedule_.loops[i];
      if (outer.axis != loop.axis) continue;
      if (extent % outer.by != 0)
        throw Error(fail("schedule", fmt::format("nest {}: parallel {}: its tiles of {} do not "
                                                 "divide {}, so it cannot be parallel twice",
                                                 nest_.name, loop.axis, outer.by, extent))
                        .diagnostics);
      extent = outer.by;
    }
    const int64_t count = ceil_div(extent, loop.by);
    step_.items.push_back({new_var(loop.by > 1 ? loop.axis + "_t" : loop.axis, {0, count - 1}),
                           whole.is_constant() ? Affine(count) : whole});
  }

  std::vector<Segment> segments(size_t at, const State& state) const {
    const LoopDirective& loop = schedule_.loops[at];
    const Var axis = nest_.axis(loop.axis)->var;
    const Place& here = state.places[id(axis)];
    std::vector<Segment> together = tiles(at, here, axis);
    return copies_taps_ ? told_apart(loop, here, axis, together) : together;
  }

  std::vector<Segment> tiles(size_t at, const Place& here, Var axis) const {
    const LoopDirective& loop = schedule_.loops[at];
    if (loop.by > 1 && tile_loop(axis) == at && borders_.constrained(axis)) {
      if (!here.base.is_constant())
        throw Error(fail("schedule",
                         fmt::format("nest {}: for {} by {}: an axis whose taps reach into the "
                                     "padding is tiled once",
                                     nest_.name, loop.axis, loop.by),
                         fmt::format("leave out the outer loop over {}", loop.axis))
                        .diagnostics);
      return borders_.segments(axis, here.base.number(), here.size, loop.by);
    }
    const int64_t full = here.size / loop.by, tail = here.size % loop.by;
    std::vector<Segment> result;
    if (full) result.push_back({0, full, loop.by, false, tail ? "whole tiles" : ""});
    if (tail) result.push_back({full, 1, tail, false, "the last, smaller tile"});
    return result;
  }

  /// The loop that places the register tile along an axis.
  std::optional<size_t> tile_loop(Var axis) const {
    for (size_t i = schedule_.loops.size(); i-- > 0;)
      if (nest_.axis(schedule_.loops[i].axis)->var == axis) return i;
    return std::nullopt;
  }

  Stmt parallel_loops(size_t at, const State& state) {
    if (at == schedule_.loops.size() || nest_.axis(schedule_.loops[at].axis)->reduction)
      return tile(at, state);
    const LoopDirective& loop = schedule_.loops[at];
    if (const Constraint* within = domain_of(loop)) return rows_inside(at, state, *within);
    const std::vector<Segment> parts = segments(at, state);
    std::vector<Stmt> stmts;
    for (const Segment& s : parts) {
      const int64_t end = s.first + s.count;
      if (loop.parallel) {
        const Var item = step_.items[at].var;
        const Interval whole = ranges_[id(item)];
        ranges_[id(item)] = {s.first, end - 1};
        Stmt code = tile_body(at, state, s, s.count == 1 ? Affine(s.first) : Affine(item));
        ranges_[id(item)] = whole;
        stmts.push_back(parts.size() == 1 ? code : stmt(When{item, s.first, end, code}, s.note));
      } else if (s.count == 1) {
        stmts.push_back(block({tile_body(at, state, s, s.first)}, s.note));
      } else {
        const Var var = new_var(loop.by > 1 ? loop.axis + "_t" : loop.axis, {s.first, end - 1});
        const auto kind =
            loop.unroll == LoopDirective::full ? For::Kind::unrolled : For::Kind::serial;
        Stmt code = tile_body(at, state, s, var);
        const Affine& extent = nest_.axis(loop.axis)->extent;
        Range range = Range::of(s.first, end);
        if (!extent.is_constant()) range.hi = {{extent, 1}};
        stmts.push_back(for_loop(var, std::move(range), kind, std::move(code), s.note));
      }
    }
    return block(std::move(stmts));
  }

  /// The constraint that leaves out some of a loop's rows.
  const Constraint* domain_of(const LoopDirective& loop) const {
    if (loop.parallel) return nullptr;
    for (const Constraint& c : nest_.domain)
      if (c.value.depends_on(nest_.axis(loop.axis)->var)) return &c;
    return nullptr;
  }

  /// A loop over the rows of a band that lie in the image: 0 <= row + rest < extent.
  Stmt rows_inside(size_t at, State state, const Constraint& within) {
    const LoopDirective& loop = schedule_.loops[at];
    const Var axis = nest_.axis(loop.axis)->var;
    Place& here = state.places[id(axis)];
    Affine rest = within.value.constant_term();
    for (const Affine::Term& t : within.value.terms())
      if (t.var != axis) rest += state.places[id(t.var)].base * t.coefficient;
    Range range = Range::of(0, here.size);
    range.lo.push_back({rest * -1, 1});
    range.hi.push_back({within.extent - rest, 1});
    tighten(range);
    const Var row = new_var(loop.axis, {0, here.size - 1});
    state.loops[at] = row;
    here = {here.base + Affine(row), 1, 0, 1};
    Stmt body = parallel_loops(at + 1, state);
    return for_loop(row, std::move(range), For::Kind::serial, std::move(body),
                    "rows inside the image");
  }

  /// What one tile of a loop runs. `state` is that of the loop's outside.
  Stmt tile_body(size_t at, State state, const Segment& segment, const Affine& tile_index) {
    const LoopDirective& loop = schedule_.loops[at];
    const Var axis = nest_.axis(loop.axis)->var;
    Place& here = state.places[id(axis)];
    state.loops[at] = tile_index;
    here = {here.base + tile_index * loop.by, segment.size, 0, segment.size};
    if (!segment.element_wise) return parallel_loops(at + 1, state);
    const Var element = new_var(loop.axis + "_e", {0, segment.size - 1});
    here = {here.base + Affine(element), 1, 0, 1};
    elements_[id(axis)] = element;
    Stmt body = parallel_loops(at + 1, state);
    elements_.erase(id(axis));
    return for_loop(element, Range::of(0, segment.size), For::Kind::serial, std::move(body));
  }

  // ---- the register tile --------------------------------------------------------------------

  Stmt tile(size_t first_tap_loop, State state) {
    std::vector<Stmt> parts;
    if (!nest_.accumulators.empty()) {
      const std::vector<Affine> base = bases(state.places);
      std::vector<Expr> initial;
      for (const Accumulator& a : nest_.accumulators) initial.push_back(a.initial);
      parts.push_back(
          writer(state, base, false).write(initial, in_frame(nest_, frame_), set_accumulators()));
      if (narrow_to_frame(state)) parts.push_back(tap_loops(first_tap_loop, state));
    }
    parts.push_back(store_tile(nest_, step_, frame_, state.places));
    return block(std::move(parts));
  }

  TileWriter::Sink set_accumulators() const {
    return [this](const std::vector<Expr>& values, const std::vector<Affine>& registers,
                  const Piece&) {
      std::vector<Stmt> sets;
      for (size_t a : order_of_sets(values))
        sets.push_back(stmt(Set{frame_.accumulators[a], registers, values[a]}));
      return block(std::move(sets));
    };
  }

  /// All accumulators take their updates at once: one that others read is set after those.
  std::vector<size_t> order_of_sets(const std::vector<Expr>& values) const {
    std::vector<size_t> order, left;
    for (size_t a = 0; a < values.size(); ++a) left.push_back(a);
    const auto is_read_by_others = [&](size_t a) {
      bool found = false;
      for (size_t other : left)
        visit(values[other], [&](const ExprNode& node) {
          const auto* reg = std::get_if<Reg>(&node.is);
          found |= other != a && reg && reg->array == frame_.accumulators[a];
        });
      return found;
    };
    while (!left.empty()) {
      const auto next = std::find_if_not(left.begin(), left.end(), is_read_by_others);
      if (next == left.end())
        throw InternalError(
            fmt::format("nest {}: accumulators read each other in a ring", nest_.name));
      order.push_back(*next);
      left.erase(next);
    }
    return order;
  }

  /// Writes code over the tile, or over its elements that meet data for the current tap.
  TileWriter writer(const State& state, const std::vector<Affine>& base, bool only_active) {
    std::vector<TileAxis> axes = frame_.axes;
    for (TileAxis& axis : axes) {
      const Place& p = state.places[id(axis.axis)];
      axis.pieces = only_active ? pieces_of(p.active_lo, p.active_hi, axis.lanes)
                                : pieces_of(0, p.size, axis.lanes);
    }
    TileWriter::Source source{nest_, step_, base, nullptr, nullptr};
    if (layout_) {
      source.redirect = [this, &state](const Read& read) { return packed_read(read, state); };
      source.is_padded = [this](const Read& read) { return read.operand == nest_.weight; };
    }
    if (dot_ && only_active) {
      const Var axis = nest_.axis(schedule_.loops.back().axis)->var;
      source.group = {axis, dot_->ways, static_cast<int32_t>(state.places[id(axis)].size)};
    }
    return TileWriter(std::move(source), std::move(axes), only_active ? neutral() : 0);
  }

  /// The weight of a dot product as it is packed.
  Expr packed_weight() const {
    const Read& read = weight_read(dot_->weight, nest_.weight);
    return ir::read(dot_->weight->type, read.operand, read.index);
  }

  std::optional<Read> packed_read(const Read& read, const State& state) const {
    if (read.operand != nest_.weight) return std::nullopt;
    Index index;
    for (const PackedLayout::Dimension& d : layout_->dimensions) {
      if (d.loop >= 0) {
        index.emplace_back(state.loops[static_cast<size_t>(d.loop)]);
        continue;
      }
      const Var axis = nest_.axis(d.axis)->var; // the element within the register tile
      if (layout_->group > 1 && &d == &layout_->dimensions.back()) continue; // part of the vector
      Affine within = Affine(axis) - state.places[id(axis)].base;
      if (const auto element = elements_.find(id(axis)); element != elements_.end())
        within += Affine(element->second);
      index.emplace_back(std::move(within));
    }
    if (layout_->group > 1) index.back().at *= layout_->group;
    return Read{static_cast<int32_t>(step_.views.size()) - 1, std::move(index)};
  }

  double neutral() {
    if (nest_.constraints.empty() || frame_.lanes == 1) return 0; // no lane is ever left out
    if (!neutral_) neutral_ = neutral_element(nest_);
    if (!neutral_)
      throw Error(fail("schedule", fmt::format("nest {}: its combine has no neutral element, so a "
                                               "padded axis cannot be the vector axis",
                                               nest_.name))
                      .diagnostics);
    return *neutral_;
  }

  /// Constraints without taps (a copy into a padded frame): narrows the active elements of the
  /// tile; false when none is inside. Scalar ones that are not decided become tests.
  bool narrow_to_frame(State& state) const {
    for (const Constraint& c : nest_.constraints) {
      if (borders_.mentions_tap(c)) continue;
      const int64_t extent = c.extent.number();
      const std::optional<Var> tiled = tiled_axis(c, state);
      Affine value = c.value.constant_term(); // at the tile's first element
      for (const Affine::Term& t : c.value.terms())
        value += state.places[id(t.var)].base * t.coefficient;
      if (!tiled) {
        const Interval range = bounds(value, ranges_);
        if (range.hi < 0 || range.lo >= extent) return false;
        if (range.lo < 0 || range.hi >= extent) state.guarded.push_back({value, extent});
      } else if (value.is_constant()) { // else: an interior tile, by segmentation
        Place& p = state.places[id(*tiled)];
        const auto [lo, hi] =
            Borders::active(value.number(), c.value.coefficient(*tiled), p.size, extent);
        p.active_lo = std::max(p.active_lo, lo), p.active_hi = std::min(p.active_hi, hi);
        if (p.active_lo >= p.active_hi) return false;
      }
    }
    return true;
  }

  /// The parallel axis of more than one element in the current tile that the constraint mentions.
  std::optional<Var> tiled_axis(const Constraint& c, const State& state) const {
    for (const NestAxis& axis : nest_.axes)
      if (!axis.reduction && c.value.depends_on(axis.var) && state.places[id(axis.var)].size > 1)
        return axis.var;
    return std::nullopt;
  }

  // ---- loops over taps ----------------------------------------------------------------------

  /// Taps that every element of the tile meets run in one loop, clipped at the border; those that
  /// only some elements meet follow, on border tiles alone. Taps that no element meets are gone.
  Stmt tap_loops(size_t at, const State& state) {
    if (at == schedule_.loops.size()) return update(state);
    const LoopDirective& loop = schedule_.loops[at];
    const NestAxis& tap = *nest_.axis(loop.axis);
    if (loop.by > 1) return tap_tiles(at, state);

    Range whole = Range::of(0, state.places[id(tap.var)].size);
    std::optional<Var> split;
    const Constraint* splitting = nullptr;
    for (const Constraint& c : nest_.constraints) {
      if (!c.value.depends_on(tap.var)) continue;
      borders_.clip(whole, c, tap, state.places, ranges_);
      if (const std::optional<Var> tiled = tiled_axis(c, state)) split = tiled, splitting = &c;
    }
    if (!split && is_copied(tap.var) && !whole.is_constant()) return guarded_taps(at, tap, state);
    Stmt meets_all = tap_loop(at, whole, state);
    if (!split) return meets_all;
    return block({std::move(meets_all), partial_taps(at, *splitting, tap, *split, state)});
  }

  /// Copies of a tap where only the run tells which of them lie inside the image.
  Stmt guarded_taps(size_t at, const NestAxis& tap, const State& state) {
    std::vector<Stmt> taps;
    for (int64_t k = 0; k < tap.extent.number(); ++k) {
      State inner = state;
      inner.places[id(tap.var)] = {k, 1, 0, 1};
      inner.loops[at] = k;
      Stmt code = tap_loops(at + 1, inner);
      if (is_empty(code)) continue;
      for (const Constraint& c : nest_.constraints) {
        if (!c.value.depends_on(tap.var)) continue;
        Affine value = c.value.constant_term();
        for (const Affine::Term& t : c.value.terms())
          value += inner.places[id(t.var)].base * t.coefficient;
        code = stmt(When{value, 0, c.extent.number(), std::move(code)});
      }
      taps.push_back(std::move(code));
      if (at + 1 == schedule_.loops.size()) taps.push_back(stmt(Fence{}));
    }
    return block(std::move(taps));
  }

  /// The taps that reach into the padding for some elements of the tile, for each border tile.
  Stmt partial_taps(size_t at, const Constraint& c, const NestAxis& tap, Var axis,
                    const State& state) {
    const std::optional<size_t> loop = tile_loop(axis);
    const Affine tile_index = loop ? state.loops[*loop] : Affine(0);
    const int64_t by = loop ? schedule_.loops[*loop].by : 0;
    const int64_t origin = (state.places[id(axis)].base - tile_index * by).number(); // tiled once
    const Interval tiles = bounds(tile_index, ranges_);
    struct Group {
      int64_t first, end;
      std::vector<TapRun> runs;
    };
    std::vector<Group> groups;
    const auto interior = [&](int64_t t) {
      return borders_.interior(axis, origin + t * by, state.places[id(axis)].size);
    };
    for (int64_t t = tiles.lo; t <= tiles.hi; ++t) {
      if (interior(t)) { // and so are all up to the other border
        int64_t last = tiles.hi;
        while (!interior(last)) --last;
        t = last;
        continue;
      }
      std::vector<TapRun> runs = borders_.partial_runs(c, tap, axis, origin + t * by, state.places);
      if (!groups.empty() && groups.back().end == t && groups.back().runs == runs)
        groups.back().end = t + 1;
      else if (!runs.empty())
        groups.push_back({t, t + 1, std::move(runs)});
    }
    std::vector<Stmt> parts;
    for (const Group& group : groups) {
      std::vector<Stmt> taps;
      for (const TapRun& run : group.runs) {
        State inner = state;
        Place& place = inner.places[id(axis)];
        place.active_lo = run.active_lo, place.active_hi = run.active_hi;
        taps.push_back(
            block({tap_loop(at, Range::of(run.begin, run.end), inner)},
                  fmt::format("elements {}..{} of the tile meet {}", run.active_lo, run.active_hi,
                              run.end - run.begin == 1 ? "this tap" : "these taps")));
      }
      Stmt code = block(std::move(taps));
      if (is_empty(code)) continue;
      const bool always = tiles.lo >= group.first && tiles.hi < group.end;
      parts.push_back(always ? code
                             : stmt(When{tile_index, group.first, group.end, std::move(code)}));
    }
    return block(std::move(parts));
  }

  Stmt tap_loop(size_t at, Range range, const State& state) {
    const LoopDirective& loop = schedule_.loops[at];
    const Var axis = nest_.axis(loop.axis)->var;
    const bool innermost = at + 1 == schedule_.loops.size();
    const auto body = [&](const Affine& value) {
      State inner = state;
      inner.places[id(axis)] = {state.places[id(axis)].base + value, 1, 0, 1};
      inner.loops[at] = value;
      return tap_loops(at + 1, inner);
    };
    if (!range.is_constant()) {
      const Var var = new_var(loop.axis, {0, state.places[id(axis)].size - 1});
      Stmt code = body(var);
      return for_loop(var, std::move(range), For::Kind::serial, std::move(code),
                      "taps inside the image");
    }
    const int64_t lo = range.begin(), hi = range.end();
    if (lo >= hi) return block({});
    if (is_copied(axis)) {
      std::vector<Stmt> taps;
      for (int64_t k = lo; k < hi; ++k) {
        taps.push_back(body(k));
        if (is_empty(taps.back()))
          taps.pop_back();
        else if (innermost)
          taps.push_back(stmt(Fence{}));
      }
      return block(std::move(taps));
    }
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
    if (copies_taps_ && is_empty(body(new_var(loop.axis, {lo, hi - 1})))) return block({});
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
    const Place& here = state.places[id(axis)];
    const int64_t trips = here.size / loop.by, rest = here.size % loop.by;
    const auto body = [&](const Affine& tile_index, int64_t size) {
      State inner = state;
      inner.places[id(axis)] = {here.base + tile_index * loop.by, size, 0, size};
      inner.loops[at] = tile_index;
      return tap_loops(at + 1, inner);
    };
    std::vector<Stmt> parts;
    if (trips > 0 && loop.dot && loop.unroll != 1) {
      const int64_t copies = loop.unroll == LoopDirective::full ? trips : loop.unroll;
      const auto copied = [&](int64_t from, int64_t to, const Affine& offset) {
        const Var copy = new_var(loop.axis + "_u", {from, to - 1});
        return for_loop(copy, Range::of(from, to), For::Kind::unrolled,
                        block({body(offset + Affine(copy), loop.by), stmt(Fence{})}));
      };
      if (trips >= copies) {
        const Var trip = new_var(loop.axis + "_b", {0, trips / copies - 1});
        Stmt code = copied(0, copies, Affine(trip) * copies);
        parts.push_back(for_loop(trip, Range::of(0, trips / copies), For::Kind::serial, code));
      }
      if (trips % copies) parts.push_back(copied(trips - trips % copies, trips, 0));
    } else if (trips > 0) {
      const Var trip = new_var(loop.axis + "_t", {0, trips - 1});
      Stmt code = body(trip, loop.by);
      Stmt ahead = prefetcher_.at_trip(bases(state.places), state.loops, at, trip, trips);
      parts.push_back(for_loop(trip, Range::of(0, trips), For::Kind::serial,
                               block({std::move(code), std::move(ahead)})));
    }
    if (rest > 0) parts.push_back(body(trips, rest));
    return block(std::move(parts));
  }

  Stmt update(const State& state) {
    for (const TileAxis& axis : frame_.axes)
      if (state.places[id(axis.axis)].active_lo >= state.places[id(axis.axis)].active_hi)
        return block({});
    std::vector<Expr> updates;
    for (const Accumulator& a : nest_.accumulators) updates.push_back(a.update);
    if (has_numbers_) {
      // Each element that has a number of its own by itself.
      for (const TileAxis& axis : frame_.axes) {
        const Place& p = state.places[id(axis.axis)];
        if (!weight_->moves_along(axis.axis) || p.active_hi - p.active_lo == 1) continue;
        std::vector<Stmt> elements;
        for (int64_t e = p.active_lo; e < p.active_hi; ++e) {
          State one = state;
          one.places[id(axis.axis)].active_lo = e, one.places[id(axis.axis)].active_hi = e + 1;
          elements.push_back(update(one));
        }
        return block(std::move(elements));
      }
      updates = {weight_->put_in(updates.front(), known(state))};
      if (!updates.front()) return block({});
    } else if (weight_ && weight_->is_zero(known(state))) {
      return block({});
    }
    const std::vector<Affine> base = bases(state.places);
    if (dot_) updates = {dot(dot_->ways, acc(dot_->type, 0), dot_->image, packed_weight())};
    Stmt code =
        writer(state, base, true).write(updates, in_frame(nest_, frame_), set_accumulators());
    code = block({std::move(code), prefetcher_.at_tap(base)});
    for (const Constraint& c : state.guarded)
      code = stmt(When{c.value, 0, c.extent.number(), code});
    return code;
  }

  Nest nest_; // reads its weight as it is packed
  const Schedule& schedule_;
  Borders borders_;
  Prefetcher prefetcher_;
  Step step_;
  TileFrame frame_;
  std::optional<PackedLayout> layout_;
  std::optional<Packing> packing_;
  std::optional<DotForm> dot_;
  std::optional<ConstantWeight> weight_; // whose taps are copied out
  bool copies_taps_ = false;             // those that are 0 left out
  bool has_numbers_ = false;             // each with its number instead of a load
  std::vector<Interval> ranges_;         // by step variable
  std::map<size_t, Var> elements_;       // axes that are walked element by element inside a tile
  std::optional<double> neutral_;
};

} // namespace

Expected<Specialised> specialise(const Nest& nest, const Schedule& schedule, int32_t packed_buffer,
                                 const std::vector<Buffer>& buffers) {
  try {
    return Specialiser(nest, schedule, packed_buffer, buffers).run();
  } catch (const InternalError&) {
    throw;
  } catch (const Error& error) {
    return Failure{error.diagnostics()};
  }
}

} // namespace volute::compiler
