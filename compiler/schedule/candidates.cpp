#include "compiler/schedule/candidates.h"

#include "compiler/nests/expand_math.h"
#include "compiler/schedule/bypass.h"
#include "compiler/schedule/in_words.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>

namespace volute::compiler {

using namespace ir;

namespace {

constexpr size_t candidates_reported = 16; // those that measuring may begin with
// Instructions of a tile's ends: what is folded into a nest is written once for each register.
constexpr int64_t most_at_ends = 8192;
constexpr int64_t most_tiles_waiting = 16; // of a panel of weights

// A schedule whose code is so many instructions longer must be a hundredth faster: it is compiled,
// and kept in caches. Some hundredths are all that this counts, up to where code is out of all
// proportion: a tile with a copy for each of a hundred taps at a border, or for each of its lanes.
constexpr double instructions_for_a_hundredth = 500, most_hundredths = 3;
constexpr double most_instructions = 12'000;

/// Instructions, about, of what is made of a register's sum before it is stored.
int64_t instructions_at_end(const Nest& nest) {
  constexpr int64_t of_a_function = 100; // as expand_math writes it, without multiply-adds
  int64_t count = 0;
  for (const Write& w : nest.writes)
    visit(w.value, [&](const ExprNode& node) { count += is_function(node) ? of_a_function : 1; });
  return count;
}

double weighed(double cycles, double instructions) {
  const double hundredths = instructions / instructions_for_a_hundredth;
  const double beyond = std::max(0.0, instructions - most_instructions);
  return cycles * (1 + 0.01 * (std::min(hundredths, most_hundredths) +
                               beyond / instructions_for_a_hundredth));
}

/// Is some operand read lane by lane? Each such read is a score of instructions.
bool gathers(const Plan& plan) {
  return std::any_of(plan.reads.begin(), plan.reads.end(),
                     [&](const PlannedRead& read) { return read.arrival == Arrival::gathered; });
}

} // namespace

Candidates::Candidates(const ScheduledNest& nest)
    : nest_(nest), at_end_(instructions_at_end(nest.flat)) {
  for (const Accumulator& a : nest.flat.accumulators)
    visit(a.update, [&](const ExprNode& node) {
      updates_ += std::holds_alternative<Select>(node.is) ? 2
                  : std::holds_alternative<Read>(node.is) || std::holds_alternative<Acc>(node.is) ||
                          std::holds_alternative<Imm>(node.is)
                      ? 0
                      : 1;
    });
}

Scored* Candidates::add(const TileShape& tile, Schedule schedule) {
  if (nest_.builder.is_ordered() && out_of_order(schedule, nest_.flat)) return nullptr;
  const ConstantWeight* weight = nest_.constant ? &*nest_.constant : nullptr;
  Expected<Plan> plan = resolve(schedule, nest_.facts, nest_.target, weight, nest_.sums);
  if (!plan && !schedule.prefetch.empty()) { // its tiles do not lie so that they can be asked for
    schedule.prefetch.clear();
    plan = resolve(schedule, nest_.facts, nest_.target, weight, nest_.sums);
  }
  if (!plan) {
    ++refused_;
    return nullptr;
  }
  if (plan->registers_needed(nest_.flat) > nest_.target.vector_registers - 1) return nullptr;
  if (plan->slide && !plan->slide->holds) return nullptr;
  if (plan->tile_registers() > 1 && plan->tile_registers() * at_end_ > most_at_ends) return nullptr;
  // Whole groups of rows, and what is left of them.
  if (plan->matrix && 2 * plan->matrix->finished * at_end_ > most_at_ends) return nullptr;
  if (gathers(*plan) && plan->tile_registers() > most_gathered) return nullptr;
  if (!plan->packed.empty() && comes_in_bursts(*plan)) {
    const std::string& name = nest_.flat.operands[static_cast<size_t>(nest_.builder.weight())].name;
    schedule.prefetch.push_back({name});
    plan = with_prefetch(std::move(*plan), name, nest_.facts, nest_.target);
    if (!plan) {
      ++refused_;
      return nullptr;
    }
  }
  Cost cost = plan->matrix ? choose_bypass(*plan, nest_.flat, nest_.target)
                           : predict(nest_.flat, *plan, nest_.target);
  schedule.bypass = plan->schedule.bypass;
  const double cycles = weighed(cost.cycles, instructions(*plan));
  scored_.push_back(std::make_unique<Scored>(
      Scored{tile, std::move(schedule), std::move(*plan), std::move(cost), cycles}));
  return scored_.back().get();
}

void Candidates::sort() {
  std::stable_sort(scored_.begin(), scored_.end(),
                   [](const auto& a, const auto& b) { return a->weighed < b->weighed; });
}

/// A transform by numbers that stand in the code makes all of its results of a vector while it is
/// there. Where L2 holds the image, that is all it makes at a time, so that the code is as short
/// as can be: the model takes several vectors for the fewer ends of tiles, and measured on Zen 4
/// those cost nothing beside what goes on at the same time. Winograd's algorithm of 64 channels
/// is 1.12 times as fast so, and compiles in two thirds of the time. From beyond L2 long rows
/// come faster.
void Candidates::put_transform_first() {
  if (nest_.flat.kind != NestKind::transform || !nest_.constant) return;
  const bool is_near = nest_.builder.input_bytes() <= nest_.target.l2_bytes;
  const auto found = std::find_if(scored_.begin(), scored_.end(), [&](const auto& scored) {
    const TileShape& tile = scored->tile;
    return scored->plan.weight == WeightUse::numbers && tile.u &&
           (!is_near || tile.size == tile.lanes) && nest_.constant->moves_along(tile.u->var) &&
           tile.rows == tile.u->extent.number();
  });
  if (found != scored_.end()) std::rotate(scored_.begin(), found, found + 1);
}

Choice Candidates::choice() const {
  Choice choice;
  choice.schedule = best().schedule;
  choice.cycles = best().cost.cycles;
  choice.refused = refused_;
  choice.why = reasons();
  for (size_t i = 0; i < std::min(size(), candidates_reported); ++i)
    choice.candidates.push_back({on_one_line(to_string(scored_[i]->plan.schedule)),
                                 scored_[i]->cost.cycles, std::string(scored_[i]->cost.bound)});
  return choice;
}

std::vector<std::string> Candidates::reasons() const {
  std::vector<std::string> why;
  if (best().plan.weight == WeightUse::numbers)
    why.push_back(fmt::format("the weight's {} numbers stand in the code, {:.0f} % of them are 0",
                              nest_.constant->count(), 100 * (1 - nest_.constant->density())));
  why.push_back(
      fmt::format("{} register tiles were scored for {}", scored_.size(), nest_.target.name));
  const std::vector<std::string> told =
      in_words(nest_.flat, best().plan, best().cost, nest_.target);
  why.insert(why.end(), told.begin(), told.end());
  if (!nest_.builder.flattened().empty())
    for (const auto& axes : nest_.builder.flattened())
      why.push_back(fmt::format("{} are one axis: every access walks them together",
                                fmt::join(axes, " and ")));
  return why;
}

/// Instructions, about, that a plan's code has: every kind of tile has its own steps and end.
double Candidates::instructions(const Plan& plan) const {
  double kinds = 1, borders = 1, steps = plan.slide ? static_cast<double>(plan.slide->taps) : 1;
  for (const PlanTile& t : plan.tile) {
    if (nest_.flat.axis_of(t.axis).extent.number() % t.size != 0) kinds *= 2;
    const bool slides = plan.slide && &t == &plan.tile[plan.slide->tile];
    for (const NestAxis& tap : nest_.flat.axes)
      if (!slides && t.size > 1 && tap.reduction &&
          nest_.meets_border_with(tap, nest_.flat.axis_of(t.axis)))
        borders += static_cast<double>(tap.extent.number());
  }
  for (const PlanLoop& loop : plan.loops)
    if (loop.reduction && !(plan.slide && loop.unrolls_all))
      steps *= static_cast<double>(std::max<int64_t>(loop.unroll, 1));
  const auto registers = static_cast<double>(plan.tile_registers());
  double loads = 0; // of a row, where taps slide
  for (const PlannedRead& read : plan.reads) {
    int64_t each = 1;
    if (read.arrival == Arrival::deinterleaved) each = 2 * read.lane_stride - 1;
    if (read.arrival == Arrival::gathered) each = 4 * int64_t{plan.lanes}; // with shuffles
    loads += static_cast<double>(read.registers * each);
  }
  if (plan.slide)
    loads *= static_cast<double>(plan.slide->rows(plan.tile[plan.slide->tile].size)) /
             static_cast<double>(plan.slide->taps);
  double ends = registers * static_cast<double>(at_end_);
  if (plan.store.kind == PlannedStore::Kind::lanes) // taken out one by one
    ends += registers * static_cast<double>(2 * plan.lanes);
  if (plan.store.kind == PlannedStore::Kind::transposed) { // a register for each lane
    const int64_t rows = plan.tile[plan.store.rows].registers();
    ends = registers / static_cast<double>(rows) *
           static_cast<double>(ceil_div(rows, plan.lanes) * plan.lanes) *
           static_cast<double>(at_end_ + std::bit_width(static_cast<uint64_t>(plan.lanes)));
  }
  return kinds * (borders * steps * (registers * updates_ + loads) + ends);
}

/// Whether the weight comes from beyond L2, a panel at a time for a few tiles each: the first of
/// them waits. Of many tiles the first is no matter.
bool Candidates::comes_in_bursts(const Plan& plan) const {
  if (plan.slide || plan.across ||
      nest_.builder.operand_bytes(nest_.builder.weight()) <= nest_.target.l2_bytes / 2)
    return false;
  const Panels found =
      panels(nest_.flat, plan, plan.packed.front().operand, nest_.target.line_bytes);
  return found.tiles <= most_tiles_waiting && (found.tiles > 1 || plan.matrix);
}

} // namespace volute::compiler
