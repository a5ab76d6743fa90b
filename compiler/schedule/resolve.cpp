// Schedule x nest -> plan. Each rule is a function that refuses with the directive, its place in
// the text, the numbers, and where there is one the nearest schedule that would do.

#include "compiler/nests/bands.h"
#include "compiler/nests/neutral.h"
#include "compiler/nests/slides.h"
#include "compiler/nests/strides.h"
#include "compiler/nests/sums.h"
#include "compiler/schedule/parameters.h"
#include "compiler/schedule/plan.h"
#include "ir/loops.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

namespace volute::compiler {

using namespace ir;

namespace {

// Far beyond what a machine can hold or a person would ask for: what is more is a slip, or malice.
constexpr int64_t most_registers = 1024;
// Elements of a packed image for each that it has, beyond a few.
constexpr double most_packed = 64, least_packed = 1 << 20;
// Multiply-adds of one tile that are copied out with their weights' numbers in them.
constexpr int64_t most_with_numbers = 512;

class Resolver {
public:
  Resolver(const Schedule& schedule, const NestFacts& facts, const Target& target,
           const ConstantWeight* weight, SumOrder sums)
      : facts_(facts), nest_(facts.nest()), target_(target), weight_(weight) {
    plan_.schedule = schedule;
    plan_.sums = sums;
    if (plan_.schedule.loops.empty())
      for (const NestAxis& axis : nest_.axes)
        plan_.schedule.loops.push_back({nest_.name_of(axis.var)});
  }

  Expected<Plan> run() {
    using Rule = void (Resolver::*)();
    for (const Rule rule : {&Resolver::keep_order_of_scattered,
                            &Resolver::keep_order_of_sums,
                            &Resolver::keep_order_of_parts,
                            &Resolver::share_work_items_of_bands,
                            &Resolver::fit_parameters,
                            &Resolver::make_tile,
                            &Resolver::spread_lanes,
                            &Resolver::make_loops,
                            &Resolver::cover_every_axis,
                            &Resolver::choose_instruction,
                            &Resolver::choose_matrices,
                            &Resolver::choose_slide,
                            &Resolver::pack_operands,
                            &Resolver::use_numbers,
                            &Resolver::plan_reads,
                            &Resolver::plan_slide,
                            &Resolver::plan_store,
                            &Resolver::plan_finish,
                            &Resolver::keep_lanes_of_sums,
                            &Resolver::plan_streams}) {
      (this->*rule)();
      if (refusal_) return *refusal_;
    }
    return std::move(plan_);
  }

private:
  void refuse(Location at, std::string message, std::string hint = "") {
    if (!refusal_)
      refusal_ = fail(Diagnostic{at, "schedule", fmt::format("nest {}: {}", nest_.name, message),
                                 std::move(hint)});
  }

  std::string axes_of_nest() const {
    std::vector<std::string> names;
    for (const NestAxis& axis : nest_.axes) names.push_back(nest_.name_of(axis.var));
    return fmt::format("the axes of {} are {}", nest_.name, fmt::join(names, ", "));
  }
  bool constrained(Var axis) const { return facts_.constrained(axis); }
  bool in_domain(Var axis) const { return facts_.in_domain(axis); }
  static std::string written(const LoopDirective& loop) {
    return fmt::format("{} {}", loop.parallel ? "parallel" : "for", loop.axis);
  }

  // ---- nests of a kind of their own -----------------------------------------------------------

  /// Elements that are scattered over one part of memory are written in the nest's order: their
  /// axes are neither shared among threads, nor tiled, nor in another order.
  void keep_order_of_scattered() {
    const Schedule& schedule = plan_.schedule;
    const auto scattered = std::find_if(nest_.writes.begin(), nest_.writes.end(),
                                        [](const Write& w) { return w.offset != nullptr; });
    if (scattered == nest_.writes.end()) return;
    if (!schedule.registers.empty())
      return refuse(schedule.registers.front().at,
                    "registers: elements are scattered one at a time");
    const auto is_ordered = [&](const NestAxis& axis) {
      return axis.extent != Affine(1) && // which need not be named
             std::none_of(scattered->index.begin(), scattered->index.end(),
                          [&](const Subscript& s) { return s.at.depends_on(axis.var); });
    };
    std::vector<std::string> ordered, found;
    Location first{};
    for (const NestAxis& axis : nest_.axes)
      if (is_ordered(axis)) ordered.push_back(nest_.name_of(axis.var));
    for (const LoopDirective& loop : schedule.loops) {
      const NestAxis* axis = nest_.axis(loop.axis);
      if (!axis || !is_ordered(*axis)) continue;
      if (loop.parallel)
        return refuse(loop.at,
                      fmt::format("parallel {0}: elements along {0} may be scattered to one place, "
                                  "the last one stays",
                                  loop.axis));
      if (found.empty()) first = loop.at;
      found.push_back(loop.axis);
    }
    if (found != ordered)
      refuse(first, fmt::format("for {}: elements are scattered in the order of {}",
                                fmt::join(found, ", "), fmt::join(ordered, ", ")));
  }

