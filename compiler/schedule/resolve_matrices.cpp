#include "compiler/nests/expand_math.h"
#include "compiler/nests/strides.h"
#include "compiler/schedule/resolver.h"
#include "ir/loops.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>

namespace volute::compiler {

using namespace ir;

void Resolver::choose_matrices() {
  const auto rows = std::find_if(plan_.tile.begin(), plan_.tile.end(),
                                 [](const PlanTile& t) { return t.rows > 0; });
  size_t at = 0;
  while (at < plan_.schedule.loops.size() && !plan_.schedule.loops[at].tile) ++at;
  if (at == plan_.schedule.loops.size()) {
    if (rows != plan_.tile.end())
      refuse(plan_.schedule.registers[static_cast<size_t>(rows - plan_.tile.begin())].at,
             fmt::format("registers {} {} rows {}: only products of matrices have rows", rows->name,
                         rows->size, rows->rows),
             "add `tile N` to the innermost loop");
    return;
  }
  const LoopDirective& loop = plan_.schedule.loops[at];
  const auto no = [&](const std::string& message, std::string hint = "") {
    refuse(loop.at, fmt::format("for {} tile {}: {}", loop.axis, loop.tile, message),
           std::move(hint));
  };
  const std::optional<DotForm>& form = facts_.dot(plan_.loops[at].axis);
  if (!form)
    return no("the nest adds no products of u8 and i8, or of two bf16, that lie one after the "
              "other along this axis");
  if (!target_.has_tiles_for(form->image->type))
    return no(fmt::format("{} has no matrix unit for {}", short_text(target_),
                          to_string(form->image->type)));
  if (at + 1 != plan_.loops.size()) return no("it must be the innermost loop");
  const int64_t most = most_tile_row_bytes / size_of(form->image->type);
  if (loop.tile % form->ways != 0 || loop.tile > most)
    return no(fmt::format("a row has up to {} elements, a multiple of {}", most, form->ways));
  if (!has_whole_steps(*form, loop))
    return no(fmt::format("{} is no multiple of it, and the image has nothing behind",
                          to_string(nest_.axis(loop.axis)->extent, nest_.vars)));
  if (!comes_out_even(loop)) return no("a loop around it over the same axis leaves part of a step");
  if (!packs_weight() || !plan_.vector || rows == plan_.tile.end())
    return no("it needs a packed weight, an axis of lanes and one of rows",
              "add `pack weight` and `registers w N rows ROWS, o N vector 16`");
  // Rows are computed as wholes; a last tile takes those of the one before once more.
  const bool rows_may_be_outside = std::any_of(
      plan_.tile.begin(), plan_.tile.end(), [&](const PlanTile& t) { return in_domain(t.axis); });
  if (plan_.across || nest_.accumulators.size() != 1 || rows_may_be_outside)
    return no("this nest is no plain sum of products");
  if (plan_.lanes * size_of(form->type) > most_tile_row_bytes)
    return no(
        fmt::format("a row of sums has up to {} lanes", most_tile_row_bytes / size_of(form->type)));
  if (*plan_.vector + 1 != plan_.tile.size())
    return no(fmt::format("{}, which has the lanes, comes last in `registers`",
                          plan_.tile[*plan_.vector].name));
  for (size_t i = 0; i < plan_.first_tap(); ++i)
    if (plan_.loops[i].reduction)
      return no(fmt::format("sums would wait in memory between the trips of {0}, and a last tile, "
                            "which computes pixels of the one before once more, would add theirs "
                            "twice",
                            plan_.loops[i].name),
                fmt::format("put {} inside of all loops over the result", plan_.loops[i].name));
  plan_.instruction = {Instruction::Kind::tile, form->ways,
                       static_cast<int32_t>(loop.tile / form->ways), form};
  plan_.matrix.emplace();
  plan_.matrix->rows = static_cast<size_t>(rows - plan_.tile.begin());
  for (const std::string& why : {misfit_of_rows(*form), misfit_of_registers()})
    if (!why.empty()) return no(why);
  plan_.matrix->overlapped_steps = steps_to_overlap();
}

void Resolver::choose_bypasses() {
  for (OperandDirective& directive : plan_.schedule.bypass) {
    const std::string name = "bypass " + directive.operand;
    if (!plan_.matrix)
      return refuse(directive.at, name + ": only what a matrix unit loads passes L1 by",
                    "the innermost loop of its products says `tile N`");
    const auto& read = std::get<Read>(plan_.instruction.dot->image->is);
    const std::string& image = nest_.operands[static_cast<size_t>(read.operand)].name;
    Bypass& bypass = plan_.matrix->bypass;
    const bool weight = is_weight(directive.operand);
    if (weight) directive.operand = "weight";
    if (!weight && directive.operand != image)
      return refuse(directive.at, name + ": it is no factor of the products",
                    operands_of_nest(directive.operand, "bypass"));
    bool& is_named = weight ? bypass.weight : bypass.image;
    if (is_named) return refuse(directive.at, name + ": it is named already");
    is_named = true;
  }
}

int64_t Resolver::steps_to_overlap() const {
  const size_t first = plan_.first_tap();
  if (first == 0) return 0;
  const PlanLoop& around = plan_.loops[first - 1];
  if (around.parallel || around.unroll > 1 || around.unrolls_all ||
      around.extent < 2 * around.tile || !nest_.axis_of(around.axis).extent.is_constant())
    return 0;
  // Functions are long code, which is not to be written twice.
  for (const Write& w : nest_.writes) {
    bool is_long = false;
    visit(w.value, [&](const ExprNode& node) { is_long |= is_function(node); });
    if (is_long) return 0;
  }
  // Every tile goes through these steps: those of loops that nothing clips and that come out even,
  // and of loops over parts of numbers the last, where the largest parts are multiplied.
  int64_t steps = 1;
  for (size_t i = first; i < plan_.loops.size(); ++i) {
    const PlanLoop& loop = plan_.loops[i];
    if (loop.role == AxisRole::part) {
      if (loop.tile != 1 || loop.extent != nest_.axis_of(loop.axis).extent.number()) return 0;
      continue;
    }
    if (constrained(loop.axis) || loop.extent % loop.tile != 0) return 0;
    steps *= loop.trips();
  }
  for (const Constraint& c : nest_.constraints) {
    int64_t value = c.value.constant_term();
    for (const Affine::Term& t : c.value.terms()) {
      const NestAxis& axis = nest_.axis_of(t.var);
      if (axis.role != AxisRole::part || !axis.reduction) return 0; // a tile may be left out
      value += t.coefficient * (axis.extent.number() - 1);
    }
    if (value < 0 || value >= c.extent.number()) return 0;
  }
  return steps;
}

bool Resolver::comes_out_even(const LoopDirective& loop) const {
  return std::all_of(plan_.loops.begin(), plan_.loops.end(), [&](const PlanLoop& other) {
    return other.name != plan_.loops.back().name || other.tile % loop.tile == 0;
  });
}

bool Resolver::has_whole_steps(const DotForm& form, const LoopDirective& loop) const {
  const NestAxis& axis = *nest_.axis(loop.axis);
  if (!axis.extent.is_constant()) return false;
  const int64_t whole = ceil_div(axis.extent.number(), loop.tile) * loop.tile;
  if (whole == axis.extent.number()) return true;
  const auto& read = std::get<Read>(form.image->is);
  const View& view = nest_.operands[static_cast<size_t>(read.operand)];
  for (size_t d = 0; d < read.index.size(); ++d)
    if (read.index[d].at == Affine(axis.var)) return whole <= view.dims[d].extent.number();
  return false;
}

std::string Resolver::misfit_of_rows(const DotForm& form) const {
  const PlanTile& lanes = plan_.tile[*plan_.vector];
  const PlanTile& rows = plan_.tile[plan_.matrix->rows];
  const auto& read = std::get<Read>(form.image->is);
  if (moves(form.image, lanes.axis) || !moves(form.weight, lanes.axis))
    return fmt::format("lanes must run along output channels, not {}", lanes.name);
  if (constrained(lanes.axis)) return fmt::format("lanes of {} may lie in the padding", lanes.name);
  if (moves(form.weight, rows.axis)) return fmt::format("the weight moves with {}", rows.name);
  if (constrained(rows.axis)) return fmt::format("rows of {} may lie in the padding", rows.name);
  const NestAxis& axis = nest_.axis_of(rows.axis);
  if (!axis.extent.is_constant() || std::min(axis.extent.number(), rows.size) < rows.rows)
    return fmt::format("{} has fewer elements than a tile has rows", rows.name);
  int dims = 0;
  for (size_t d = 0; d < read.index.size(); ++d) {
    if (read.index[d].table >= 0) return "the image is read through a table";
    dims += read.index[d].at.depends_on(rows.axis);
  }
  if (dims != 1) return fmt::format("the image's rows do not run along {}", rows.name);
  const View& view = nest_.operands[static_cast<size_t>(read.operand)];
  if (view.dims.back().stride != Affine(1) ||
      !read.index.back().at.depends_on(plan_.loops.back().axis))
    return "the image's channels are no neighbours";
  for (const Dim& d : view.dims)
    if (!d.stride.is_constant()) return "the image's strides are parameters";
  return "";
}

std::string Resolver::misfit_of_registers() {
  int64_t sums = 1, weights = 1, images = 1;
  for (const PlanTile& t : plan_.tile) {
    sums *= t.registers();
    if (moves(plan_.instruction.dot->weight, t.axis)) weights *= t.registers();
    if (moves(plan_.instruction.dot->image, t.axis)) images *= t.registers();
  }
  plan_.matrix->holds_images = sums + weights + images <= most_tiles;
  plan_.matrix->tiles = sums + weights + (plan_.matrix->holds_images ? images : 1);
  if (plan_.matrix->tiles <= most_tiles) return "";
  return fmt::format("{} tiles of sums, {} of weights and one of the image are more than the {} "
                     "that there are",
                     sums, weights, most_tiles);
}

} // namespace volute::compiler
