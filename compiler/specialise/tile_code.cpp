#include "compiler/nests/neutral.h"
#include "compiler/nests/weight_expression.h"
#include "compiler/specialise/specialiser.h"
#include "compiler/specialise/tile_store.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>

namespace volute::compiler {

using namespace ir;

SourceId Specialiser::source() const {
  return nest_.statements.empty() ? no_source : static_cast<SourceId>(nest_.statements.front());
}

bool Specialiser::is_copied(Var tap) const {
  return copies_taps() && (has_numbers() ? weight_->moves_along(tap) : weight_->is_tap(tap));
}

KnownValues Specialiser::known(const State& state) const {
  KnownValues values;
  for (const Place& p : state.places) {
    values.emplace_back();
    if (p.base.is_constant() && p.active_hi == p.active_lo + 1)
      values.back() = p.base.number() + p.active_lo;
  }
  if (frame_.lanes > 1) values[id(frame_.axes[frame_.vector].axis)].reset();
  return values;
}

std::vector<Expr> Specialiser::initial_values() const {
  std::vector<Expr> initial;
  for (const Accumulator& a : nest_.accumulators) // of a sum across lanes the store adds it
    initial.push_back(plan_.across ? imm(0.0, a.type) : a.initial);
  return initial;
}

Stmt Specialiser::part_of_tile(size_t first_tap_loop, State state) {
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

Stmt Specialiser::tile(size_t first_tap_loop, State state) {
  if (plan_.matrix) return matrix_tile(first_tap_loop, std::move(state));
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

Stmt Specialiser::serial_loop(Var var, Range range, Stmt body, std::string note) {
  budget_.spend_loop();
  return for_loop(var, std::move(range), For::Kind::serial, std::move(body), std::move(note));
}

Stmt Specialiser::counted(Stmt code) {
  budget_.spend(code, step_.views);
  return code;
}

TileWriter::Sink Specialiser::set_accumulators() const {
  return
      [this](const std::vector<Expr>& values, const std::vector<Affine>& registers, const Piece&) {
        std::vector<Stmt> sets;
        for (size_t a : order_of_sets(values))
          sets.push_back(stmt(Set{frame_.accumulators[a], registers, values[a]}));
        return block(std::move(sets));
      };
}

std::vector<size_t> Specialiser::order_of_sets(const std::vector<Expr>& values) const {
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

void Specialiser::redirect_packed(TileWriter::Source& source, const State& state) const {
  if (plan_.packed.empty()) return;
  source.redirect = [this, &state](const Read& read) { return packed_read(read, state); };
  const bool all_inside =
      !plan_.across && (!plan_.vector || !borders_.constrained(plan_.tile[*plan_.vector].axis));
  source.is_padded = [this, all_inside](const Read& read) {
    return all_inside && plan_.packed_layout_of(read.operand) != nullptr;
  };
}

std::vector<std::vector<Piece>> Specialiser::active_pieces(const State& state) const {
  std::vector<std::vector<Piece>> pieces;
  for (const TileAxis& axis : frame_.axes) {
    const Place& p = state.places[id(axis.axis)];
    pieces.push_back(pieces_of(p.active_lo, p.active_hi, axis.lanes));
  }
  return pieces;
}

TileWriter Specialiser::writer(const State& state, const std::vector<Affine>& base,
                               bool only_active) {
  std::vector<TileAxis> axes = frame_.axes;
  const std::vector<std::vector<Piece>> active = active_pieces(state);
  for (size_t i = 0; i < axes.size(); ++i) {
    TileAxis& axis = axes[i];
    axis.pieces =
        only_active ? active[i] : pieces_of(0, state.places[id(axis.axis)].size, axis.lanes);
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

Expr Specialiser::packed_weight() const {
  const DotForm& dot = *plan_.instruction.dot;
  const Read& read = read_in_part(dot.weight);
  return ir::read(dot.weight->type, read.operand, read.index);
}

std::optional<Read> Specialiser::packed_read(const Read& read, const State& state) const {
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

double Specialiser::neutral() {
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

bool Specialiser::narrow_to_frame(State& state) const {
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

std::optional<Var> Specialiser::tiled_axis(const Constraint& c, const State& state) const {
  for (const NestAxis& axis : nest_.axes)
    if (!axis.reduction && c.value.depends_on(axis.var) && state.places[id(axis.var)].size > 1)
      return axis.var;
  return std::nullopt;
}

std::vector<Expr> Specialiser::updates(const State& state) const {
  if (has_numbers()) {
    Expr update = weight_->put_in(nest_.accumulators.front().update, known(state));
    return update ? std::vector<Expr>{std::move(update)} : std::vector<Expr>{};
  }
  if (weight_ && weight_->is_zero(known(state))) return {};
  if (const std::optional<DotForm>& d = plan_.instruction.dot)
    return {SourceGiver(source())(dot(d->ways, acc(d->type, 0), d->image, packed_weight()))};
  std::vector<Expr> updates;
  for (const Accumulator& a : nest_.accumulators) updates.push_back(a.update);
  if (plan_.slide)
    for (Expr& e : updates) e = substitute(e, plan_.loops.back().axis, state.loops.back());
  return updates;
}

void Specialiser::add_parts(std::vector<TileWriter::Part>& parts, const State& state) const {
  if (has_numbers())
    for (const TileAxis& axis : frame_.axes) {
      const Place& p = state.places[id(axis.axis)];
      if (!weight_->moves_along(axis.axis) || p.active_hi - p.active_lo == 1) continue;
      for (int64_t e = p.active_lo; e < p.active_hi; ++e) {
        State one = state;
        one.places[id(axis.axis)].active_lo = e, one.places[id(axis.axis)].active_hi = e + 1;
        add_parts(parts, one);
      }
      return;
    }
  if (std::vector<Expr> values = updates(state); !values.empty())
    parts.push_back({active_pieces(state), std::move(values)});
}

Stmt Specialiser::update(const State& state) {
  if (plan_.matrix) return add_matrices(state);
  for (const TileAxis& axis : frame_.axes)
    if (state.places[id(axis.axis)].active_lo >= state.places[id(axis.axis)].active_hi)
      return block({});
  std::vector<TileWriter::Part> parts;
  add_parts(parts, state);
  if (parts.empty()) return block({});
  const std::vector<Affine> base = bases(state.places);
  Stmt code = writer(state, base, true).write(parts, in_frame(nest_, frame_), set_accumulators());
  code = block(
      {std::move(code), prefetcher_.panels_at_tap(state.loops), prefetcher_.rows_at_tap(base)});
  for (const Constraint& c : state.guarded) code = stmt(When{c.value, 0, c.extent.number(), code});
  return counted(std::move(code));
}

} // namespace volute::compiler
