#include "compiler/specialise/specialiser.h"

#include <algorithm>

namespace volute::compiler {

using namespace ir;

namespace {

// Tiles of one loop that have code of their own because they meet a border.
constexpr int64_t most_told_apart = 512;

} // namespace

std::vector<Segment> Specialiser::told_apart(const PlanLoop& loop, const Place& here, Var axis,
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
    const auto at_border = [&](int64_t tiles) { return loop.tile > 1 && tiles <= most_told_apart; };
    add(s.first, left, each || at_border(left - s.first));
    add(left, right, each);
    add(right, end, each || at_border(end - right));
  }
  return result;
}

std::vector<Segment> Specialiser::segments(size_t at, const State& state) const {
  const PlanLoop& loop = plan_.loops[at];
  const Var axis = loop.axis;
  const Place& here = state.places[id(axis)];
  std::vector<Segment> together = tiles(at, here, axis);
  return copies_taps() ? told_apart(loop, here, axis, together) : together;
}

std::vector<Segment> Specialiser::tiles(size_t at, const Place& here, Var axis) const {
  const PlanLoop& loop = plan_.loops[at];
  const bool meets_border = loop.tile > 1 && borders_.constrained(axis) && !slides_along(axis) &&
                            !is_interior(here, axis);
  if (meets_border && loop.places_tile)
    return borders_.segments(axis, here.base.number(), here.size, loop.tile);
  if (meets_border) return borders_.told_apart(axis, here.base.number(), here.size, loop.tile);
  if (loop.tile == 1 && !loop.parallel) return across_frame(here, axis);
  const int64_t full = here.size / loop.tile, tail = here.size % loop.tile;
  std::vector<Segment> result;
  if (full) result.push_back({0, full, loop.tile, false, tail ? "whole tiles" : ""});
  if (tail) result.push_back({full, 1, tail, false, "the last, smaller tile"});
  return result;
}

std::vector<Segment> Specialiser::across_frame(const Place& here, Var axis) const {
  std::vector<int64_t> cuts = {0, here.size};
  for (const Constraint& c : nest_.constraints) {
    const int64_t factor = c.value.coefficient(axis);
    if (c.value.terms().size() != 1 || factor == 0 || !here.base.is_constant()) continue;
    const auto [lo, hi] = Borders::active(c.value.constant_term() + factor * here.base.number(),
                                          factor, here.size, c.extent.number());
    if (lo < hi) cuts.insert(cuts.end(), {lo, hi});
  }
  std::sort(cuts.begin(), cuts.end());
  std::vector<Segment> result;
  for (size_t i = 0; i + 1 < cuts.size(); ++i)
    if (cuts[i] < cuts[i + 1]) result.push_back({cuts[i], cuts[i + 1] - cuts[i], 1, false, ""});
  return result;
}

bool Specialiser::slides_along(Var axis) const {
  return plan_.slide && plan_.tile[plan_.slide->tile].axis == axis;
}

bool Specialiser::is_interior(const Place& place, Var axis) const {
  const Interval base = bounds(place.base, ranges_);
  return borders_.interior(axis, base.lo, base.hi - base.lo + place.size);
}

Stmt Specialiser::parallel_loops(size_t at, const State& state) {
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
    } else if (at + 1 == plan_.first_tap() && plan_.matrix && plan_.matrix->overlapped_steps > 0 &&
               s.count > 1 && !s.element_wise) {
      stmts.push_back(block(overlapped_tiles(at, state, s), s.note));
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

std::vector<Stmt> Specialiser::copies_of_tiles(size_t at, const State& state, const Segment& s) {
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

const Constraint* Specialiser::domain_of(const PlanLoop& loop) const {
  if (loop.parallel) return nullptr;
  for (const Constraint& c : nest_.domain)
    if (c.value.depends_on(loop.axis)) return &c;
  return nullptr;
}

Stmt Specialiser::rows_inside(size_t at, State state, const Constraint& within) {
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

Stmt Specialiser::tile_body(size_t at, State state, const Segment& segment,
                            const Affine& tile_index) {
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

} // namespace volute::compiler
