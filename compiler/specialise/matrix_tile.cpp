// Before:  registers h 2, w 28 rows 14, o 32 vector 16     for kh, kw, i tile 32
// After:   8 registers with rows are 0; for each tap 4 loads and 8 products; then
//
//     tile store acc_partial[h, 14*w_r, 16*o_v] rows along dim 1 = acc[h][w_r][o_v]
//
// and vectors take the sums up from there, a few pixels of 16 channels at a time. A last tile with
// fewer pixels is computed as wide as all others, from as many pixels further to the left: so one
// shape of registers does for all of them, nothing is read beyond the image, and what was stored
// before is not stored again.

#include "compiler/nests/strides.h"
#include "compiler/nests/weight_expression.h"
#include "compiler/specialise/specialiser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace volute::compiler {

using namespace ir;

void Specialiser::make_matrices() {
  const Instruction& is = plan_.instruction;
  const PlanTile& rows = plan_.tile[plan_.matrix->rows];
  const PlanTile& lanes = plan_.tile[*plan_.vector];
  const Read& image = std::get<Read>(is.dot->image->is);
  const Read& weight = read_in_part(is.dot->weight);
  std::vector<int64_t> of_sums, of_image, of_weight;
  for (size_t i = 0; i < plan_.tile.size(); ++i) {
    const Var axis = plan_.tile[i].axis;
    of_sums.push_back(plan_.tile[i].registers());
    if (moves(image.index, axis)) matrices_.image_moves |= uint32_t{1} << i;
    if (moves(image.index, axis) && plan_.matrix->holds_images) of_image.push_back(of_sums.back());
    if (moves(weight.index, axis))
      matrices_.weight_moves |= uint32_t{1} << i, of_weight.push_back(of_sums.back());
  }
  const auto add = [&](std::string name, ElementType type, int32_t elements,
                       std::vector<int64_t> shape, int32_t of_rows) {
    step_.arrays.push_back({std::move(name), type, elements, std::move(shape), of_rows});
    return static_cast<int32_t>(step_.arrays.size()) - 1;
  };
  const Accumulator& sum = nest_.accumulators.front();
  const auto name_of = [&](int32_t operand) {
    return nest_.operands[static_cast<size_t>(operand)].name + "_";
  };
  matrices_.sums = add(sum.name, sum.type, lanes.lanes, of_sums, rows.rows);
  matrices_.image =
      add(name_of(image.operand), is.dot->image->type, is.steps * is.ways, of_image, rows.rows);
  matrices_.weight = add(name_of(weight.operand), is.dot->weight->type, lanes.lanes * is.ways,
                         of_weight, is.steps);

  // What finishes the sums: a few rows of one vector of results.
  frame_.lanes = plan_.matrix->finished_lanes;
  frame_.vector = 1;
  frame_.store = {plan_.store.kind, 0};
  frame_.adds_initial = true;
  frame_.axes = {{rows.axis, 0, {}, rows.name + "_r"},
                 {lanes.axis, frame_.lanes, {}, lanes.name + "_v"}};
  frame_.shape = {plan_.matrix->finished, 1};
  if (frame_.store.kind == PlannedStore::Kind::transposed) // else they stay in memory
    frame_.accumulators = {add(sum.name + "_out", sum.type, frame_.lanes, frame_.shape, 0)};
}

