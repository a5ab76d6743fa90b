#include "compiler/nests/strides.h"
#include "compiler/schedule/long_end.h"
#include "compiler/schedule/resolver.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>

namespace volute::compiler {

using namespace ir;

namespace {

// Multiply-adds of one tile that are copied out with their weights' numbers in them.
constexpr int64_t most_with_numbers = 512;

} // namespace

void Resolver::use_numbers() {
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

void Resolver::plan_reads() {
  plan_.reads.reserve(facts_.reads().size());
  for (const Read& read : facts_.reads()) {
    if (plan_.weight == WeightUse::numbers && read.operand == facts_.weight()->operand) continue;
    PlannedRead planned{registers_of(read.index, plan_.tile), read};
    planned.is_packed = plan_.packed_layout_of(read.operand) != nullptr;
    for (size_t i = 0; i < plan_.tile.size(); ++i)
      if (const PlanTile& t = plan_.tile[i]; t.lanes && (planned.moves >> i & 1))
        planned.lane_stride =
            planned.is_packed ? 1 : stride_along(nest_, read.operand, read.index, t.axis);
    planned.arrival = arrival(nest_, read.operand, planned.lane_stride, target_);
    plan_.reads.push_back(std::move(planned));
  }
}

void Resolver::plan_store() {
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

int64_t Resolver::rows_finished_at_a_time() {
  const PlanTile& rows = plan_.tile[plan_.matrix->rows];
  if (plan_.store.kind == PlannedStore::Kind::transposed) {
    if (plan_.store.rows == plan_.matrix->rows) return std::min<int64_t>(rows.size, plan_.lanes);
    plan_.store = {PlannedStore::Kind::lanes, 0};
  }
  constexpr int64_t most = 8;
  if (const int64_t steps = plan_.matrix->overlapped_steps; steps > 0)
    for (int64_t each = 2; each <= most; ++each) // a little amid every step
      if (rows.rows % each == 0 && rows.size / each <= steps) return each;
  for (int64_t each = most; each > 2; --each)
    if (rows.rows % each == 0) return each;
  return ceil_div(rows.rows, ceil_div(rows.rows, most));
}

int32_t Resolver::lanes_finished_at_a_time() const {
  if (plan_.store.kind != PlannedStore::Kind::vectors) return plan_.lanes;
  int64_t widest = 1; // of a result's elements, in bytes
  for (const Write& w : nest_.writes) widest = std::max(widest, size_of(w.value->type));
  const int64_t of_sums = size_of(nest_.accumulators.front().type);
  // Halves alone: a quarter of 16 lanes would take 4 registers of sums to each of 8 rows.
  const bool are_halves = 2 * widest == of_sums;
  return are_halves && plan_.tile[*plan_.vector].size % (2 * plan_.lanes) == 0 ? 2 * plan_.lanes
                                                                               : plan_.lanes;
}

void Resolver::plan_finish() {
  if (!plan_.matrix) return;
  MatrixTile& matrix = *plan_.matrix;
  matrix.finished = rows_finished_at_a_time();
  matrix.finished_lanes = lanes_finished_at_a_time();
  if (matrix.overlapped_steps == 0) return;
  // What is finished amid a step is written out.
  constexpr int64_t most_amid = 1024; // operations
  int64_t amid = 0;
  for (const Write& w : nest_.writes) visit(w.value, [&](const ExprNode&) { ++amid; });
  const PlanTile& rows = plan_.tile[matrix.rows];
  amid *= ceil_div(ceil_div(rows.size, matrix.finished), matrix.overlapped_steps) * matrix.finished;
  amid *= plan_.tile_registers() / rows.registers() * plan_.lanes / matrix.finished_lanes;
  if (amid <= most_amid) return;
  matrix.overlapped_steps = 0;
  matrix.finished = rows_finished_at_a_time();
}

void Resolver::keep_lanes_of_sums() {
  if (!plan_.across) return;
  for (size_t i = 0; i < plan_.first_tap(); ++i)
    if (plan_.loops[i].reduction)
      return refuse(plan_.schedule.loops[i].at,
                    fmt::format("for {}: sums wait in memory between its trips, and lanes along "
                                "{} are parts of one",
                                plan_.loops[i].name, plan_.tile[*plan_.vector].name));
}

void Resolver::plan_end() {
  plan_.ends_in_loop = ends_in_loop(nest_, plan_, target_);
  plan_.end_reads_numbers = plan_.ends_in_loop && end_reads_numbers(nest_, plan_, target_);
}

void Resolver::plan_streams() {
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
    plan_.panels.push_back(panels(nest_, plan_, number, target_.line_bytes));
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

} // namespace volute::compiler
