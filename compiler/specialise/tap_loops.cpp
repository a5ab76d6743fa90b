#include "compiler/specialise/specialiser.h"

#include <fmt/format.h>

namespace volute::compiler {

using namespace ir;

Stmt Specialiser::tap_loops(size_t at, const State& state) {
  if (at == plan_.loops.size()) return update(state);
  if (plan_.slide && at + 1 == plan_.loops.size()) return rows_of_slide(at, state);
  const PlanLoop& loop = plan_.loops[at];
  const NestAxis& tap = nest_.axis_of(loop.axis);
  if (loop.tile > 1) return tap_tiles(at, state);
  if (multiplies_parts(at, state)) return products_of_parts(at, state);

  Range whole = Range::of(0, state.places[id(tap.var)].size);
  std::optional<Var> split;
  const Constraint* splitting = nullptr;
  for (const Constraint& c : nest_.constraints) {
    if (!c.value.depends_on(tap.var)) continue;
    borders_.clip(whole, c, tap, state.places, ranges_);
    if (const std::optional<Var> tiled = tiled_axis(c, state)) split = tiled, splitting = &c;
  }
  if (!split && is_copied(tap.var) && !whole.is_constant()) return guarded_taps(at, tap, state);
  const auto partial = [&](Side side) {
    return partial_taps(at, *splitting, tap, *split, side, state);
  };
  if (!split || plan_.sums == SumOrder::any) {
    Stmt meets_all = tap_loop(at, whole, state);
    if (!split) return meets_all;
    return block({std::move(meets_all), partial(Side::both)});
  }
  Stmt before = partial(Side::before), meets_all = tap_loop(at, whole, state);
  return block({std::move(before), std::move(meets_all), partial(Side::after)});
}

Stmt Specialiser::guarded_taps(size_t at, const NestAxis& tap, const State& state) {
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

Stmt Specialiser::partial_taps(size_t at, const Constraint& c, const NestAxis& tap, Var axis,
                               Side side, const State& state) {
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
  // The first taps meet the image's begin where it moves on with them, else its end.
  const bool begins = (c.value.coefficient(tap.var) > 0) == (c.value.coefficient(axis) > 0);
  const auto is_elsewhere = [&](const TapRun& run) {
    const bool is_before = begins ? run.active_lo > 0 : run.active_hi < size;
    return side == (is_before ? Side::after : Side::before);
  };
  for (const Interval& some :
       borders_.partial_tiles(c, tap, axis, {origin, by, size}, tiles, state.places))
    for (int64_t t = some.lo; t <= some.hi; ++t) {
      std::vector<TapRun> runs = borders_.partial_runs(c, tap, axis, origin + t * by, state.places);
      std::erase_if(runs, is_elsewhere);
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

Stmt Specialiser::tap_loop(size_t at, Range range, const State& state) {
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
    return serial_loop(var, std::move(range), std::move(code),
                       loop.role == AxisRole::part ? "products of parts that count"
                                                   : "taps inside the image");
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

Stmt Specialiser::tap_tiles(size_t at, const State& state) {
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

} // namespace volute::compiler