Stmt Specialiser::over_registers(const State& state, uint32_t takes, bool only_active,
                                 const std::function<Stmt(const At&)>& code, At at) {
  const size_t axis = at.registers.size();
  if (axis == plan_.tile.size()) return code(at);
  at.registers.emplace_back(0), at.elements.emplace_back(0);
  if (!(takes >> axis & 1)) return over_registers(state, takes, only_active, code, std::move(at));
  const PlanTile& t = plan_.tile[axis];
  const Place& place = state.places[id(t.axis)];
  const bool is_one_each = t.each() == 1;
  const int64_t first = only_active && is_one_each ? place.active_lo : 0;
  const int64_t end = only_active && is_one_each ? place.active_hi : place.size;
  // Whole registers, and one that is not: of lanes it has some that nobody looks at, of rows some
  // that were there before.
  const int64_t whole = end / t.each();
  const auto here = [&](const Affine& number, const Affine& element) {
    At inner = at;
    inner.registers.back() = number, inner.elements.back() = element;
    return over_registers(state, takes, only_active, code, std::move(inner));
  };
  std::vector<Stmt> parts;
  if (first < whole) {
    const Var var{static_cast<int32_t>(step_.vars.size())};
    step_.vars.push_back(t.name + (t.lanes ? "_v" : "_r"));
    parts.push_back(for_loop(var, Range::of(first, whole), For::Kind::unrolled,
                             here(var, Affine(var) * t.each())));
  }
  if (whole * t.each() < end)
    parts.push_back(here(whole, t.rows ? end - t.rows : whole * t.each()));
  return block(std::move(parts));
}

TileRegister Specialiser::image_at(const At& at) const {
  TileRegister result{matrices_.image, {}};
  for (size_t i = 0; i < plan_.tile.size() && plan_.matrix->holds_images; ++i)
    if (matrices_.image_moves >> i & 1) result.index.push_back(at.registers[i]);
  return result;
}

TileRegister Specialiser::weight_at(const At& at) const {
  TileRegister result{matrices_.weight, {}};
  for (size_t i = 0; i < plan_.tile.size(); ++i)
    if (matrices_.weight_moves >> i & 1) result.index.push_back(at.registers[i]);
  return result;
}

Stmt Specialiser::load_image(const State& state, const At& at) const {
  const Read& read = std::get<Read>(plan_.instruction.dot->image->is);
  std::vector<Affine> values = bases(state.places);
  for (size_t i = 0; i < plan_.tile.size(); ++i) values[id(plan_.tile[i].axis)] += at.elements[i];
  Tile tile{Tile::Kind::load, image_at(at), read.operand};
  tile.bypasses = plan_.matrix->bypass.image;
  for (const Subscript& s : read.index) {
    Affine place = s.at.constant_term();
    for (const Affine::Term& term : s.at.terms()) place += values[id(term.var)] * term.coefficient;
    tile.index.emplace_back(std::move(place));
    if (const int64_t step = s.at.coefficient(plan_.tile[plan_.matrix->rows].axis); step != 0) {
      tile.row_dim = static_cast<int32_t>(tile.index.size()) - 1;
      tile.row_step = step;
    }
  }
  return stmt(std::move(tile));
}

Stmt Specialiser::load_weight(const State& state, const At& at) const {
  const int32_t weight = read_in_part(plan_.instruction.dot->weight).operand;
  Tile tile{Tile::Kind::load, weight_at(at), weight};
  tile.bypasses = plan_.matrix->bypass.weight;
  for (const PackedLayout::Dimension& d : plan_.packed_layout_of(weight)->dimensions)
    if (d.loop >= 0) tile.index.emplace_back(state.loops[static_cast<size_t>(d.loop)]);
  for (size_t i = 0; i < plan_.tile.size(); ++i)
    if (matrices_.weight_moves >> i & 1) tile.index.emplace_back(at.registers[i]);
  tile.row_dim = static_cast<int32_t>(tile.index.size());
  tile.index.emplace_back(0); // of the sum's steps
  tile.index.emplace_back(0); // of the lanes, each with its group
  return stmt(std::move(tile));
}

