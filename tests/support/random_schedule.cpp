#include "tests/support/random_schedule.h"

#include "compiler/nests/bands.h"
#include "compiler/nests/flatten.h"
#include "compiler/nests/matrix_steps.h"
#include "compiler/nests/parts.h"
#include "compiler/nests/slides.h"
#include "compiler/nests/strides.h"
#include "compiler/nests/sums.h"
#include "compiler/nests/weight_expression.h"
#include "compiler/rewrites/form.h"
#include "ir/operators.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

namespace volute::tests {

using compiler::LoopDirective;
using compiler::moves;
using compiler::RegisterDirective;
using compiler::Schedule;

namespace {

constexpr int64_t most_registers = 40;   // more than any machine has: spills are allowed
constexpr int64_t most_in_a_body = 1500; // register updates copied out

class Drawer {
public:
  Drawer(Dice& dice, const ir::Nest& nest, int64_t lanes, bool tiles)
      : dice_(dice), nest_(nest), lanes_(lanes), tiles_(tiles) {
    for (const ir::Write& write : nest_.writes)
      if (write.offset) scattered_ = &write;
  }

  Schedule run() {
    if (scattered_) {
      scattered_loops();
      return schedule_;
    }
    flatten();
    tile();
    lanes_of_a_sum();
    loops();
    const int32_t weight = compiler::weight_of(nest_);
    if (weight >= 0 && dice_.once_in(2)) schedule_.pack = {{"weight"}};
    if (dice_.once_in(2)) add_in_groups();
    if (dice_.once_in(8)) schedule_.prefetch.push_back({any_operand()});
    if (const std::string operand = any_operand();
        dice_.once_in(4) &&
        (weight < 0 || nest_.operands[static_cast<size_t>(weight)].name != operand))
      schedule_.pack.push_back({operand});
    if (compiler::has_parts(nest_) && !dice_.once_in(20)) put_parts_first();
    return schedule_;
  }

private:
  const std::string& any_operand() {
    const int64_t at = dice_.between(0, std::ssize(nest_.operands) - 1);
    return nest_.operands[static_cast<size_t>(at)].name;
  }
  const std::string& name(const ir::NestAxis& axis) const {
    return nest_.vars[static_cast<size_t>(axis.var.id)];
  }
  bool constrained(const ir::NestAxis& axis) const {
    return std::any_of(nest_.constraints.begin(), nest_.constraints.end(),
                       [&](const ir::Constraint& c) { return c.value.depends_on(axis.var); });
  }

  void flatten() {
    for (std::vector<std::string> axes : compiler::flattenable(nest_)) {
      if (!dice_.once_in(2)) continue;
      if (axes.size() > 2 && dice_.once_in(2)) axes.pop_back();
      Expected<ir::Nest> flat = compiler::flatten(nest_, axes);
      if (!flat) continue;
      nest_ = std::move(*flat);
      schedule_.flatten.push_back(std::move(axes));
    }
  }

  void tile() {
    std::vector<const ir::NestAxis*> axes;
    for (const ir::NestAxis& axis : nest_.axes)
      if (!axis.reduction) axes.push_back(&axis);
    dice_.shuffle(axes);
    axes.resize(std::min<size_t>(axes.size(), static_cast<size_t>(dice_.between(0, 3))));
    bool has_vector = false;
    for (const ir::NestAxis* axis : axes) {
      const int64_t extent = axis->extent.number();
      RegisterDirective r{name(*axis), 1, 0};
      if (!has_vector && !dice_.once_in(4)) {
        has_vector = true;
        r.lanes = dice_.once_in(3) ? dice_.one_of({2, 4, 8, 16}) : lanes_;
        r.size = r.lanes * dice_.one_of({1, 1, 2, 3});
        if (dice_.once_in(4)) r.size = dice_.between(1, 2 * r.lanes);
      } else {
        r.size = dice_.between(1, std::max<int64_t>(1, std::min<int64_t>(extent, 9)));
        if (dice_.once_in(8)) r.size = dice_.between(1, 12); // larger than the axis, perhaps
      }
      const int64_t registers = r.lanes ? (r.size + r.lanes - 1) / r.lanes : r.size;
      if (registers_ * registers > most_registers) continue;
      registers_ *= registers;
      held_[r.axis] = r.size;
      schedule_.registers.push_back(std::move(r));
    }
  }

