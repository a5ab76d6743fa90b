#include "compiler/specialise/specialise.h"

#include "compiler/nests/borders.h"
#include "compiler/nests/constant_weight.h"
#include "compiler/nests/neutral.h"
#include "compiler/nests/weight_expression.h"
#include "compiler/specialise/code_budget.h"
#include "compiler/specialise/pack.h"
#include "compiler/specialise/prefetch.h"
#include "compiler/specialise/register_tile.h"
#include "compiler/specialise/tile_store.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace volute::compiler {

using namespace ir;

namespace {

constexpr int64_t scratch_alignment = 64;          // a line, and the widest vector
constexpr int64_t most_scratch = int64_t{1} << 28; // bytes of one thread
// Tiles of one loop that have code of their own because they meet a border.
constexpr int64_t most_told_apart = 512;

/// Blocks that hold nothing dissolve as they are put together.
bool is_empty(const Stmt& s) {
  const auto* inner = std::get_if<Block>(&s->is);
  return inner && inner->stmts.empty();
}

/// Where the code being written is.
struct State {
  std::vector<Place> places;       // by nest variable; taps too
  std::vector<Affine> loops;       // value of each loop of the plan, in units of its tile
  std::vector<Constraint> guarded; // constraints left to a test (copies into a frame only)
  /// What becomes of a tile here. Where a loop over a reduction axis stands outside of one over a
  /// parallel axis, sums are partial, and wait in scratch between its trips.
  enum class Part : uint8_t {
    whole, // from the initial value to the store
    begin, // the initial value, to scratch
    add,   // from scratch, further taps, to scratch
    end,   // from scratch to the store
  };
  Part part = Part::whole;
};

class Specialiser {
public:
  Specialiser(const Nest& nest, const Plan& plan, const Surroundings& around)
      : nest_(nest), plan_(plan), borders_(nest_), prefetcher_(nest, plan), budget_(nest_, plan),
        next_buffer_(around.next_buffer), scratch_bytes_(around.scratch_bytes) {
    step_.name = nest.name;
    step_.vars = nest.vars;
    step_.parameters = nest.parameters;
    step_.views = nest.operands;
    step_.tables = nest.tables;
    step_.origin = nest.origin;
    step_.statements = nest.statements;
    ranges_.resize(nest.vars.size());
    for (const ParameterVar& p : nest.parameters)
      ranges_[id(p.var)] = {p.range.least, p.range.most};
    for (const PackedLayout& layout : plan.packed) {
      packings_.push_back(
          make_packing(nest, packed_expression(nest, plan, layout), layout, next_buffer_++));
      nest_ = with_packed(nest_, layout.operand);
      View packed = packings_.back().nest.operands[0];
      if (layout.group > 1) { // each lane's group is part of the vector
        packed.dims.pop_back();
        packed.dims.back().extent *= layout.group;
        packed.dims.back().stride = 1;
      }
      step_.views[static_cast<size_t>(layout.operand)] = std::move(packed); // read in its place
    }
    make_frame();
    if (plan_.weight != WeightUse::loaded)
      weight_ = ConstantWeight::of(nest, around.buffers).value();
  }

  Specialised run() {
    State state;
    bool has_work = true;
    for (size_t i = 0; i < nest_.vars.size(); ++i)
      state.places.push_back({Affine(Var{static_cast<int32_t>(i)}), 1, 0, 1});
    for (const NestAxis& axis : nest_.axes) {
      // Of a parameter the most: along such an axis there is only a loop over its elements.
      const int64_t extent = bounds(axis.extent, ranges_).hi;
      state.places[id(axis.var)] = {0, extent, 0, extent};
      has_work &= extent > 0;
    }
    state.loops.resize(plan_.loops.size());
    if (has_work) {
      for (const PlanLoop& loop : plan_.loops)
        if (loop.parallel) add_items(loop);
      step_.body = with_source(parallel_loops(0, state), source());
    } else { // an empty batch
      step_.items = {{new_var("nothing", {0, 0}), Affine(0)}};
      step_.body = block({});
    }
    step_.scratch_bytes = scratch_bytes_;
    return {std::move(step_), std::move(packings_), std::move(scratch_)};
  }

private:
  static size_t id(Var var) { return static_cast<size_t>(var.id); }

  /// Of the statement that the nest is for; what is folded into it says so itself.
  SourceId source() const {
    return nest_.statements.empty() ? no_source : static_cast<SourceId>(nest_.statements.front());
  }

  Var new_var(std::string name, Interval range) {
    step_.vars.push_back(std::move(name));
    ranges_.resize(step_.vars.size());
    ranges_.back() = range;
    return {static_cast<int32_t>(step_.vars.size()) - 1};
  }

  int32_t add_view(View view) {
    nest_.operands.push_back(view);
    step_.views.push_back(std::move(view));
    return static_cast<int32_t>(step_.views.size()) - 1;
  }

