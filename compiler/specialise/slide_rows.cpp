#include "compiler/specialise/specialiser.h"

#include <algorithm>

namespace volute::compiler {

using namespace ir;

const Specialiser::HeldTaps* Specialiser::held_taps(const Read& read) const {
  for (const HeldTaps& held : held_)
    if (held.operand == read.operand) return &held;
  return nullptr;
}

std::optional<Expr> Specialiser::held_value(const ExprNode& node,
                                            const std::vector<Affine>& registers) const {
  const HeldTaps* held = held_taps(std::get<Read>(node.is));
  if (!held) return std::nullopt;
  const Affine tap = Affine(row_) - registers[plan_.slide->tile] * plan_.slide->step;
  return reg(node.type, frame_.lanes, held->array, held->index(tap, registers[frame_.vector]),
             node.source);
}

Stmt Specialiser::rows_of_slide(size_t at, const State& state) {
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
    if (!tests.empty() && !was_tested && !rows.empty())
      rows.push_back(stmt(Fence{Fence::Kind::sums}));
    was_tested = !tests.empty();
    for (const Constraint& c : tests)
      code = stmt(When{c.value, 0, c.extent.number(), std::move(code)});
    rows.push_back(std::move(code));
    // Else what a tap reads is loaded for one row and kept for those to come.
    if (!slide.holds) rows.push_back(stmt(Fence{}));
  }
  if (!rows.empty()) rows.push_back(stmt(Fence{Fence::Kind::sums}));
  return block(std::move(rows));
}

std::vector<Stmt> Specialiser::hold_taps(size_t at, const State& state) {
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
          [&](const std::vector<Expr>& values, const std::vector<Affine>& registers, const Piece&) {
            return stmt(
                Set{held->array, held->index(registers.front(), registers.back()), values.front()});
          })));
    });
  return parts;
}

} // namespace volute::compiler
