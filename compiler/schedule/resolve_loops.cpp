#include "compiler/nests/neutral.h"
#include "compiler/nests/strides.h"
#include "compiler/nests/sums.h"
#include "compiler/schedule/parameters.h"
#include "compiler/schedule/resolver.h"

#include <fmt/format.h>

#include <algorithm>

namespace volute::compiler {

using namespace ir;

namespace {

// Far beyond what a machine can hold or a person would ask for: what is more is a slip, or malice.
constexpr int64_t most_registers = 1024;

std::string written(const LoopDirective& loop) {
  return fmt::format("{} {}", loop.parallel ? "parallel" : "for", loop.axis);
}

} // namespace

void Resolver::make_tile() {
  int64_t registers = 1;
  for (const RegisterDirective& r : plan_.schedule.registers) {
    const NestAxis* axis = nest_.axis(r.axis);
    if (!axis)
      return refuse(r.at, fmt::format("registers {}: no such axis", r.axis), axes_of_nest());
    if (axis->reduction && !may_sum_across(r, *axis)) return;
    plan_.across |= axis->reduction;
    if (in_domain(axis->var))
      return refuse(r.at, fmt::format("registers {0} {1}: rows of {0} may lie beyond the image, "
                                      "and are not tiled",
                                      r.axis, r.size));
    if (r.size > 1 && facts_.shares_border(axis->var))
      return refuse(r.at, fmt::format("registers {0} {1}: {0} reaches into the padding together "
                                      "with another axis, and such an axis is not tiled",
                                      r.axis, r.size));
    if (std::any_of(plan_.tile.begin(), plan_.tile.end(),
                    [&](const PlanTile& t) { return t.axis == axis->var; }))
      return refuse(r.at, fmt::format("registers {}: the axis is named twice", r.axis));
    if (r.lanes && plan_.vector)
      return refuse(r.at, "registers: only one axis can be the vector axis");
    if (r.lanes) plan_.vector = plan_.tile.size(), plan_.lanes = static_cast<int32_t>(r.lanes);
    plan_.tile.push_back(
        {axis->var, r.axis, r.size, static_cast<int32_t>(r.lanes), static_cast<int32_t>(r.rows)});
    registers *= std::min(plan_.tile.back().registers(), most_registers + 1);
    if (registers > most_registers)
      return refuse(r.at,
                    fmt::format("registers {} {}: the tile has more than {} registers", r.axis,
                                r.size, most_registers),
                    "no machine here has more than 32");
  }
}

bool Resolver::may_sum_across(const RegisterDirective& r, const NestAxis& axis) {
  const auto no = [&](const std::string& message, std::string hint = "") {
    refuse(r.at, fmt::format("registers {}: {}", r.axis, message), std::move(hint));
    return false;
  };
  if (!r.lanes)
    return no(r.axis + " is a reduction axis",
              "a register tile is made of parallel axes, and vectors of any");
  if (r.size != r.lanes)
    return no(fmt::format("{} is a reduction axis, of which a tile has one vector", r.axis),
              fmt::format("write `{0} {1} vector {1}`", r.axis, r.lanes));
  if (constrained(axis.var))
    return no(fmt::format("taps of {} may lie in the padding, and are no lanes", r.axis));
  if (!adds_up(nest_)) return no("lanes of a reduction axis are added up, and this is no sum");
  if (!axis.extent.is_constant()) return no("its extent is a parameter");
  if (axis.extent.number() % r.lanes == 0) return true;
  if (!neutral_element(nest_))
    return no("its last vector is not whole, and no element adds nothing to the sum");
  for (const Read& read : facts_.reads())
    if (!moves(read.index, axis.var))
      return no(fmt::format("its last vector is not whole, and {} does not move with it",
                            nest_.operands[static_cast<size_t>(read.operand)].name));
  return true;
}

void Resolver::spread_lanes() {
  if (!plan_.vector) return;
  const PlanTile& vector = plan_.tile[*plan_.vector];
  const Location at = plan_.schedule.registers[*plan_.vector].at;
  if (!facts_.lanes_may_run_along(vector.axis))
    return refuse(at, fmt::format("{} cannot be the vector axis: an operand is not read along "
                                  "one dimension of it",
                                  vector.name));
  if (plan_.across) return;
  for (const Write& w : nest_.writes)
    if (!w.offset && stride_along(nest_, w.operand, w.index, vector.axis) == 0)
      return refuse(at, "the result does not move along the vector axis");
}

void Resolver::make_loops() {
  for (const LoopDirective& loop : plan_.schedule.loops)
    if (loop.slide && std::count_if(plan_.schedule.loops.begin(), plan_.schedule.loops.end(),
                                    [&](const auto& l) { return l.axis == loop.axis; }) > 1)
      return refuse(loop.at, fmt::format("for {0} slide: all taps slide at once, and there is "
                                         "another loop over {0}",
                                         loop.axis));
  // Those that are kept move up to the ones before; none of the ones behind has been touched yet.
  std::vector<LoopDirective>& all = plan_.schedule.loops;
  size_t kept = 0;
  plan_.loops.reserve(all.size());
  covered_.assign(nest_.vars.size(), 0);
  for (size_t at = 0; at < all.size(); ++at) {
    LoopDirective& loop = all[at];
    const NestAxis* axis = nest_.axis(loop.axis);
    if (!axis)
      return refuse(loop.at, fmt::format("{}: no such axis", written(loop)), axes_of_nest());
    const bool last = std::none_of(all.begin() + static_cast<long>(at) + 1, all.end(),
                                   [&](const LoopDirective& l) { return l.axis == loop.axis; });
    if (axis->reduction && !fit_reduction(all, at, *axis)) return;
    if (loop.dot || loop.tile) loop.by = std::max(loop.dot, loop.tile);
    const int64_t inner = plan_.held(axis->var);
    if (loop.by == 0) loop.by = last ? inner : 1;
    if (!fit_tile(loop, inner, last)) return;
    int64_t& covered = covered_[static_cast<size_t>(axis->var.id)];
    const bool is_first = covered == 0;
    const int64_t whole = most_elements(nest_, *axis);
    const int64_t extent = is_first ? whole : covered;
    if (loop.parallel && !is_first && whole % covered != 0)
      return refuse(loop.at,
                    fmt::format("{}: its tiles of {} do not divide {}, so it cannot be parallel "
                                "twice",
                                written(loop), covered, whole));
    covered = std::min(loop.by, extent);
    // A loop over one element decides nothing, unless that one may lie outside.
    const bool may_be_outside =
        is_first && (in_domain(axis->var) || (axis->reduction && constrained(axis->var)));
    if (extent > 1 || loop.parallel || loop.dot || loop.tile || may_be_outside) {
      add(loop, *axis, extent, last);
      if (kept != at) all[kept] = std::move(loop);
      ++kept;
    }
  }
  all.resize(kept);
  for (size_t i = 0; i < plan_.loops.size(); ++i)
    plan_.loops[i].places_tile = plan_.loop_placing(plan_.loops[i].axis) == i;
}

void Resolver::add(const LoopDirective& directive, const NestAxis& axis, int64_t extent,
                   bool places_tile) {
  PlanLoop loop;
  loop.axis = axis.var;
  loop.name = directive.axis;
  loop.role = axis.role;
  loop.reduction = axis.reduction;
  loop.parallel = directive.parallel;
  loop.places_tile = places_tile;
  loop.extent = extent;
  loop.tile = directive.by;
  loop.unrolls_all = directive.unroll == LoopDirective::full || directive.slide;
  loop.unroll = loop.unrolls_all ? loop.trips() : directive.unroll;
  plan_.loops.push_back(std::move(loop));
}

bool Resolver::fit_reduction(const std::vector<LoopDirective>& all, size_t at,
                             const NestAxis& axis) {
  const LoopDirective& loop = all[at];
  if (loop.parallel) {
    refuse(loop.at, fmt::format("parallel {0}: {0} is a reduction axis", loop.axis),
           fmt::format("write `for {}`", loop.axis));
    return false;
  }
  if (loop.by > 1 && !loop.dot && !loop.tile && constrained(axis.var)) {
    refuse(loop.at,
           fmt::format("for {0} by {1}: the taps of {0} that lie in the padding are left out, "
                       "and such an axis is not tiled",
                       loop.axis, loop.by),
           fmt::format("`{} unroll {}` copies the body", loop.axis, loop.by));
    return false;
  }
  const auto inside =
      std::find_if(all.begin() + static_cast<long>(at), all.end(), [&](const LoopDirective& l) {
        const NestAxis* other = nest_.axis(l.axis);
        return other && !other->reduction;
      });
  if (inside == all.end()) return true;
  if (constrained(axis.var)) {
    refuse(inside->at,
           fmt::format("{}: a parallel axis inside the reduction axis {}", written(*inside),
                       loop.axis),
           fmt::format("taps of {} may lie in the padding: put parallel axes first", loop.axis));
    return false;
  }
  if (loop.unroll != 1) {
    refuse(loop.at, fmt::format("for {} unroll: sums wait in memory between its trips, which are "
                                "not copied out",
                                loop.axis));
    return false;
  }
  return true;
}

bool Resolver::fit_tile(const LoopDirective& loop, int64_t inner, bool last) {
  const auto text = [&] { return fmt::format("{} by {}", written(loop), loop.by); };
  if (last && loop.by != inner && !loop.dot && !loop.tile) {
    const bool has_tile = plan_.held(nest_.axis(loop.axis)->var) > 1 ||
                          std::any_of(plan_.tile.begin(), plan_.tile.end(),
                                      [&](const auto& t) { return t.name == loop.axis; });
    if (has_tile)
      refuse(loop.at, fmt::format("{}: the register tile holds {} of {}", text(), inner, loop.axis),
             fmt::format("write `{} by {}`", loop.axis, inner));
    else
      refuse(loop.at,
             fmt::format("{}: nothing loops over the {} elements of a tile", text(), loop.by),
             fmt::format("add `registers {} {}`, or a second loop over {}", loop.axis, loop.by,
                         loop.axis));
    return false;
  }
  if (last) return true;
  if (loop.by < inner) {
    refuse(loop.at, fmt::format("{}: smaller than the register tile's {}", text(), inner),
           fmt::format("write `{} by {}`", loop.axis, inner));
    return false;
  }
  if (inner > 1 && loop.by % inner != 0) {
    refuse(loop.at, fmt::format("{}: not a multiple of the register tile's {}", text(), inner),
           fmt::format("the nearest is `{} by {}`", loop.axis,
                       std::max<int64_t>(1, (loop.by + inner / 2) / inner) * inner));
    return false;
  }
  return true;
}

void Resolver::cover_every_axis() {
  for (const NestAxis& axis : nest_.axes) {
    if (covered_[static_cast<size_t>(axis.var.id)] != 0) continue;
    const std::string& name = nest_.name_of(axis.var);
    // The one tap of a kernel may lie in the padding still.
    if (axis.reduction && axis.extent == Affine(1) && constrained(axis.var)) {
      const std::vector<LoopDirective>& loops = plan_.schedule.loops;
      const bool stays_last =
          !loops.empty() && (loops.back().dot != 0 || loops.back().tile != 0 || loops.back().slide);
      const LoopDirective loop{name, 1};
      plan_.schedule.loops.insert(plan_.schedule.loops.end() - (stays_last ? 1 : 0), loop);
      add(loop, axis, 1, true);
      if (stays_last) std::swap(plan_.loops.end()[-1], plan_.loops.end()[-2]);
    } else if (most_elements(nest_, axis) > plan_.held(axis.var)) {
      return refuse({},
                    fmt::format("axis {} of extent {} is in no loop", name,
                                to_string(axis.extent, nest_.vars)),
                    fmt::format("add it: `for {}`", name));
    }
  }
}

} // namespace volute::compiler