  void make_frame() {
    frame_.lanes = plan_.lanes;
    frame_.vector = plan_.vector.value_or(0);
    frame_.store = plan_.store;
    frame_.across = plan_.across;
    for (const PlanTile& t : plan_.tile) {
      frame_.axes.push_back({t.axis, t.lanes, {}, t.name + (t.lanes ? "_v" : "_r")});
      frame_.shape.push_back(t.registers());
    }
    for (const Accumulator& a : nest_.accumulators) {
      frame_.accumulators.push_back(static_cast<int32_t>(step_.arrays.size()));
      step_.arrays.push_back({a.name, a.type, frame_.lanes, frame_.shape});
    }
    if (!plan_.slide || !plan_.slide->holds) return;
    for (const PlannedRead& read : plan_.reads) {
      if (read.sliding != PlannedRead::Sliding::taps) continue;
      const View& view = nest_.operands[static_cast<size_t>(read.read.operand)];
      HeldTaps held{read.read.operand, plan_.vector && (read.moves >> *plan_.vector & 1),
                    static_cast<int32_t>(step_.arrays.size())};
      std::vector<int64_t> shape = {plan_.slide->taps};
      if (held.moves_along_lanes) shape.push_back(frame_.shape[frame_.vector]);
      ElementType type = view.element; // or what the read makes of it
      for (const Accumulator& a : nest_.accumulators)
        visit(a.update, [&](const ExprNode& node) {
          const auto* it = std::get_if<Read>(&node.is);
          if (it && it->operand == held.operand) type = node.type;
        });
      step_.arrays.push_back({view.name + "_taps", type, frame_.lanes, shape});
      held_.push_back(held);
    }
  }

  // ---- weights that are known ---------------------------------------------------------------

  bool has_numbers() const { return plan_.weight == WeightUse::numbers; }
  bool copies_taps() const { return plan_.weight != WeightUse::loaded; }

  bool is_copied(Var tap) const {
    return copies_taps() && (has_numbers() ? weight_->moves_along(tap) : weight_->is_tap(tap));
  }

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
  std::vector<Segment> told_apart(const PlanLoop& loop, const Place& here, Var axis,
                                  const std::vector<Segment>& together) const {
    std::vector<Segment> result;
    for (const Segment& s : together) {
      const bool each = has_numbers() && weight_->moves_along(axis);
      if (s.element_wise || !here.base.is_constant() || (!each && !borders_.constrained(axis))) {
        result.push_back(s);
        continue;
      }
      const int64_t end = s.first + s.count;
      const auto add = [&](int64_t from, int64_t to, bool apart) {
        if (apart)
          for (int64_t t = from; t < to; ++t) result.push_back({t, 1, s.size, false, s.note});
        else if (from < to)
          result.push_back({from, to - from, s.size, false, s.note});
      };
      const Interval inside = borders_.interior_tiles(axis, here.base.number(), loop.tile, s.size);
      const int64_t left = inside.hi < inside.lo ? end : std::clamp(inside.lo, s.first, end);
      const int64_t right = std::clamp(inside.hi + 1, left, end);
      const auto at_border = [&](int64_t tiles) {
        return loop.tile > 1 && tiles <= most_told_apart;
      };
      add(s.first, left, each || at_border(left - s.first));
      add(left, right, each);
      add(right, end, each || at_border(end - right));
    }
    return result;
  }

  // ---- loops over parallel axes -------------------------------------------------------------

  void add_items(const PlanLoop& loop) {
    const std::string& name = loop.name;
    const Affine& extent = nest_.axis_of(loop.axis).extent;
    step_.items.push_back({new_var(loop.tile > 1 ? name + "_t" : name, {0, loop.trips() - 1}),
                           extent.is_constant() ? Affine(loop.trips()) : extent});
  }

  std::vector<Segment> segments(size_t at, const State& state) const {
    const PlanLoop& loop = plan_.loops[at];
    const Var axis = loop.axis;
    const Place& here = state.places[id(axis)];
    std::vector<Segment> together = tiles(at, here, axis);
    return copies_taps() ? told_apart(loop, here, axis, together) : together;
  }

  /// Tiles of a loop that run the same code. Of an axis that is tiled in several levels, an outer
  /// tile at the border stands by itself, so that inside it the borders are where they are; one in
  /// the interior has none.
  std::vector<Segment> tiles(size_t at, const Place& here, Var axis) const {
    const PlanLoop& loop = plan_.loops[at];
    const bool meets_border = loop.tile > 1 && borders_.constrained(axis) && !slides_along(axis) &&
                              !is_interior(here, axis);
    if (meets_border && loop.places_tile)
      return borders_.segments(axis, here.base.number(), here.size, loop.tile);
    if (meets_border) return borders_.told_apart(axis, here.base.number(), here.size, loop.tile);
    const int64_t full = here.size / loop.tile, tail = here.size % loop.tile;
    std::vector<Segment> result;
    if (full) result.push_back({0, full, loop.tile, false, tail ? "whole tiles" : ""});
    if (tail) result.push_back({full, 1, tail, false, "the last, smaller tile"});
    return result;
  }

