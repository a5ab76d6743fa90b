#include "compiler/schedule/matrix_candidates.h"

#include "compiler/nests/matrix_steps.h"
#include "compiler/nests/parts.h"
#include "compiler/nests/strides.h"
#include "ir/loops.h"

#include <algorithm>

namespace volute::compiler {

using namespace ir;

namespace {

constexpr double promised = 0.4; // of what the model saw, measured: 8 % of 18, 3 of 14
constexpr double taps_inside = 1.02;

} // namespace

void MatrixCandidates::try_tiles() {
  for (const NestAxis& summed : nest_.flat.axes) {
    if (!summed.reduction) continue;
    const std::optional<DotForm> form = dot_form(nest_.flat, summed.var);
    if (!form || !nest_.target.has_tiles_for(form->image->type)) continue;
    MatrixShape shape;
    shape.overlaps = nest_.given.parameters.empty(); // loops over those are plain ones
    shape.step = matrix_step(nest_.flat, *form, summed.var);
    if (shape.step == 0) continue;
    for (const NestAxis& v : nest_.flat.axes)
      for (const NestAxis& rows : nest_.flat.axes) {
        if (!is_of(*form, v, form->weight) || !is_of(*form, rows, form->image)) continue;
        shape.v = &v, shape.rows_axis = &rows;
        shape.lanes = most_tile_row_bytes / size_of(form->type);
        while (shape.lanes / 2 >= v.extent.number() && shape.lanes > 2) shape.lanes /= 2;
        try_tiles(*form, shape);
      }
  }
}

void MatrixCandidates::try_tiles(const DotForm& form, MatrixShape shape) {
  const int64_t extent = shape.rows_axis->extent.number();
  const int64_t registers = ceil_div(extent, most_tile_rows);
  shape.rows = ceil_div(extent, registers);
  for (shape.row_registers = 1; shape.row_registers <= std::min<int64_t>(registers, 4);
       ++shape.row_registers)
    for (shape.vectors = 1; shape.vectors <= 4; ++shape.vectors) {
      if (shape.vectors > ceil_div(shape.v->extent.number(), shape.lanes)) break;
      shape.u = nullptr, shape.unrolled = 1;
      add(shape);
      for (const NestAxis& u : nest_.flat.axes) {
        if (&u == shape.v || &u == shape.rows_axis || !may_be_tiled(u) ||
            !moves(form.image, u.var) || moves(form.weight, u.var))
          continue;
        shape.u = &u, shape.unrolled = 2;
        add(shape);
      }
    }
}

void MatrixCandidates::add(const MatrixShape& shape) {
  const int64_t images = shape.row_registers * shape.unrolled;
  if (images * shape.vectors + shape.vectors + 1 > most_tiles || images * shape.vectors > 4) return;
  for (const LoopOrder order : {LoopOrder::usual, LoopOrder::turned})
    candidates_.add({}, nest_.builder.for_matrices(shape, order));
}

bool MatrixCandidates::beat_vectors() const {
  double most = nest_.target.fma_per_cycle * static_cast<double>(nest_.target.lanes(4));
  for (const Unit& unit : nest_.target.units())
    if (unit.kind != Unit::Kind::tile) most = std::max(most, unit.products_per_cycle());
  const double bound = static_cast<double>(nest_.flat.points()) * share_of_parts(nest_.flat) / most;
  return std::any_of(candidates_.all().begin(), candidates_.all().end(), [&](const auto& scored) {
    return scored->plan.matrix && scored->cost.cycles < bound;
  });
}

/// Products of matrices for whose taps the image comes from L1: a few channels of it, and all of
/// them before the next. An image in parts is read often enough for that, by six products each;
/// where the model promises 1 %, 2 to 3 % are lost.
void MatrixCandidates::try_taps_inside() {
  if (nest_.builder.is_banded() || !has_parts(nest_.flat) || !candidates_.best().plan.matrix)
    return;
  std::vector<std::pair<Schedule, double>> best; // and their cycles
  for (size_t i = 0; i < std::min(tiles_reordered, candidates_.size()); ++i)
    best.emplace_back(candidates_[i].schedule, candidates_[i].cost.cycles);
  for (auto& [schedule, cycles] : best) {
    std::optional<Schedule> turned = nest_.builder.with_taps_inside(std::move(schedule));
    if (!turned) continue;
    turned->prefetch.clear(), turned->bypass.clear();
    Scored* inside = candidates_.add({}, std::move(*turned));
    if (!inside) continue;
    const double share = (1 - promised) * cycles / inside->cost.cycles + promised;
    if (share < 1) continue;
    inside->cost.cycles *= share, inside->weighed *= share * taps_inside;
    for (CostTerm& term : inside->cost.terms) term.cycles *= share;
  }
  candidates_.sort();
}

bool MatrixCandidates::may_be_tiled(const NestAxis& axis) const {
  return nest_.may_be_tiled(axis) && axis.extent.number() > 1;
}

/// Whether results move with the axis, and of the operands one alone.
bool MatrixCandidates::is_of(const DotForm& form, const NestAxis& axis, const Expr& operand) const {
  return may_be_tiled(axis) && !nest_.builder.constrained(axis) && nest_.is_written_along(axis) &&
         moves(operand, axis.var) &&
         !moves(operand == form.image ? form.weight : form.image, axis.var);
}

} // namespace volute::compiler