  /// Lanes along what is summed up, with an axis beside them along which results are neighbours.
  void lanes_of_a_sum() {
    if (!compiler::adds_up(nest_) || !dice_.once_in(4)) return;
    for (const RegisterDirective& r : schedule_.registers)
      if (r.lanes) return;
    std::vector<std::string> sums;
    for (const ir::NestAxis& axis : nest_.axes)
      if (axis.reduction && (!constrained(axis) || dice_.once_in(20))) sums.push_back(name(axis));
    if (sums.empty()) return;
    const ir::Write& w = nest_.writes.front();
    for (const ir::NestAxis& axis : nest_.axes)
      if (!axis.reduction && !held_.count(name(axis)) &&
          compiler::stride_along(nest_, w.operand, w.index, axis.var) == 1) {
        const int64_t rows = dice_.between(1, 5);
        held_[name(axis)] = rows, registers_ *= rows;
        schedule_.registers.push_back({name(axis), rows, 0});
      }
    const std::string sum = dice_.one_of(sums);
    held_[sum] = lanes_;
    schedule_.registers.push_back({sum, lanes_, lanes_});
  }

  void loops() {
    std::vector<LoopDirective> parallel, reduction;
    for (const ir::NestAxis& axis : nest_.axes) {
      LoopDirective loop{name(axis)};
      const int64_t extent = axis.extent.number();
      if (axis.reduction) {
        const int64_t held = held_.count(loop.axis) ? held_[loop.axis] : 1;
        if (extent > 3 && !constrained(axis))
          for (int64_t levels = outer_levels(4); levels > 0; --levels) {
            LoopDirective outer = loop;
            outer.by = held == 1 ? dice_.between(2, extent) : held * dice_.between(1, 3);
            reduction.push_back(outer);
          }
        unroll(loop, extent);
        reduction.push_back(loop);
        continue;
      }
      const auto in_tile = held_.find(loop.axis);
      const int64_t inner = in_tile == held_.end() ? 1 : in_tile->second;
      if (dice_.once_in(2) && inner > 1) loop.by = inner; // else filled in
      const bool is_tiled_once = constrained(axis) && inner > 1 && !dice_.once_in(4);
      if (extent > 2 * inner && !is_tiled_once)
        for (int64_t levels = outer_levels(4); levels > 0; --levels) {
          LoopDirective outer = loop;
          outer.by = inner * dice_.between(2, std::max<int64_t>(2, extent / inner));
          parallel.push_back(outer);
        }
      parallel.push_back(loop);
    }
    // A shuffle moves an inner loop before its outer one: those two trade places again.
    for (std::vector<LoopDirective>* part : {&parallel, &reduction}) {
      dice_.shuffle(*part);
      for (size_t i = 0; i < part->size(); ++i)
        for (size_t j = i + 1; j < part->size(); ++j)
          if ((*part)[i].axis == (*part)[j].axis && (*part)[i].by < (*part)[j].by)
            std::swap((*part)[i], (*part)[j]);
    }
    const auto items = static_cast<size_t>(dice_.between(0, std::ssize(parallel)));
    for (size_t i = 0; i < items; ++i) parallel[i].parallel = true;
    for (size_t i = items; i < parallel.size(); ++i)
      if (dice_.once_in(8)) unroll(parallel[i], 1);
    schedule_.loops = parallel;
    schedule_.loops.insert(schedule_.loops.end(), reduction.begin(), reduction.end());
    slide_taps();
    if (dice_.once_in(3)) move_sums_outside(items);
    if (dice_.once_in(8)) repeat_a_loop();
  }

  /// Where some taps slide along the tile, they do in half of the draws; and now and then others
  /// are asked to, which is refused.
  void slide_taps() {
    std::vector<LoopDirective>& loops = schedule_.loops;
    std::vector<std::string> taps;
    for (const ir::NestAxis& axis : nest_.axes)
      if (axis.reduction)
        for (const auto& [held, size] : held_)
          if (compiler::slide_step(nest_, compiler::inner_reads(nest_), nest_.axis(held)->var,
                                   axis.var) ||
              dice_.once_in(50))
            taps.push_back(name(axis));
    if (taps.empty() || dice_.once_in(2)) return;
    LoopDirective tap{dice_.one_of(taps)};
    tap.slide = true;
    const auto same = [&](const LoopDirective& l) { return l.axis == tap.axis; };
    loops.erase(std::remove_if(loops.begin(), loops.end(), same), loops.end());
    loops.push_back(tap);
  }

  /// Loops over an axis around its innermost one: none but once in so many draws.
  int64_t outer_levels(int64_t once_in) {
    return dice_.once_in(once_in) ? dice_.one_of({1, 1, 1, 2, 3}) : 0;
  }