Stmt Specialiser::add_matrices(const State& state) {
  for (const PlanTile& t : plan_.tile) {
    const Place& place = state.places[id(t.axis)];
    if (place.active_lo >= place.active_hi) return block({});
  }
  const uint32_t lanes = uint32_t{1} << *plan_.vector, others = lanes - 1; // which come before them
  const bool holds = plan_.matrix->holds_images;
  std::vector<Stmt> parts;
  if (!matrices_.has_weight)
    parts.push_back(over_registers(state, matrices_.weight_moves, true,
                                   [&](const At& at) { return load_weight(state, at); }));
  if (holds && !matrices_.has_image)
    parts.push_back(over_registers(state, matrices_.image_moves, true,
                                   [&](const At& at) { return load_image(state, at); }));
  const auto product = [&](const At& outer, const At& inner) {
    At at = outer;
    at.registers.back() = inner.registers.back(), at.elements.back() = inner.elements.back();
    Tile tile{Tile::Kind::multiply, {matrices_.sums, at.registers}};
    tile.a = image_at(at), tile.b = weight_at(at);
    return stmt(std::move(tile));
  };
  // A product takes as long as its image has rows, if the weight is that of the product before,
  // else as long as the weight has at least.
  if (holds)
    parts.push_back(over_registers(state, lanes, true, [&](const At& inner) {
      return over_registers(state, others, true,
                            [&](const At& outer) { return product(outer, inner); });
    }));
  else
    parts.push_back(over_registers(state, others, true, [&](const At& outer) {
      return block({load_image(state, outer),
                    over_registers(state, lanes, true,
                                   [&](const At& inner) { return product(outer, inner); })});
    }));
  // Parts of numbers that an earlier product of the step took were asked for with it.
  if (!matrices_.has_asked) parts.push_back(prefetcher_.panels_at_tap(state.loops));
  if (!matrices_.has_image) parts.push_back(prefetcher_.rows_at_tap(bases(state.places)));
  if (matrices_.before) parts.push_back(finish_before(state));
  Stmt code = block(std::move(parts));
  for (const Constraint& c : state.guarded) code = stmt(When{c.value, 0, c.extent.number(), code});
  return counted(std::move(code));
}

bool Specialiser::multiplies_parts(size_t at, const State& state) const {
  if (!plan_.matrix || at + 3 != plan_.loops.size()) return false;
  const PlanLoop &first = plan_.loops[at], &second = plan_.loops[at + 1];
  if (first.role != AxisRole::part || second.role != AxisRole::part) return false;
  for (const Constraint& c : nest_.constraints)
    for (const Affine::Term& t : c.value.terms())
      if ((c.value.depends_on(first.axis) || c.value.depends_on(second.axis)) &&
          t.var != first.axis && t.var != second.axis)
        return false;
  const PlanLoop& step = plan_.loops.back();
  return state.places[id(step.axis)].size == step.tile;
}

Stmt Specialiser::products_of_parts(size_t at, const State& state) {
  const Var axes[2] = {plan_.loops[at].axis, plan_.loops[at + 1].axis};
  using Pair = std::array<int64_t, 2>;
  std::vector<Pair> pairs;
  for (int64_t a = 0; a < plan_.loops[at].extent; ++a)
    for (int64_t b = 0; b < plan_.loops[at + 1].extent; ++b)
      if (std::all_of(nest_.constraints.begin(), nest_.constraints.end(), [&](const Constraint& c) {
            if (!c.value.depends_on(axes[0]) && !c.value.depends_on(axes[1])) return true;
            const int64_t value = c.value.constant_term() + a * c.value.coefficient(axes[0]) +
                                  b * c.value.coefficient(axes[1]);
            return value >= 0 && value < c.extent.number();
          }))
        pairs.push_back({a, b});
  // The smallest products first, and of those that share an operand with the one before, if any do.
  const auto shares = [](const Pair& x, const Pair& y) { return x[0] == y[0] || x[1] == y[1]; };
  for (size_t i = 0; i + 1 < pairs.size(); ++i)
    std::stable_sort(pairs.begin() + static_cast<std::ptrdiff_t>(i), pairs.end(),
                     [&](const Pair& x, const Pair& y) {
                       if (i > 0 && shares(x, pairs[i - 1]) != shares(y, pairs[i - 1]))
                         return shares(x, pairs[i - 1]);
                       return x[0] + x[1] < y[0] + y[1];
                     });
  budget_.writes_apart(at, std::ssize(pairs));
  const bool first_is_of_weight = moves(read_in_part(plan_.instruction.dot->weight).index, axes[0]);
  std::vector<Stmt> products;
  for (size_t i = 0; i < pairs.size(); ++i) {
    State inner = state;
    for (size_t k : {0, 1}) {
      inner.places[id(axes[k])] = {pairs[i][k], 1, 0, 1};
      inner.loops[at + k] = pairs[i][k];
    }
    const bool has_first = i > 0 && pairs[i][0] == pairs[i - 1][0];
    const bool has_second = i > 0 && pairs[i][1] == pairs[i - 1][1];
    matrices_.has_weight = first_is_of_weight ? has_first : has_second;
    matrices_.has_image = first_is_of_weight ? has_second : has_first;
    const size_t of_weight = first_is_of_weight ? 0 : 1;
    matrices_.has_asked =
        std::any_of(pairs.begin(), pairs.begin() + static_cast<std::ptrdiff_t>(i),
                    [&](const Pair& before) { return before[of_weight] == pairs[i][of_weight]; });
    products.push_back(tap_loops(at + 2, inner));
  }
  matrices_.has_weight = matrices_.has_image = matrices_.has_asked = false;
  return block(std::move(products));
}