  void keep_order_of_sums() {
    if (plan_.sums == SumOrder::any) return;
    if (auto fault = out_of_order(plan_.schedule, nest_)) refusal_ = fail(std::move(*fault));
  }

  /// Products of small parts are added up before the first of large ones, whose sums alone are then
  /// rounded to the digits of the result: the error that the form states is for that order.
  /// Products of matrices are sums by themselves, and may come in any.
  void keep_order_of_parts() {
    if (std::any_of(plan_.schedule.loops.begin(), plan_.schedule.loops.end(),
                    [](const LoopDirective& loop) { return loop.tile > 0; }))
      return;
    const LoopDirective* before = nullptr; // the last loop over taps or channels
    for (const LoopDirective& loop : plan_.schedule.loops) {
      const NestAxis* axis = nest_.axis(loop.axis);
      if (!axis || !axis->reduction || axis->extent == Affine(1)) continue;
      if (axis->role != AxisRole::part)
        before = &loop;
      else if (before)
        return refuse(
            loop.at,
            fmt::format("for {} inside {}: the products of small parts are added up first",
                        loop.axis, before->axis),
            fmt::format("put {} outside of all that is summed over", loop.axis));
    }
  }

  /// Nests that are computed in one step share its work items: the batch and the bands, no more.
  /// Rows beyond the image are left out of the loop over rows, which is a plain one.
  void share_work_items_of_bands() {
    if (!band_axis(nest_)) return;
    const Schedule& schedule = plan_.schedule;
    std::vector<std::string> shared, found;
    Location first{};
    for (const NestAxis& axis : nest_.axes)
      if (is_shared(nest_, axis)) shared.push_back(nest_.name_of(axis.var));
    for (const RegisterDirective& r : schedule.registers)
      if (std::find(shared.begin(), shared.end(), r.axis) != shared.end())
        return refuse(r.at, fmt::format("registers {0} {1}: {0} is shared with the other nests of "
                                        "the step, and not tiled",
                                        r.axis, r.size));
    for (const LoopDirective& loop : schedule.loops)
      if (loop.parallel) {
        if (found.empty()) first = loop.at;
        found.push_back(loop.axis);
        if (loop.by > 1)
          return refuse(loop.at, fmt::format("parallel {} by {}: the nests of a step share its "
                                             "work items, one {} each",
                                             loop.axis, loop.by, loop.axis));
      }
    if (found != shared)
      return refuse(first,
                    fmt::format("parallel {}: the nests of a step share its work items",
                                fmt::join(found, ", ")),
                    fmt::format("write `parallel {}`", fmt::join(shared, ", ")));
    for (const LoopDirective& loop : schedule.loops) {
      const NestAxis* axis = nest_.axis(loop.axis);
      if (axis && in_domain(axis->var) && !loop.parallel && (loop.by > 1 || loop.unroll != 1))
        return refuse(loop.at,
                      fmt::format("for {0} by {1}: rows of {0} may lie beyond the image, and are "
                                  "neither tiled nor unrolled",
                                  loop.axis, loop.by));
    }
  }

  void fit_parameters() {
    if (auto failure = misfit_of_parameters(plan_.schedule, nest_)) refusal_ = std::move(failure);
  }

  // ---- the register tile ----------------------------------------------------------------------