  /// A reduction loop around loops over parallel axes: its sums wait in scratch. One over an axis
  /// that meets padding is refused, and drawn now and then.
  void move_sums_outside(size_t items) {
    std::vector<LoopDirective>& loops = schedule_.loops;
    std::vector<size_t> movable;
    for (size_t i = items; i < loops.size(); ++i) {
      const ir::NestAxis& axis = *nest_.axis(loops[i].axis);
      const bool is_first =
          std::none_of(loops.begin(), loops.begin() + static_cast<long>(i),
                       [&](const LoopDirective& l) { return l.axis == loops[i].axis; });
      if (axis.reduction && is_first && !loops[i].slide && (!constrained(axis) || dice_.once_in(8)))
        movable.push_back(i);
    }
    if (movable.empty()) return;
    const size_t from = dice_.one_of(movable);
    LoopDirective loop = loops[from];
    loop.unroll = 1;
    loops.erase(loops.begin() + static_cast<long>(from));
    const auto to = dice_.between(static_cast<int64_t>(items), static_cast<int64_t>(from));
    loops.insert(loops.begin() + to, loop);
  }

  /// The same loop again, somewhere inside itself: it has nothing left to walk there.
  void repeat_a_loop() {
    std::vector<LoopDirective>& loops = schedule_.loops;
    if (loops.empty()) return;
    const auto at = dice_.between(0, std::ssize(loops) - 1);
    LoopDirective loop = loops[static_cast<size_t>(at)];
    if (loop.dot || loop.slide || loop.unroll != 1) return;
    loop.parallel &= dice_.once_in(2);
    const auto to = dice_.once_in(2) ? at : dice_.between(at, std::ssize(loops));
    loops.insert(loops.begin() + to, loop);
  }

  /// Elements scattered over one part of memory are written one at a time, in the nest's order.
  void scattered_loops() {
    std::vector<LoopDirective> free, ordered;
    for (const ir::NestAxis& axis : nest_.axes) {
      (moves(scattered_->index, axis.var) ? free : ordered).push_back({name(axis)});
    }
    dice_.shuffle(free);
    const auto items = static_cast<size_t>(dice_.between(0, std::ssize(free)));
    for (size_t i = 0; i < items; ++i) free[i].parallel = true;
    for (LoopDirective& loop : ordered) unroll(loop, 1);
    schedule_.loops = free;
    schedule_.loops.insert(schedule_.loops.end(), ordered.begin(), ordered.end());
  }

  /// Loops over the parts of numbers outside of all that is summed over: others are refused.
  void put_parts_first() {
    const auto role = [&](const LoopDirective& loop) { return nest_.axis(loop.axis)->role; };
    std::vector<LoopDirective>& loops = schedule_.loops;
    std::vector<LoopDirective> parts;
    std::copy_if(loops.begin(), loops.end(), std::back_inserter(parts),
                 [&](const auto& loop) { return role(loop) == ir::AxisRole::part; });
    std::erase_if(loops, [&](const auto& loop) { return role(loop) == ir::AxisRole::part; });
    const auto first = std::find_if(loops.begin(), loops.end(), [&](const auto& loop) {
      return nest_.axis(loop.axis)->reduction;
    });
    loops.insert(first, parts.begin(), parts.end());
  }

  /// Narrow products added several at a time, where the nest has some; vectors then run along the
  /// weight alone, and other draws of them are refused.
  void add_in_groups() {
    for (const ir::NestAxis& axis : nest_.axes) {
      if (!axis.reduction || schedule_.registers.empty()) continue;
      const auto form = compiler::dot_form(nest_, axis.var);
      if (!form) continue;
      if (tiles_ && dice_.once_in(2) && as_matrices(axis, *form)) return;
      LoopDirective loop{name(axis)};
      loop.dot = form->ways;
      std::vector<LoopDirective>& loops = schedule_.loops;
      const auto same = [&](const LoopDirective& l) { return l.axis == loop.axis; };
      loops.erase(std::remove_if(loops.begin(), loops.end(), same), loops.end());
      if (dice_.once_in(3)) {
        LoopDirective outer{loop.axis};
        outer.by = loop.dot * dice_.between(1, 4);
        loops.push_back(outer);
      }
      loops.push_back(loop);
      schedule_.pack = {{"weight"}};
      along_the_weight(*form);
      return;
    }
  }