Stmt Specialiser::matrix_tile(size_t first_tap_loop, State state) {
  const uint32_t all = (uint32_t{1} << plan_.tile.size()) - 1;
  const auto sums = [&](const At& at) { return TileRegister{matrices_.sums, at.registers}; };
  // Scratch begins where the first row of any register lies.
  std::vector<int64_t> extents;
  std::vector<int64_t> before;
  for (const PlanTile& t : plan_.tile) {
    const Place& place = state.places[id(t.axis)];
    before.push_back(std::max<int64_t>(t.rows - place.size, 0));
    extents.push_back(t.lanes ? t.registers() * t.lanes : before.back() + place.size);
  }
  partial_ =
      view_scratch(extents, fmt::format("registers {}", plan_.tile.front().name), partial_sums_);

  std::vector<Stmt> parts = {counted(over_registers(state, all, false, [&](const At& at) {
    return stmt(Tile{Tile::Kind::zero, sums(at)});
  }))};
  State taps = state;
  if (narrow_to_frame(taps)) parts.push_back(tap_loops(first_tap_loop, taps));
  parts.push_back(counted(over_registers(state, all, false, [&](const At& at) {
    Tile tile{Tile::Kind::store, sums(at), partial_.front()};
    for (size_t i = 0; i < plan_.tile.size(); ++i)
      tile.index.emplace_back(at.elements[i] + before[i]);
    tile.row_dim = static_cast<int32_t>(plan_.matrix->rows);
    return stmt(std::move(tile));
  })));
  if (!matrices_.before) parts.push_back(finish_matrices(state));
  return block(std::move(parts));
}

void Specialiser::index_sums(const State& state) {
  partial_index_.clear();
  for (const PlanTile& t : plan_.tile) {
    const Place& place = state.places[id(t.axis)];
    partial_index_.emplace_back(Affine(t.axis) - place.base +
                                std::max<int64_t>(t.rows - place.size, 0));
  }
}

Stmt Specialiser::finish_matrices(const State& state) {
  index_sums(state);
  return finish_rows(0, state, For::Kind::serial);
}

std::vector<Stmt> Specialiser::overlapped_tiles(size_t at, const State& state, const Segment& s) {
  const PlanLoop& loop = plan_.loops[at];
  const auto tile_at = [&](const Affine& index) {
    State inner = state;
    Place& here = inner.places[id(loop.axis)];
    inner.loops[at] = index;
    here = {here.base + index * loop.tile, s.size, 0, s.size};
    return inner;
  };
  const int64_t end = s.first + s.count;
  const Var var = new_var(loop.name + "_t", {s.first, end - 1});
  matrices_.before = {tile_at(Affine(var) - Affine(1)), var, s.first + 1, end};
  Stmt code = matrix_tile(at + 1, tile_at(var));
  matrices_.before.reset();
  return {serial_loop(var, Range::of(s.first, end), std::move(code)),
          finish_matrices(tile_at(end - 1))};
}