  /// Rows of a slide are inside or outside for all elements: tiles are the same at the border.
  bool slides_along(Var axis) const {
    return plan_.slide && plan_.tile[plan_.slide->tile].axis == axis;
  }

  /// Whether no element of the place meets a border, wherever the loops around it are.
  bool is_interior(const Place& place, Var axis) const {
    const Interval base = bounds(place.base, ranges_);
    return borders_.interior(axis, base.lo, base.hi - base.lo + place.size);
  }

  Stmt parallel_loops(size_t at, const State& state) {
    if (at == plan_.first_tap()) return tile(at, state);
    const PlanLoop& loop = plan_.loops[at];
    if (loop.reduction) return partial_sums(at, state);
    if (const Constraint* within = domain_of(loop)) return rows_inside(at, state, *within);
    const std::vector<Segment> parts = segments(at, state);
    const Var axis = loop.axis;
    budget_.writes_apart(at, std::ssize(parts));
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
      } else if (loop.unroll > 1 && !loop.unrolls_all) {
        stmts.push_back(block(copies_of_tiles(at, state, s), s.note));
      } else {
        const Var var = new_var(loop.tile > 1 ? loop.name + "_t" : loop.name, {s.first, end - 1});
        const CodeBudget::Copied copied(budget_, at, loop.unrolls_all ? s.count : 1);
        Stmt code = tile_body(at, state, s, var);
        Range range = Range::of(s.first, end);
        const Affine& extent = nest_.axis_of(axis).extent;
        if (!extent.is_constant()) range.hi = {{extent, 1}};
        stmts.push_back(
            loop.unrolls_all
                ? for_loop(var, std::move(range), For::Kind::unrolled, std::move(code), s.note)
                : serial_loop(var, std::move(range), std::move(code), s.note));
      }
    }
    return block(std::move(stmts));
  }

  /// The tiles of a segment, so many copies of their code a trip; then what is left of them.
  std::vector<Stmt> copies_of_tiles(size_t at, const State& state, const Segment& s) {
    const PlanLoop& loop = plan_.loops[at];
    const auto copies = [&](int64_t count, const Affine& first) {
      const CodeBudget::Copied copied(budget_, at, count);
      const Var copy = new_var(loop.name + "_u", {0, count - 1});
      Stmt code = tile_body(at, state, s, first + Affine(copy));
      return for_loop(copy, Range::of(0, count), For::Kind::unrolled, std::move(code));
    };
    const int64_t trips = s.count / loop.unroll, rest = s.count % loop.unroll;
    std::vector<Stmt> parts;
    if (trips > 0) {
      const Var trip = new_var(loop.name + "_b", {0, trips - 1});
      Stmt code = copies(loop.unroll, Affine(trip) * loop.unroll + Affine(s.first));
      parts.push_back(serial_loop(trip, Range::of(0, trips), std::move(code)));
    }
    if (rest > 0) parts.push_back(copies(rest, s.first + trips * loop.unroll));
    return parts;
  }

  /// The constraint that leaves out some of a loop's rows.
  const Constraint* domain_of(const PlanLoop& loop) const {
    if (loop.parallel) return nullptr;
    for (const Constraint& c : nest_.domain)
      if (c.value.depends_on(loop.axis)) return &c;
    return nullptr;
  }

  /// A loop over the rows of a band that lie in the image: 0 <= row + rest < extent.
  Stmt rows_inside(size_t at, State state, const Constraint& within) {
    const PlanLoop& loop = plan_.loops[at];
    const Var axis = loop.axis;
    Place& here = state.places[id(axis)];
    Affine rest = within.value.constant_term();
    for (const Affine::Term& t : within.value.terms())
      if (t.var != axis) rest += state.places[id(t.var)].base * t.coefficient;
    Range range = Range::of(0, here.size);
    range.lo.push_back({rest * -1, 1});
    range.hi.push_back({within.extent - rest, 1});
    tighten(range);
    const Var row = new_var(loop.name, {0, here.size - 1});
    state.loops[at] = row;
    here = {here.base + Affine(row), 1, 0, 1};
    Stmt body = parallel_loops(at + 1, state);
    return serial_loop(row, std::move(range), std::move(body), "rows inside the image");
  }

  /// What one tile of a loop runs. `state` is that of the loop's outside.
  Stmt tile_body(size_t at, State state, const Segment& segment, const Affine& tile_index) {
    const PlanLoop& loop = plan_.loops[at];
    const Var axis = loop.axis;
    Place& here = state.places[id(axis)];
    state.loops[at] = tile_index;
    here = {here.base + tile_index * loop.tile, segment.size, 0, segment.size};
    if (!segment.element_wise) return parallel_loops(at + 1, state);
    const Var element = new_var(loop.name + "_e", {0, segment.size - 1});
    here = {here.base + Affine(element), 1, 0, 1};
    elements_[id(axis)] = element;
    Stmt body = parallel_loops(at + 1, state);
    elements_.erase(id(axis));
    return serial_loop(element, Range::of(0, segment.size), std::move(body));
  }

  // ---- sums that wait -----------------------------------------------------------------------

  /// A loop over a reduction axis around loops over parallel ones: what their tiles have summed up
  /// waits in scratch while the loop turns.
  Stmt partial_sums(size_t at, State state) {
    if (state.part == State::Part::begin || state.part == State::Part::end)
      return parallel_loops(at + 1, state);
    if (state.part == State::Part::add) return sum_tiles(at, state);
    open_partial(at, state);
    std::vector<Stmt> parts;
    state.part = State::Part::begin;
    parts.push_back(block({parallel_loops(at + 1, state)}, "sums begin, in scratch"));
    state.part = State::Part::add;
    parts.push_back(sum_tiles(at, state));
    state.part = State::Part::end;
    parts.push_back(block({parallel_loops(at + 1, state)}, "sums end"));
    return block(std::move(parts));
  }

  /// Scratch for the accumulators of all tiles inside loop `at`: a dimension for each parallel axis
  /// that goes on there, the vector axis last. Other segments of the loops around see the same
  /// scratch anew.
  void open_partial(size_t at, const State& state) {
    partial_index_.clear();
    std::vector<int64_t> extents;
    int64_t elements = 1;
    const auto add = [&](Var axis) {
      const Place& here = state.places[id(axis)];
      extents.push_back(here.size);
      elements *= here.size;
      partial_index_.emplace_back(Affine(axis) - here.base);
    };
    std::optional<Var> vector;
    if (plan_.vector) vector = plan_.tile[*plan_.vector].axis;
    for (const NestAxis& axis : nest_.axes)
      if (!axis.reduction && axis.var != vector && state.places[id(axis.var)].size > 1)
        add(axis.var);
    if (vector) add(*vector);
    partial_.resize(nest_.accumulators.size());
    for (size_t a = 0; a < partial_.size(); ++a) {
      const Accumulator& sum = nest_.accumulators[a];
      if (a == scratch_.size()) {
        Buffer buffer;
        buffer.name = sum.name + "_partial";
        buffer.role = Buffer::Role::scratch;
        buffer.element = sum.type;
        scratch_.push_back(std::move(buffer));
        scratch_numbers_.push_back(next_buffer_++);
      }
      Buffer& buffer = scratch_[a];
      if (elements > buffer.elements) {
        buffer.elements = elements;
        buffer.scratch_offset = ceil_div(scratch_bytes_, scratch_alignment) * scratch_alignment;
        scratch_bytes_ = buffer.scratch_offset + elements * size_of(sum.type);
      }
      if (scratch_bytes_ > most_scratch)
        throw Error(fail("schedule",
                         fmt::format("nest {}: for {}: {} MiB of sums would wait in each thread's "
                                     "scratch, {} at most",
                                     nest_.name, plan_.loops[at].name, scratch_bytes_ >> 20,
                                     most_scratch >> 20),
                         "put more of the parallel axes outside of it")
                        .diagnostics);
      partial_[a] = add_view({buffer.name, scratch_numbers_[a], sum.type, contiguous(extents)});
    }
  }

  Stmt sum_tiles(size_t at, const State& state) {
    const PlanLoop& loop = plan_.loops[at];
    const Place& here = state.places[id(loop.axis)];
    const int64_t trips = here.size / loop.tile, rest = here.size % loop.tile;
    const auto body = [&](const Affine& tile_index, int64_t size) {
      State inner = state;
      inner.places[id(loop.axis)] = {here.base + tile_index * loop.tile, size, 0, size};
      inner.loops[at] = tile_index;
      return parallel_loops(at + 1, inner);
    };
    budget_.writes_apart(at, (trips > 0) + (rest > 0));
    std::vector<Stmt> parts;
    if (trips > 0) {
      const Var trip = new_var(loop.tile > 1 ? loop.name + "_t" : loop.name, {0, trips - 1});
      Stmt code = body(trip, loop.tile);
      parts.push_back(serial_loop(trip, Range::of(0, trips), std::move(code)));
    }
    if (rest > 0) parts.push_back(body(trips, rest));
    return block(std::move(parts));
  }

  std::vector<Expr> partial_values() const {
    std::vector<Expr> values;
    for (size_t a = 0; a < partial_.size(); ++a)
      values.push_back(ir::read(nest_.accumulators[a].type, partial_[a], partial_index_));
    return values;
  }

  TileWriter::Sink store_partial(const TileWriter& writer) const {
    return [&](const std::vector<Expr>& values, const std::vector<Affine>& registers,
               const Piece& vector) {
      std::vector<Stmt> stores;
      for (size_t a = 0; a < values.size(); ++a) {
        TileWriter::Address to = writer.address(partial_index_, registers);
        stores.push_back(stmt(Store{partial_[a], std::move(to.index), to.lane_dim, to.lane_step,
                                    to.lane_dim < 0 ? 1 : vector.count, values[a]}));
      }
      return block(std::move(stores));
    };
  }

  // ---- the register tile --------------------------------------------------------------------

  std::vector<Expr> initial_values() const {
    std::vector<Expr> initial;
    for (const Accumulator& a : nest_.accumulators) // of a sum across lanes the store adds it
      initial.push_back(plan_.across ? imm(0.0, a.type) : a.initial);
    return initial;
  }

  Stmt part_of_tile(size_t first_tap_loop, State state) {
    const std::vector<Affine> base = bases(state.places);
    TileWriter plain = writer(state, base, false);
    const AccumulatorRegister sums = in_frame(nest_, frame_);
    if (state.part == State::Part::begin)
      return counted(plain.write(initial_values(), sums, store_partial(plain)));
    std::vector<Stmt> parts = {counted(plain.write(partial_values(), sums, set_accumulators()))};
    if (state.part == State::Part::end) {
      parts.push_back(counted(store_tile(nest_, step_, frame_, state.places)));
    } else {
      if (narrow_to_frame(state)) parts.push_back(tap_loops(first_tap_loop, state));
      std::vector<Expr> values;
      for (size_t a = 0; a < nest_.accumulators.size(); ++a)
        values.push_back(acc(nest_.accumulators[a].type, static_cast<int32_t>(a)));
      parts.push_back(counted(plain.write(values, sums, store_partial(plain))));
    }
    return block(std::move(parts));
  }

  Stmt tile(size_t first_tap_loop, State state) {
    if (state.part != State::Part::whole) return part_of_tile(first_tap_loop, std::move(state));
    std::vector<Stmt> parts;
    if (!nest_.accumulators.empty()) {
      const std::vector<Affine> base = bases(state.places);
      parts.push_back(
          counted(writer(state, base, false)
                      .write(initial_values(), in_frame(nest_, frame_), set_accumulators())));
      if (narrow_to_frame(state)) parts.push_back(tap_loops(first_tap_loop, state));
    }
    parts.push_back(counted(store_tile(nest_, step_, frame_, state.places)));
    return block(std::move(parts));
  }

  Stmt serial_loop(Var var, Range range, Stmt body, std::string note = "") {
    budget_.spend_loop();
    return for_loop(var, std::move(range), For::Kind::serial, std::move(body), std::move(note));
  }

  /// The code, or the refusal of a schedule that has written too much.
  Stmt counted(Stmt code) {
    budget_.spend(code, step_.views);
    return code;
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

  void redirect_packed(TileWriter::Source& source, const State& state) const {
    if (plan_.packed.empty()) return;
    source.redirect = [this, &state](const Read& read) { return packed_read(read, state); };
    const bool all_inside =
        !plan_.across && (!plan_.vector || !borders_.constrained(plan_.tile[*plan_.vector].axis));
    source.is_padded = [this, all_inside](const Read& read) {
      return all_inside && plan_.packed_layout_of(read.operand) != nullptr;
    };
  }

  /// Writes code over the tile, or over its elements that meet data for the current tap.
  TileWriter writer(const State& state, const std::vector<Affine>& base, bool only_active) {
    std::vector<TileAxis> axes = frame_.axes;
    for (TileAxis& axis : axes) {
      const Place& p = state.places[id(axis.axis)];
      axis.pieces = only_active ? pieces_of(p.active_lo, p.active_hi, axis.lanes)
                                : pieces_of(0, p.size, axis.lanes);
      if (!only_active && plan_.across && axis.lanes) axis.pieces = {{0, 1, 0, axis.lanes}};
    }
    TileWriter::Source source{nest_, step_, base, nullptr, nullptr};
    redirect_packed(source, state);
    if (only_active && !held_.empty())
      source.in_registers = [this](const ExprNode& node, const std::vector<Affine>& registers) {
        return held_value(node, registers);
      };
    const std::optional<DotForm>& dot = plan_.instruction.dot;
    if (dot && only_active) {
      const Var axis = plan_.loops.back().axis;
      source.group = {axis, dot->ways, static_cast<int32_t>(state.places[id(axis)].size)};
    }
    if (only_active && plan_.vector) {
      const Place& p = state.places[id(frame_.axes[frame_.vector].axis)];
      source.leaves_lanes_out = p.active_lo > 0 || p.active_hi < p.size;
    }
    return TileWriter(std::move(source), std::move(axes), only_active ? neutral() : 0);
  }

  /// The weight of a dot product as it is packed.
  Expr packed_weight() const {
    const DotForm& dot = *plan_.instruction.dot;
    const Read& read = read_in_part(dot.weight, nest_.weight);
    return ir::read(dot.weight->type, read.operand, read.index);
  }

  std::optional<Read> packed_read(const Read& read, const State& state) const {
    const PackedLayout* packed = plan_.packed_layout_of(read.operand);
    if (!packed) return std::nullopt;
    const PackedLayout& layout = *packed;
    Index index;
    for (const PackedLayout::Dimension& d : layout.dimensions) {
      if (d.loop >= 0) {
        index.emplace_back(state.loops[static_cast<size_t>(d.loop)]);
        continue;
      }
      if (layout.group > 1 && &d == &layout.dimensions.back()) continue; // part of the vector
      // The element within the register tile.
      Affine within = Affine(d.axis) - state.places[id(d.axis)].base;
      if (const auto element = elements_.find(id(d.axis)); element != elements_.end())
        within += Affine(element->second);
      index.emplace_back(std::move(within));
    }
    if (layout.group > 1) index.back().at *= layout.group;
    return Read{read.operand, std::move(index)};
  }

  double neutral() {
    const bool leaves_lanes_out = !nest_.constraints.empty() || plan_.across;
    if (!leaves_lanes_out || frame_.lanes == 1) return 0;
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
    if (at == plan_.loops.size()) return update(state);
    if (plan_.slide && at + 1 == plan_.loops.size()) return rows_of_slide(at, state);
    const PlanLoop& loop = plan_.loops[at];
    const NestAxis& tap = nest_.axis_of(loop.axis);
    if (loop.tile > 1) return tap_tiles(at, state);

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

  /// An operand that is in registers for all taps that slide.
  struct HeldTaps {
    int32_t operand = -1;
    bool moves_along_lanes = false;
    int32_t array = -1;
    std::vector<Affine> index(const Affine& tap, const Affine& vector) const {
      return moves_along_lanes ? std::vector<Affine>{tap, vector} : std::vector<Affine>{tap};
    }
  };
  const HeldTaps* held_taps(const Read& read) const {
    for (const HeldTaps& held : held_)
      if (held.operand == read.operand) return &held;
    return nullptr;
  }
  /// Of the row that is being written: each of its elements meets another tap.
  std::optional<Expr> held_value(const ExprNode& node, const std::vector<Affine>& registers) const {
    const HeldTaps* held = held_taps(std::get<Read>(node.is));
    if (!held) return std::nullopt;
    const Affine tap = Affine(row_) - registers[plan_.slide->tile] * plan_.slide->step;
    return reg(node.type, frame_.lanes, held->array, held->index(tap, registers[frame_.vector]),
               node.source);
  }

  /// Row by row: what the image has there meets each tap with the element that it is for. Whether a
  /// row lies in the padding is one question for all of them.
  Stmt rows_of_slide(size_t at, const State& state) {
    const Slide& slide = *plan_.slide;
    const Var axis = frame_.axes[slide.tile].axis, tap = plan_.loops[at].axis;
    const Place& here = state.places[id(axis)];
    std::vector<Stmt> rows = hold_taps(at, state);
    budget_.writes_apart(at, slide.taps);
    bool was_tested = true;
    for (int64_t row = 0; row < slide.rows(here.size); ++row) {
      if (row % slide.step >= slide.taps) { // between the taps of two elements
        row = ceil_div(row, slide.step) * slide.step - 1;
        continue;
      }
      State inner = state;
      Place& place = inner.places[id(axis)];
      place.active_lo = std::max<int64_t>(0, ceil_div(row - slide.taps + 1, slide.step));
      place.active_hi = std::min(here.size, row / slide.step + 1);
      const Affine its_tap = Affine(row) - (Affine(axis) - here.base) * slide.step;
      inner.places[id(tap)] = {its_tap, 1, 0, 1};
      inner.loops[at] = its_tap;
      row_ = row;
      bool is_inside = true;
      std::vector<Constraint> tests;
      for (const Constraint& c : nest_.constraints) {
        if (!c.value.depends_on(tap)) continue;
        const Affine at = c.value.substitute(tap, its_tap); // which leaves nothing of the axis
        Affine value = at;
        for (const Affine::Term& t : at.terms())
          if (id(t.var) < state.places.size())
            value += (state.places[id(t.var)].base - Affine(t.var)) * t.coefficient;
        const Interval range = bounds(value, ranges_);
        const int64_t extent = c.extent.number();
        is_inside &= range.hi >= 0 && range.lo < extent;
        if (range.lo < 0 || range.hi >= extent) tests.push_back({value, extent});
      }
      if (!is_inside) continue;
      Stmt code = update(inner);
      if (is_empty(code)) continue;
      // What a row has added that may be left out is for LLVM a reason to put off what was added
      // before, past it.
      if (!tests.empty() && !was_tested && !rows.empty()) rows.push_back(stmt(Fence{true}));
      was_tested = !tests.empty();
      for (const Constraint& c : tests)
        code = stmt(When{c.value, 0, c.extent.number(), std::move(code)});
      rows.push_back(std::move(code));
      // Else what a tap reads is loaded for one row and kept for those to come.
      if (!slide.holds) rows.push_back(stmt(Fence{}));
    }
    if (!rows.empty()) rows.push_back(stmt(Fence{true}));
    return block(std::move(rows));
  }

  /// Loads what is another one for each tap into registers, for all rows to come.
  std::vector<Stmt> hold_taps(size_t at, const State& state) {
    std::vector<Stmt> parts;
    if (held_.empty()) return parts;
    const Var tap = plan_.loops[at].axis;
    State all = state;
    all.places[id(tap)] = {0, plan_.slide->taps, 0, plan_.slide->taps};
    all.loops[at] = Affine(tap);
    const std::vector<Affine> base = bases(all.places);
    std::vector<TileAxis> axes = {
        {tap, 0, {{0, plan_.slide->taps, 0, 1}}, plan_.loops[at].name + "_r"}};
    if (plan_.vector) axes.push_back(frame_.axes[frame_.vector]);
    for (const Accumulator& a : nest_.accumulators)
      visit(a.update, [&](const ExprNode& node) {
        const auto* read = std::get_if<Read>(&node.is);
        const HeldTaps* held = read ? held_taps(*read) : nullptr;
        if (!held) return;
        if (plan_.vector) {
          const int64_t size = state.places[id(axes.back().axis)].size;
          axes.back().pieces =
              pieces_of(0, held->moves_along_lanes ? size : frame_.lanes, frame_.lanes);
        }
        TileWriter::Source source{nest_, step_, base, nullptr, nullptr};
        redirect_packed(source, all);
        TileWriter writer(std::move(source), axes);
        const Expr value = std::make_shared<ExprNode>(node);
        parts.push_back(counted(writer.write(
            {value}, nullptr,
            [&](const std::vector<Expr>& values, const std::vector<Affine>& registers,
                const Piece&) {
              return stmt(Set{held->array, held->index(registers.front(), registers.back()),
                              values.front()});
            })));
      });
    return parts;
  }

  /// Copies of a tap where only the run tells which of them lie inside the image.
  Stmt guarded_taps(size_t at, const NestAxis& tap, const State& state) {
    std::vector<Stmt> taps;
    budget_.writes_apart(at, tap.extent.number());
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
      if (at + 1 == plan_.loops.size()) taps.push_back(stmt(Fence{}));
    }
    return block(std::move(taps));
  }

  /// The taps that reach into the padding for some elements of the tile, for each border tile.
  Stmt partial_taps(size_t at, const Constraint& c, const NestAxis& tap, Var axis,
                    const State& state) {
    const std::optional<size_t> loop = plan_.loop_placing(axis);
    const Affine tile_index = loop ? state.loops[*loop] : Affine(0);
    const int64_t by = loop ? plan_.loops[*loop].tile : 0;
    const Affine start = state.places[id(axis)].base - tile_index * by;
    // Inside a tile of an outer loop that is not at the border: one that is stands by itself, at a
    // constant place (`tiles`).
    if (!start.is_constant()) return block({});
    const int64_t origin = start.number();
    const Interval tiles = bounds(tile_index, ranges_);
    struct Group {
      int64_t first, end;
      std::vector<TapRun> runs;
    };
    std::vector<Group> groups;
    const int64_t size = state.places[id(axis)].size;
    for (const Interval& some :
         borders_.partial_tiles(c, tap, axis, {origin, by, size}, tiles, state.places))
      for (int64_t t = some.lo; t <= some.hi; ++t) {
        std::vector<TapRun> runs =
            borders_.partial_runs(c, tap, axis, origin + t * by, state.places);
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
    const PlanLoop& loop = plan_.loops[at];
    const Var axis = loop.axis;
    const bool innermost = at + 1 == plan_.loops.size();
    const auto body = [&](const Affine& value) {
      State inner = state;
      inner.places[id(axis)] = {state.places[id(axis)].base + value, 1, 0, 1};
      inner.loops[at] = value;
      return tap_loops(at + 1, inner);
    };
    if (!range.is_constant()) {
      const Var var = new_var(loop.name, {0, state.places[id(axis)].size - 1});
      Stmt code = body(var);
      return serial_loop(var, std::move(range), std::move(code), "taps inside the image");
    }
    const int64_t lo = range.begin(), hi = range.end();
    if (lo >= hi) return block({});
    if (is_copied(axis)) {
      budget_.writes_apart(at, hi - lo);
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
      const CodeBudget::Copied copied(budget_, at, to - from);
      const Var var = new_var(loop.name + (offset.is_constant() ? "" : "_u"), {from, to - 1});
      std::vector<Stmt> code = {body(offset + Affine(var))};
      // Without a fence, instruction selection merges the equal inputs of neighbouring taps and
      // runs out of registers.
      if (innermost) code.push_back(stmt(Fence{}));
      return for_loop(var, Range::of(from, to), For::Kind::unrolled, block(std::move(code)));
    };
    if (loop.unrolls_all || hi - lo == 1) return copies(lo, hi, 0);
    const int64_t trips = loop.unroll > 1 ? (hi - lo) / loop.unroll : 0;
    if (copies_taps() && is_empty(body(new_var(loop.name, {lo, hi - 1})))) return block({});
    if (trips == 0) {
      const Var var = new_var(loop.name, {lo, hi - 1});
      Stmt code = body(var);
      return serial_loop(var, range, std::move(code));
    }
    const Var trip = new_var(loop.name + "_b", {0, trips - 1});
    std::vector<Stmt> parts;
    Stmt code = copies(0, loop.unroll, Affine(trip) * loop.unroll + Affine(lo));
    parts.push_back(serial_loop(trip, Range::of(0, trips), std::move(code)));
    if (const int64_t done = lo + trips * loop.unroll; done < hi)
      parts.push_back(copies(done, hi, 0));
    return block(std::move(parts));
  }

  /// The outer of two loops over a tap axis that meets no padding: whole tiles, then what is left.
  Stmt tap_tiles(size_t at, const State& state) {
    const PlanLoop& loop = plan_.loops[at];
    const Var axis = loop.axis;
    const Place& here = state.places[id(axis)];
    const int64_t trips = here.size / loop.tile, rest = here.size % loop.tile;
    const auto body = [&](const Affine& tile_index, int64_t size) {
      State inner = state;
      inner.places[id(axis)] = {here.base + tile_index * loop.tile, size, 0, size};
      inner.loops[at] = tile_index;
      return tap_loops(at + 1, inner);
    };
    std::vector<Stmt> parts;
    if (trips > 0 && (plan_.instruction.dot || plan_.across) && at + 1 == plan_.loops.size() &&
        loop.unroll != 1) {
      const int64_t copies = loop.unrolls_all ? trips : loop.unroll;
      const auto copied = [&](int64_t from, int64_t to, const Affine& offset) {
        const CodeBudget::Copied counted(budget_, at, to - from);
        const Var copy = new_var(loop.name + "_u", {from, to - 1});
        return for_loop(copy, Range::of(from, to), For::Kind::unrolled,
                        block({body(offset + Affine(copy), loop.tile), stmt(Fence{})}));
      };
      if (trips >= copies) {
        const Var trip = new_var(loop.name + "_b", {0, trips / copies - 1});
        Stmt code = copied(0, copies, Affine(trip) * copies);
        parts.push_back(serial_loop(trip, Range::of(0, trips / copies), code));
      }
      if (trips % copies) parts.push_back(copied(trips - trips % copies, trips, 0));
    } else if (trips > 0) {
      budget_.writes_apart(at, 1 + (rest > 0));
      const Var trip = new_var(loop.name + "_t", {0, trips - 1});
      Stmt code = body(trip, loop.tile);
      Stmt ahead = prefetcher_.at_trip(bases(state.places), state.loops, at, trip, trips);
      parts.push_back(
          serial_loop(trip, Range::of(0, trips), block({std::move(code), std::move(ahead)})));
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
    if (has_numbers()) {
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
    if (plan_.slide)
      for (Expr& e : updates) e = substitute(e, plan_.loops.back().axis, state.loops.back());
    const std::vector<Affine> base = bases(state.places);
    if (const std::optional<DotForm>& d = plan_.instruction.dot)
      updates = {SourceGiver(source())(dot(d->ways, acc(d->type, 0), d->image, packed_weight()))};
    Stmt code =
        writer(state, base, true).write(updates, in_frame(nest_, frame_), set_accumulators());
    code = block({std::move(code), prefetcher_.at_tap(base, state.loops)});
    for (const Constraint& c : state.guarded)
      code = stmt(When{c.value, 0, c.extent.number(), code});
    return counted(std::move(code));
  }

  Nest nest_; // reads its weight as it is packed
  const Plan& plan_;
  Borders borders_;
  Prefetcher prefetcher_;
  CodeBudget budget_;
  Step step_;
  TileFrame frame_;
  std::vector<Packing> packings_;
  int32_t next_buffer_;
  int64_t scratch_bytes_;
  std::vector<Buffer> scratch_; // of partial sums, one an accumulator
  std::vector<int32_t> scratch_numbers_;
  std::vector<int32_t> partial_; // views of it
  Index partial_index_;
  std::optional<ConstantWeight> weight_; // whose taps are copied out
  std::vector<Interval> ranges_;         // by step variable
  std::map<size_t, Var> elements_;       // axes that are walked element by element inside a tile
  std::optional<double> neutral_;
  std::vector<HeldTaps> held_;
  int64_t row_ = 0; // of the slide, being written
};

} // namespace

Expected<Specialised> specialise(const Nest& nest, const Plan& plan, const Surroundings& around) {
  try {
    return Specialiser(nest, plan, around).run();
  } catch (const InternalError&) {
    throw;
  } catch (const Error& error) {
    return Failure{error.diagnostics()};
  }
}

} // namespace volute::compiler