  /// The same by a matrix unit: rows along the image, lanes along the weight, in loops of their
  /// own.
  bool as_matrices(const ir::NestAxis& summed, const compiler::DotForm& form) {
    std::vector<std::string> rows, lanes, others;
    for (const ir::NestAxis& axis : nest_.axes) {
      if (axis.reduction) continue;
      const bool image = moves(form.image, axis.var), weight = moves(form.weight, axis.var);
      if (weight && !image)
        lanes.push_back(name(axis));
      else if (image && !weight && (!constrained(axis) || dice_.once_in(20)))
        rows.push_back(name(axis));
      else
        others.push_back(name(axis));
    }
    if (rows.empty() || lanes.empty()) return false;
    LoopDirective last{name(summed)};
    last.tile = compiler::matrix_step(nest_, form, summed.var);
    if (last.tile == 0 || dice_.once_in(4)) last.tile = form.ways * dice_.between(1, 16);
    const std::string of_rows = dice_.one_of(rows), of_lanes = dice_.one_of(lanes);
    const auto extent = [&](const std::string& axis) { return nest_.axis(axis)->extent.number(); };

    schedule_.registers.clear();
    for (const std::string& axis : rows)
      if (axis != of_rows) others.push_back(axis);
    if (!others.empty() && dice_.once_in(2))
      schedule_.registers.push_back({dice_.one_of(others), dice_.between(1, 3), 0});
    RegisterDirective r{of_rows};
    r.rows = dice_.between(1, std::min<int64_t>(16, extent(of_rows)));
    r.size = r.rows * dice_.between(1, 2) + (dice_.once_in(3) ? dice_.between(0, r.rows - 1) : 0);
    schedule_.registers.push_back(r);
    RegisterDirective l{of_lanes};
    l.lanes = dice_.one_of({4, 8, 16, 16});
    l.size = l.lanes * dice_.between(1, 2);
    schedule_.registers.push_back(l);

    std::vector<LoopDirective> space, taps;
    for (const ir::NestAxis& axis : nest_.axes)
      if (axis.var != summed.var) (axis.reduction ? taps : space).push_back({name(axis)});
    dice_.shuffle(space);
    dice_.shuffle(taps);
    const int64_t items = dice_.between(0, std::ssize(space));
    for (int64_t i = 0; i < items; ++i) space[static_cast<size_t>(i)].parallel = true;
    if (dice_.once_in(4)) last.unroll = 2;
    if (dice_.once_in(3)) {
      const auto& image = std::get<ir::Read>(form.image->is);
      const std::string& factor = nest_.operands[static_cast<size_t>(image.operand)].name;
      if (factor != "weight" && dice_.once_in(2)) schedule_.bypass.push_back({factor});
      if (dice_.once_in(2)) schedule_.bypass.push_back({"weight"});
    }
    schedule_.loops = std::move(space);
    schedule_.loops.insert(schedule_.loops.end(), taps.begin(), taps.end());
    schedule_.loops.push_back(last);
    schedule_.pack = {{"weight"}};
    return true;
  }

  void along_the_weight(const compiler::DotForm& form) {
    for (const RegisterDirective& r : schedule_.registers)
      if (r.lanes > 0) return;
    for (RegisterDirective& r : schedule_.registers) {
      const ir::Var var = nest_.axis(r.axis)->var;
      if (moves(form.weight, var) && !moves(form.image, var)) {
        r.lanes = lanes_;
        return;
      }
    }
  }

  void unroll(LoopDirective& loop, int64_t extent) {
    if (!dice_.once_in(3)) return;
    const bool all = dice_.once_in(2);
    const int64_t copies = all ? extent : dice_.between(2, 5);
    if (body_ * copies * registers_ > most_in_a_body) return;
    body_ *= copies;
    loop.unroll = all ? LoopDirective::full : copies;
  }