  void make_tile() {
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
      if (r.size > 1 && shares_border(nest_, axis->var))
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

  /// Lanes along a reduction axis are parts of one sum, which starts from nothing and is added up
  /// at the end. Lanes behind the last element must add nothing.
  bool may_sum_across(const RegisterDirective& r, const NestAxis& axis) {
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
      if (std::none_of(read.index.begin(), read.index.end(),
                       [&](const Subscript& s) { return s.at.depends_on(axis.var); }))
        return no(fmt::format("its last vector is not whole, and {} does not move with it",
                              nest_.operands[static_cast<size_t>(read.operand)].name));
    return true;
  }

  /// Lanes run along one dimension of every operand, and the results move with them.
  void spread_lanes() {
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

  // ---- loops ----------------------------------------------------------------------------------

  void make_loops() {
    for (const LoopDirective& loop : plan_.schedule.loops)
      if (loop.slide && std::count_if(plan_.schedule.loops.begin(), plan_.schedule.loops.end(),
                                      [&](const auto& l) { return l.axis == loop.axis; }) > 1)
        return refuse(loop.at, fmt::format("for {0} slide: all taps slide at once, and there is "
                                           "another loop over {0}",
                                           loop.axis));
    std::vector<LoopDirective> kept;
    std::map<Var, int64_t> covered; // elements that one trip of the loops so far leaves
    const std::vector<LoopDirective>& all = plan_.schedule.loops;
    for (size_t at = 0; at < all.size(); ++at) {
      LoopDirective loop = all[at];
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
      const auto outer = covered.find(axis->var);
      const bool is_first = outer == covered.end();
      const int64_t whole = most_elements(nest_, *axis);
      const int64_t extent = is_first ? whole : outer->second;
      if (loop.parallel && !is_first && whole % outer->second != 0)
        return refuse(loop.at,
                      fmt::format("{}: its tiles of {} do not divide {}, so it cannot be parallel "
                                  "twice",
                                  written(loop), outer->second, whole));
      covered[axis->var] = std::min(loop.by, extent);
      // A loop over one element decides nothing, unless that one may lie outside.
      const bool may_be_outside =
          is_first && (in_domain(axis->var) || (axis->reduction && constrained(axis->var)));
      if (extent > 1 || loop.parallel || loop.dot || loop.tile || may_be_outside) {
        kept.push_back(loop);
        add(loop, *axis, extent, last);
      }
    }
    covered_ = std::move(covered);
    plan_.schedule.loops = std::move(kept);
    for (size_t i = 0; i < plan_.loops.size(); ++i)
      plan_.loops[i].places_tile = plan_.loop_placing(plan_.loops[i].axis) == i;
  }

  void add(const LoopDirective& directive, const NestAxis& axis, int64_t extent, bool places_tile) {
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

  /// What a loop over a reduction axis may be. Outside of a loop over a parallel axis, its sums are
  /// partial ones that wait in scratch.
  bool fit_reduction(const std::vector<LoopDirective>& all, size_t at, const NestAxis& axis) {
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
    const std::string message = fmt::format("{}: a parallel axis inside the reduction axis {}",
                                            written(*inside), loop.axis);
    if (constrained(axis.var)) {
      refuse(inside->at, message,
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

  bool fit_tile(const LoopDirective& loop, int64_t inner, bool last) {
    const std::string text = fmt::format("{} by {}", written(loop), loop.by);
    if (last && loop.by != inner && !loop.dot && !loop.tile) {
      const bool has_tile = plan_.held(nest_.axis(loop.axis)->var) > 1 ||
                            std::any_of(plan_.tile.begin(), plan_.tile.end(),
                                        [&](const auto& t) { return t.name == loop.axis; });
      if (has_tile)
        refuse(loop.at, fmt::format("{}: the register tile holds {} of {}", text, inner, loop.axis),
               fmt::format("write `{} by {}`", loop.axis, inner));
      else
        refuse(loop.at,
               fmt::format("{}: nothing loops over the {} elements of a tile", text, loop.by),
               fmt::format("add `registers {} {}`, or a second loop over {}", loop.axis, loop.by,
                           loop.axis));
      return false;
    }
    if (last) return true;
    if (loop.by < inner) {
      refuse(loop.at, fmt::format("{}: smaller than the register tile's {}", text, inner),
             fmt::format("write `{} by {}`", loop.axis, inner));
      return false;
    }
    if (inner > 1 && loop.by % inner != 0) {
      refuse(loop.at, fmt::format("{}: not a multiple of the register tile's {}", text, inner),
             fmt::format("the nearest is `{} by {}`", loop.axis,
                         std::max<int64_t>(1, (loop.by + inner / 2) / inner) * inner));
      return false;
    }
    return true;
  }

  void cover_every_axis() {
    for (const NestAxis& axis : nest_.axes) {
      const std::string& name = nest_.name_of(axis.var);
      if (covered_.count(axis.var)) continue;
      // The one tap of a kernel may lie in the padding still.
      if (axis.reduction && axis.extent == Affine(1) && constrained(axis.var)) {
        const std::vector<LoopDirective>& loops = plan_.schedule.loops;
        const bool stays_last = !loops.empty() && (loops.back().dot != 0 ||
                                                   loops.back().tile != 0 || loops.back().slide);
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

  // ---- the innermost step ---------------------------------------------------------------------

  /// `dot` is for the innermost loop, over an axis along which narrow products can be grouped.
  void choose_instruction() {
    for (size_t i = 0; i < plan_.schedule.loops.size(); ++i) {
      const LoopDirective& loop = plan_.schedule.loops[i];
      if (!loop.dot) continue;
      const auto no = [&](const std::string& message, std::string hint = "") {
        refuse(loop.at, fmt::format("for {} dot {}: {}", loop.axis, loop.dot, message),
               std::move(hint));
      };
      const std::optional<DotForm>& form = facts_.dot(plan_.loops[i].axis);
      if (!form)
        return no("the nest adds no products of u8 and i8, or of two bf16, that lie one after the "
                  "other along this axis");
      if (form->ways != loop.dot)
        return no(fmt::format("its products are added {} at a time", form->ways));
      if (i + 1 != plan_.loops.size()) return no("it must be the innermost loop");
      if (!packs_weight() || !plan_.vector)
        return no("it needs a packed weight and a vector axis",
                  "add `pack weight` and `registers o N vector LANES`");
      const PlanTile& vector = plan_.tile[*plan_.vector];
      const auto moves = [&](const Expr& e) {
        bool found = false;
        visit(e, [&](const ExprNode& node) {
          if (const auto* read = std::get_if<Read>(&node.is))
            for (const Subscript& s : read->index) found |= s.at.depends_on(vector.axis);
        });
        return found;
      };
      if (moves(form->image) || !moves(form->weight))
        return no(fmt::format("vectors must run along output channels, not {}", vector.name));
      if (constrained(vector.axis)) // a lane in the padding takes whole groups all the same
        return no(fmt::format("lanes along {} may lie in the padding", vector.name));
      plan_.instruction = {Instruction::Kind::dot, form->ways, 1, form};
    }
  }

  // ---- products of matrices -------------------------------------------------------------------

  /// `tile` is for the innermost loop too: the image's rows along one axis of the tile, the
  /// weight's lanes along another.
  void choose_matrices() {
    const auto rows = std::find_if(plan_.tile.begin(), plan_.tile.end(),
                                   [](const PlanTile& t) { return t.rows > 0; });
    size_t at = 0;
    while (at < plan_.schedule.loops.size() && !plan_.schedule.loops[at].tile) ++at;
    if (at == plan_.schedule.loops.size()) {
      if (rows != plan_.tile.end())
        refuse(plan_.schedule.registers[static_cast<size_t>(rows - plan_.tile.begin())].at,
               fmt::format("registers {} {} rows {}: only products of matrices have rows",
                           rows->name, rows->size, rows->rows),
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
    if (!packs_weight() || !plan_.vector || rows == plan_.tile.end())
      return no("it needs a packed weight, an axis of lanes and one of rows",
                "add `pack weight` and `registers w N rows ROWS, o N vector 16`");
    if (plan_.across || nest_.accumulators.size() != 1 || band_axis_is_tiled())
      return no("this nest is no plain sum of products");
    if (plan_.lanes * size_of(form->type) > most_tile_row_bytes)
      return no(fmt::format("a row of sums has up to {} lanes",
                            most_tile_row_bytes / size_of(form->type)));
    if (*plan_.vector + 1 != plan_.tile.size())
      return no(fmt::format("{}, which has the lanes, comes last in `registers`",
                            plan_.tile[*plan_.vector].name));
    for (size_t i = 0; i < plan_.first_tap(); ++i)
      if (plan_.loops[i].reduction)
        return no(fmt::format("sums wait in memory between the trips of {}, and tiles do not",
                              plan_.loops[i].name));
    plan_.instruction = {Instruction::Kind::tile, form->ways,
                         static_cast<int32_t>(loop.tile / form->ways), form};
    plan_.matrix.emplace();
    plan_.matrix->rows = static_cast<size_t>(rows - plan_.tile.begin());
    if (const std::string why = misfit_of_rows(*form); !why.empty()) return no(why);
    place_matrices(no);
  }

  /// Rows are computed as wholes; a last tile takes those of the one before once more.
  bool band_axis_is_tiled() const {
    return std::any_of(plan_.tile.begin(), plan_.tile.end(),
                       [&](const PlanTile& t) { return in_domain(t.axis); });
  }

  /// Whether the last product has elements of the image as well, be they met by zeros.
  bool has_whole_steps(const DotForm& form, const LoopDirective& loop) const {
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

  static bool moves(const Expr& e, Var axis) {
    bool found = false;
    visit(e, [&](const ExprNode& node) {
      if (const auto* read = std::get_if<Read>(&node.is))
        for (const Subscript& s : read->index) found |= s.at.depends_on(axis);
    });
    return found;
  }

  /// "" where rows run along one dimension of the image, and lanes along channels.
  std::string misfit_of_rows(const DotForm& form) const {
    const PlanTile& lanes = plan_.tile[*plan_.vector];
    const PlanTile& rows = plan_.tile[plan_.matrix->rows];
    const auto& read = std::get<Read>(form.image->is);
    if (moves(form.image, lanes.axis) || !moves(form.weight, lanes.axis))
      return fmt::format("lanes must run along output channels, not {}", lanes.name);
    if (constrained(lanes.axis))
      return fmt::format("lanes of {} may lie in the padding", lanes.name);
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

  /// Sums, weights and images, which have a register each where there are enough.
  template <class No>
  void place_matrices(const No& no) {
    int64_t sums = 1, weights = 1, images = 1;
    for (const PlanTile& t : plan_.tile) {
      sums *= t.registers();
      if (moves(plan_.instruction.dot->weight, t.axis)) weights *= t.registers();
      if (moves(plan_.instruction.dot->image, t.axis)) images *= t.registers();
    }
    plan_.matrix->holds_images = sums + weights + images <= most_tiles;
    plan_.matrix->tiles = sums + weights + (plan_.matrix->holds_images ? images : 1);
    if (plan_.matrix->tiles > most_tiles)
      no(fmt::format("{} tiles of sums, {} of weights and one of the image are more than the {} "
                     "that there are",
                     sums, weights, most_tiles));
  }

  /// `slide` is for the innermost loop, over taps that meet each place along one axis of the tile
  /// once.
  void choose_slide() {
    for (size_t i = 0; i < plan_.schedule.loops.size(); ++i) {
      const LoopDirective& loop = plan_.schedule.loops[i];
      if (!loop.slide) continue;
      const auto no = [&](const std::string& message, std::string hint = "") {
        refuse(loop.at, fmt::format("for {} slide: {}", loop.axis, message), std::move(hint));
      };
      if (!plan_.loops[i].reduction) return no("only taps slide", "a register tile is unrolled");
      if (i + 1 != plan_.loops.size()) return no("it must be the innermost loop");
      if (loop.dot || loop.by > 1 || loop.unroll != 1)
        return no("all taps slide at once, without `by`, `dot` or `unroll`");
      Slide slide;
      slide.taps = plan_.loops[i].trips();
      std::vector<std::string> others;
      bool found = false;
      for (size_t t = 0; t < plan_.tile.size() && !found; ++t) {
        if (plan_.tile[t].lanes) continue;
        others.push_back(plan_.tile[t].name);
        const std::optional<int64_t> step =
            slide_step(nest_, facts_.reads(), plan_.tile[t].axis, plan_.loops[i].axis);
        if (step) slide.tile = t, slide.step = *step, found = true;
      }
      if (!found && others.empty())
        return no("the register tile has no axis beside the vector axis along which they would",
                  "add one to `registers`");
      if (!found)
        return no(fmt::format("its taps do not meet the image at places that they share along {}",
                              fmt::join(others, " or ")),
                  "elements must be as far apart as taps, or a multiple of that, and run the same "
                  "way");
      plan_.slide = slide;
    }
  }

  /// Which of what is read is another one for each row, and which for each tap. Weights are held
  /// for all rows where there are registers for them.
  void plan_slide() {
    if (!plan_.slide) return;
    Slide& slide = *plan_.slide;
    slide.holds = true;
    const Var axis = plan_.tile[slide.tile].axis, tap = plan_.loops.back().axis;
    for (PlannedRead& planned : plan_.reads) {
      const auto moves = [&](Var along) {
        return std::any_of(planned.read.index.begin(), planned.read.index.end(),
                           [&](const Subscript& s) { return s.at.depends_on(along); });
      };
      if (!moves(tap)) continue;
      planned.sliding = moves(axis) ? PlannedRead::Sliding::rows : PlannedRead::Sliding::taps;
      if (planned.sliding == PlannedRead::Sliding::rows) {
        planned.moves &= ~(uint32_t{1} << slide.tile);
        planned.registers /= plan_.tile[slide.tile].registers();
      } else {
        planned.registers *= slide.taps;
        planned.residence = Residence::held;
      }
      if (planned.sliding == PlannedRead::Sliding::rows)
        planned.residence = residence(planned.moves, plan_.tile.size());
      if (planned.sliding == PlannedRead::Sliding::rows && planned.is_packed)
        return refuse(plan_.schedule.loops.back().at,
                      fmt::format("for {} slide: {} is packed, tap by tap, and has no rows",
                                  plan_.loops.back().name,
                                  nest_.operands[static_cast<size_t>(planned.read.operand)].name));
    }
    // Each operand's one read, which moves with the taps, and lanes at most.
    std::set<int32_t> held;
    const uint32_t lanes = plan_.vector ? uint32_t{1} << *plan_.vector : 0;
    for (const PlannedRead& planned : plan_.reads)
      if (planned.sliding == PlannedRead::Sliding::taps)
        slide.holds &= held.insert(planned.read.operand).second && (planned.moves & ~lanes) == 0;
    slide.holds &= plan_.registers_needed(nest_) <= target_.vector_registers - 1;
    if (slide.holds) return;
    for (PlannedRead& planned : plan_.reads)
      if (planned.sliding == PlannedRead::Sliding::taps) { // another one for each element and tap
        planned.moves |= uint32_t{1} << slide.tile;
        planned.registers = planned.registers / slide.taps * plan_.tile[slide.tile].registers();
        planned.residence = residence(planned.moves, plan_.tile.size());
      }
  }

  bool packs_weight() const {
    const std::vector<OperandDirective>& all = plan_.schedule.pack;
    return std::any_of(all.begin(), all.end(),
                       [&](const auto& directive) { return is_weight(directive.operand); });
  }
  /// By its own name, or as the schedule language calls any nest's.
  bool is_weight(const std::string& name) const {
    const std::optional<Read>& weight = facts_.weight();
    return weight &&
           (name == "weight" || name == nest_.operands[static_cast<size_t>(weight->operand)].name);
  }

  void pack_operands() {
    for (OperandDirective& directive : plan_.schedule.pack) {
      const bool weight = is_weight(directive.operand);
      if (weight) directive.operand = "weight";
      const std::string name = "pack " + directive.operand;
      if (directive.operand == "weight" && !weight)
        return refuse(directive.at, name + ": this nest has no weight",
                      operands_of_nest(directive.operand));
      const std::optional<Read> read = weight ? facts_.weight() : packed_image(directive, name);
      if (refusal_) return;
      if (!read) return refuse(directive.at, name + ": it is not what the nest sums up");
      if (plan_.packed_layout_of(read->operand))
        return refuse(directive.at, name + ": it is packed already");
      PackedLayout layout =
          packed_layout(*read, plan_.loops, plan_.tile, weight ? plan_.instruction : Instruction{});
      if (!weight && !is_of_modest_size(directive.at, name, *read, layout)) return;
      plan_.packed.push_back(std::move(layout));
    }
  }

  std::string operands_of_nest(const std::string& wanted) const {
    if (wanted.starts_with("weight") && facts_.weight()) return "write `pack weight`";
    std::vector<std::string> names;
    for (const Read& read : facts_.reads())
      names.push_back(nest_.operands[static_cast<size_t>(read.operand)].name);
    return fmt::format("what {} sums up is {}", nest_.name, fmt::join(names, ", "));
  }

  /// The read of an operand other than the weight: it must be the only one, a part of the first
  /// accumulator's update.
  std::optional<Read> packed_image(const OperandDirective& directive, const std::string& name) {
    const auto no = [&](const std::string& message, std::string hint = "") -> std::optional<Read> {
      refuse(directive.at, name + ": " + message, std::move(hint));
      return std::nullopt;
    };
    std::vector<Read> found;
    int32_t operand = -1;
    for (const Read& read : facts_.reads())
      if (nest_.operands[static_cast<size_t>(read.operand)].name == directive.operand)
        operand = read.operand, found.push_back(read);
    if (found.empty() || nest_.accumulators.empty())
      return no("this nest sums up no such operand", operands_of_nest(directive.operand));
    if (plan_.instruction.dot) return no("a dot product takes the image's elements as they lie");
    if (band_axis(nest_)) return no("nests that run in one step pass images on as they go");
    if (found.size() > 1 || reads_outside_of_sums(operand))
      return no("the nest reads it in more than one way");
    if (nest_.accumulators.size() > 1) return no("several accumulators read it");
    for (const Subscript& s : found.front().index)
      if (s.table >= 0) return no("it is read through a table");
    for (const Constraint& c : nest_.constraints)
      if (!is_packed_with(c, found.front()))
        return no("taps in its padding depend on an axis that it does not move with");
    return found.front();
  }

  /// All of a border's axes, or none, are axes that the operand moves with.
  bool is_packed_with(const Constraint& c, const Read& read) const {
    bool all = true, none = true;
    for (const Affine::Term& term : c.value.terms()) {
      const bool moves = std::any_of(read.index.begin(), read.index.end(),
                                     [&](const Subscript& s) { return s.at.depends_on(term.var); });
      (moves ? none : all) = false;
    }
    return all || none;
  }

  bool reads_outside_of_sums(int32_t operand) const {
    bool found = false;
    const auto look = [&](const Expr& e) {
      visit(e, [&](const ExprNode& node) {
        const auto* read = std::get_if<Read>(&node.is);
        found |= read && read->operand == operand;
      });
    };
    for (const Accumulator& a : nest_.accumulators) look(a.initial);
    for (const Write& w : nest_.writes) look(w.value);
    return found;
  }

  /// An image's elements are packed as often as taps meet them.
  bool is_of_modest_size(Location at, const std::string& name, const Read& read,
                         const PackedLayout& layout) {
    double elements = 1, packed = 1;
    for (const Dim& d : nest_.operands[static_cast<size_t>(read.operand)].dims)
      elements *= static_cast<double>(d.extent.number());
    for (const int64_t extent : layout.extents()) packed *= static_cast<double>(extent);
    if (packed <= most_packed * elements + least_packed) return true;
    refuse(at,
           fmt::format("{}: {:.0f} elements for the {:.0f} that it has, {} times as many at most",
                       name, packed, elements, most_packed));
    return false;
  }

  /// Whether taps are copied out: a small weight's with their numbers, a larger one's where a good
  /// part of them is 0 for all channels.
  void use_numbers() {
    if (!weight_ || plan_.tile.empty() || plan_.slide || plan_.across || plan_.matrix) return;
    if (weight_->has_empty_taps()) plan_.weight = WeightUse::empty_taps;
    int64_t copied = weight_->count();
    for (const PlanTile& t : plan_.tile)
      if (!weight_->moves_along(t.axis)) copied *= t.registers();
    bool numbers = weight_->is_small() && copied <= most_with_numbers && plan_.packed.empty() &&
                   plan_.instruction.kind == Instruction::Kind::combine &&
                   !(plan_.vector && weight_->moves_along(plan_.tile[*plan_.vector].axis));
    for (const PlanLoop& loop : plan_.loops)
      if (loop.reduction && weight_->moves_along(loop.axis) &&
          nest_.axis_of(loop.axis).extent != Affine(1))
        numbers &= loop.tile == 1 && loop.unrolls_all;
    if (!numbers) return;
    plan_.weight = WeightUse::numbers;
    plan_.density = weight_->density();
  }

  void plan_reads() {
    for (const Read& read : facts_.reads()) {
      if (plan_.weight == WeightUse::numbers && read.operand == facts_.weight()->operand) continue;
      PlannedRead planned;
      planned.is_packed = plan_.packed_layout_of(read.operand) != nullptr;
      for (size_t i = 0; i < plan_.tile.size(); ++i) {
        const PlanTile& t = plan_.tile[i];
        if (std::none_of(read.index.begin(), read.index.end(),
                         [&](const Subscript& s) { return s.at.depends_on(t.axis); }))
          continue;
        const int64_t stride = stride_along(nest_, read.operand, read.index, t.axis);
        planned.moves |= uint32_t{1} << i;
        planned.registers *= t.registers();
        if (t.lanes) planned.lane_stride = planned.is_packed ? 1 : stride;
      }
      planned.residence = residence(planned.moves, plan_.tile.size());
      planned.arrival = arrival(read.operand, planned.lane_stride);
      planned.read = read;
      plan_.reads.push_back(std::move(planned));
    }
  }

  Arrival arrival(int32_t operand, int64_t stride) const {
    if (stride == 0) return Arrival::broadcast;
    if (stride == 1) return Arrival::loaded;
    const View& view = nest_.operands[static_cast<size_t>(operand)];
    return target_.deinterleaves(size_of(view.element), stride) ? Arrival::deinterleaved
                                                                : Arrival::gathered;
  }

  /// Rows that are finished at a time: a vector of them where they are turned, else some, none left
  /// over if that can be.
  void plan_finish() {
    if (!plan_.matrix) return;
    const PlanTile& rows = plan_.tile[plan_.matrix->rows];
    if (plan_.store.kind == PlannedStore::Kind::transposed) {
      if (plan_.store.rows == plan_.matrix->rows) {
        plan_.matrix->finished = std::min<int64_t>(rows.size, plan_.lanes);
        return;
      }
      plan_.store = {PlannedStore::Kind::lanes, 0};
    }
    constexpr int64_t most = 8;
    int64_t& each = plan_.matrix->finished;
    for (each = most; each > 2; --each)
      if (rows.rows % each == 0) return;
    each = ceil_div(rows.rows, ceil_div(rows.rows, most));
  }

  void plan_store() {
    if (!plan_.vector) return;
    const Write& w = nest_.writes.front();
    const auto is_contiguous = [&](size_t i) {
      return stride_along(nest_, w.operand, w.index, plan_.tile[i].axis) == 1;
    };
    if (is_contiguous(*plan_.vector)) return;
    plan_.store.kind = PlannedStore::Kind::lanes;
    if (nest_.accumulators.empty()) return;
    for (size_t i = 0; i < plan_.tile.size(); ++i)
      if (i != *plan_.vector &&
          (plan_.tile[i].registers() > 1 || plan_.tile[i].rows > 1 || plan_.across) &&
          is_contiguous(i) && facts_.results_may_run_along(plan_.tile[i].axis)) {
        plan_.store = {PlannedStore::Kind::transposed, i};
        return;
      }
    if (!plan_.across) return;
    const PlanTile& vector = plan_.tile[*plan_.vector];
    refuse(plan_.schedule.registers[*plan_.vector].at,
           fmt::format("registers {}: sums of its lanes become lanes along an axis of the result, "
                       "and the tile has none whose elements are neighbours",
                       vector.name),
           "add one to `registers`");
  }

  /// Partial sums wait in scratch as the tile's elements, and lanes of a sum are none.
  void keep_lanes_of_sums() {
    if (!plan_.across) return;
    for (size_t i = 0; i < plan_.first_tap(); ++i)
      if (plan_.loops[i].reduction)
        return refuse(plan_.schedule.loops[i].at,
                      fmt::format("for {}: sums wait in memory between its trips, and lanes along "
                                  "{} are parts of one",
                                  plan_.loops[i].name, plan_.tile[*plan_.vector].name));
  }

  void plan_streams() {
    for (const OperandDirective& directive : plan_.schedule.prefetch) {
      const std::string name = "prefetch " + directive.operand;
      const auto operand = std::find_if(nest_.operands.begin(), nest_.operands.end(),
                                        [&](const View& v) { return v.name == directive.operand; });
      if (operand == nest_.operands.end())
        return refuse(directive.at, name + ": this nest has no such operand",
                      operands_of_nest(directive.operand));
      const auto number = static_cast<int32_t>(operand - nest_.operands.begin());
      if (std::none_of(facts_.reads().begin(), facts_.reads().end(),
                       [&](const Read& read) { return read.operand == number; }))
        return refuse(directive.at, name + ": its elements are not read tap by tap",
                      operands_of_nest(directive.operand));
      if (!plan_.packed_layout_of(number) || plan_.slide) continue;
      std::optional<Panels> found = panels(nest_, plan_, number, target_.line_bytes);
      if (!found)
        return refuse(directive.at, name + ": it is packed in the order in which it is read, and "
                                           "only one tile reads each panel of it");
      plan_.panels.push_back(std::move(*found));
    }
    if (plan_.schedule.prefetch.empty()) return;
    if (plan_.slide)
      return refuse(plan_.schedule.prefetch.front().at,
                    fmt::format("prefetch {}: where taps slide, nothing is asked for ahead",
                                plan_.schedule.prefetch.front().operand));
    Expected<std::vector<Stream>> found = streams(nest_, plan_);
    if (!found) {
      refusal_ = found.failure();
      return;
    }
    plan_.streams = std::move(*found);
  }

  const NestFacts& facts_;
  const Nest& nest_;
  const Target& target_;
  const ConstantWeight* weight_;
  Plan plan_;
  std::map<Var, int64_t> covered_;
  std::optional<Failure> refusal_;
};

} // namespace

Expected<Plan> resolve(const Schedule& schedule, const NestFacts& facts, const Target& target,
                       const ConstantWeight* weight, SumOrder sums) {
  return Resolver(schedule, facts, target, weight, sums).run();
}

Expected<Plan> resolve(const Schedule& schedule, const Nest& nest, const Target& target,
                       const ConstantWeight* weight, SumOrder sums) {
  return resolve(schedule, NestFacts(nest), target, weight, sums);
}

} // namespace volute::compiler