Stmt Specialiser::finish_before(const State& state) {
  const Matrices::Before& before = *matrices_.before;
  index_sums(before.state);
  // Which of the steps that every tile goes through this is.
  Affine step = 0;
  for (size_t i = plan_.first_tap(); i < plan_.loops.size(); ++i)
    if (plan_.loops[i].role != AxisRole::part)
      step = step * plan_.loops[i].trips() + state.loops[i];
  const Var rows = plan_.tile[plan_.matrix->rows].axis;
  const Place& whole = before.state.places[id(rows)];
  const int64_t blocks = ceil_div(whole.size, plan_.matrix->finished);
  const int64_t each =
      ceil_div(blocks, plan_.matrix->overlapped_steps) * plan_.matrix->finished; // rows
  const int64_t shares = whole.size / each, rest = whole.size % each;
  const auto share = [&](const Affine& number, int64_t size, int64_t first, int64_t end) {
    State part = before.state;
    part.places[id(rows)] = {whole.base + number * each, size, 0, size};
    return stmt(When{step, first, end, finish_rows(0, part, For::Kind::unrolled)});
  };
  std::vector<Stmt> shared;
  if (shares > 0) shared.push_back(share(step, each, 0, shares));
  if (rest > 0) shared.push_back(share(shares, rest, shares, shares + 1));
  Stmt code = stmt(When{before.index, before.first, before.end, block(std::move(shared))});
  for (size_t i = plan_.first_tap(); i < plan_.loops.size(); ++i)
    if (const PlanLoop& loop = plan_.loops[i]; loop.role == AxisRole::part && loop.trips() > 1)
      code = stmt(When{state.loops[i], loop.trips() - 1, loop.trips(), std::move(code)});
  return code;
}

Stmt Specialiser::finish_rows(size_t axis, const State& state, For::Kind loops) {
  if (axis == plan_.tile.size()) {
    const std::vector<Affine> base = bases(state.places);
    TileWriter plain = writer(state, base, false);
    if (frame_.store.kind == PlannedStore::Kind::transposed) {
      Stmt loads = plain.write(partial_values(), in_frame(nest_, frame_), set_accumulators());
      return counted(block({loads, store_tile(nest_, step_, frame_, state.places)}));
    }
    // Row by row: eight rows that are loaded before the first is stored take a fourth longer.
    const int64_t lanes = state.places[id(plan_.tile[*plan_.vector].axis)].size;
    const auto sums = [&](int32_t, const std::vector<Affine>& registers) {
      TileWriter::Address at = plain.address(partial_index_, registers);
      return load(nest_.accumulators.front().type, frame_.lanes,
                  Load{partial_.front(), std::move(at.index), at.lane_dim, at.lane_step, 0,
                       static_cast<int32_t>(std::min<int64_t>(lanes, frame_.lanes)), 0});
    };
    return counted(store_tile(nest_, step_, frame_, state.places, sums));
  }
  const PlanTile& t = plan_.tile[axis];
  const Place& whole = state.places[id(t.axis)];
  const int64_t each = axis == plan_.matrix->rows ? plan_.matrix->finished
                       : t.lanes                  ? plan_.matrix->finished_lanes
                                                  : 1;
  const auto part = [&](const Affine& number, int64_t size) {
    State inner = state;
    inner.places[id(t.axis)] = {whole.base + number * each, size, 0, size};
    return finish_rows(axis + 1, inner, loops);
  };
  const int64_t trips = whole.size / each, rest = whole.size % each;
  std::vector<Stmt> parts;
  if (trips > 0) {
    const Var var = new_var(t.name + "_s", {0, trips - 1});
    Stmt code = part(var, each);
    parts.push_back(loops == For::Kind::serial
                        ? serial_loop(var, Range::of(0, trips), std::move(code))
                        : for_loop(var, Range::of(0, trips), loops, std::move(code)));
  }
  if (rest > 0) parts.push_back(part(trips, rest));
  return block(std::move(parts));
}

} // namespace volute::compiler