  Dice& dice_;
  ir::Nest nest_;
  int64_t lanes_;
  bool tiles_; // the target has a matrix unit
  const ir::Write* scattered_ = nullptr;
  Schedule schedule_;
  std::map<std::string, int64_t> held_; // tile size of the register axes
  int64_t registers_ = 1, body_ = 1;
};

} // namespace

Schedule random_schedule(Dice& dice, const ir::Nest& nest, int64_t lanes, bool tiles) {
  return Drawer(dice, nest, lanes, tiles).run();
}

namespace {

Schedule schedule_for(Dice& dice, const ir::Nest& nest, const compiler::Target& target) {
  return random_schedule(dice, nest, target.lanes(4), target.has("amx-tile"));
}

/// Puts a nest inside a later one, where the two allow it, with a schedule for what they become.
void place(Dice& dice, ir::NestProgram program, const compiler::Target& target,
           compiler::Schedules& schedules) {
  const auto consumer = static_cast<size_t>(dice.between(1, std::ssize(program.nests) - 1));
  const auto producer = static_cast<size_t>(dice.between(0, static_cast<int64_t>(consumer) - 1));
  const ir::Nest& to = program.nests[consumer];
  std::vector<ir::Var> space;
  for (const ir::NestAxis& axis : to.axes)
    if (axis.role == ir::AxisRole::space) space.push_back(axis.var);
  if (space.empty()) return;
  const ir::Var axis = dice.one_of(space);
  const std::string axis_name = to.vars[static_cast<size_t>(axis.id)];
  const ir::Placement placement{static_cast<int32_t>(consumer), axis, dice.between(1, 5)};
  if (compiler::band_obstacle(program, producer, placement)) return;
  program.nests[producer].placement = placement;
  for (const ir::Nest& nest : compiler::banded(program, program.buffers, consumer).nests) {
    schedules.erase(nest.name);
    if (dice.once_in(2)) schedules[nest.name] = schedule_for(dice, nest, target);
  }
  schedules[program.nests[consumer].name].compute = {
      {program.nests[producer].name, axis_name, placement.tile}};
}

/// Whether the numbers of a value are those of an input: whole ones of few digits.
bool are_of_an_input(const ir::Program& program, ir::ValueId value) {
  const ir::Statement* made = program.definition(value);
  while (made && ir::traits_of(made->operation).copies)
    value = made->operands.front(), made = program.definition(value);
  return std::find(program.inputs.begin(), program.inputs.end(), value) != program.inputs.end();
}

/// Whether a form computes whole numbers exactly where a direct sum does: of operands in fewer
/// parts than it takes for all digits, those of few.
bool is_exact(const compiler::Form& form, const ir::Program& program, const ir::Statement& conv) {
  return compiler::keeps_whole_numbers(form, program, conv) ||
         (form.parts > 0 && are_of_an_input(program, conv.operands[0]) &&
          are_of_an_input(program, conv.operands[1]));
}

/// A form for some of the statements, of those that apply: `direct` is the program in its direct
/// forms. Where one errs more than by default, the others are no choice of the compiler's.
void draw_forms(Dice& dice, const compiler::Stages& direct, const compiler::CompileRequest& request,
                compiler::Schedules& schedules) {
  std::set<size_t> named; // statements whose nest was met: the first phase has a convolution's name
  std::vector<std::string> left;
  bool errs_more = false;
  for (const ir::Nest& nest : direct.nests.nests) {
    if (nest.statements.empty() || compiler::weight_of(nest) < 0) continue;
    const ir::Statement& head = direct.program.statements[nest.statements.front()];
    if (!ir::convolution(head.operation) || !named.insert(nest.statements.front()).second) continue;
    left.push_back(nest.name);
    if (dice.once_in(4)) continue;
    std::vector<const compiler::Form*> applying;
    for (const compiler::Form& form : compiler::forms())
      if (is_exact(form, direct.program, head) &&
          !form.obstacle(direct.program, head, request.target) &&
          form.error(direct.program, head) <= request.accuracy &&
          (!request.deterministic || form.error(direct.program, head) == 0))
        applying.push_back(&form);
    // Few convolutions have another form than the first, the direct one.
    if (applying.size() > 1 && !dice.once_in(4)) applying.erase(applying.begin());
    const compiler::Form& form = *dice.one_of(applying);
    errs_more |= form.error(direct.program, head) > compiler::CompileRequest().accuracy;
    schedules.forms[nest.name] = {std::string(form.name), {}};
    left.pop_back();
  }
  for (const std::string& nest : left)
    if (errs_more) schedules.forms[nest] = {"direct", {}};
}

} // namespace

compiler::Schedules random_schedules(Dice& dice, const ir::Program& program,
                                     compiler::CompileRequest request) {
  request.schedule = "naive";
  compiler::Stages stages = compiler::specialise_program(program, request).value();
  compiler::Schedules schedules;
  draw_forms(dice, stages, request, schedules);
  if (std::any_of(schedules.forms.begin(), schedules.forms.end(),
                  [](const auto& entry) { return entry.second.form != "direct"; })) {
    if (dice.once_in(2)) return schedules; // under the compiler's loops
    request.schedule = to_string(schedules);
    stages = compiler::specialise_program(program, request).value();
    for (ir::Nest& nest : stages.nests.nests) nest.placement.reset();
  }
  for (const ir::Nest& nest : stages.nests.nests)
    if (!dice.once_in(5)) schedules[nest.name] = schedule_for(dice, nest, request.target);
  if (stages.nests.nests.size() > 1 && dice.once_in(2))
    place(dice, stages.nests, request.target, schedules);
  return schedules;
}

} // namespace volute::tests
