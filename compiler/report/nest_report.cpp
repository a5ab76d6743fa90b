#include "compiler/report/nest_report.h"

#include "compiler/nests/domain_points.h"
#include "compiler/nests/facts.h"
#include "compiler/schedule/cost_model.h"
#include "compiler/schedule/in_words.h"
#include "compiler/schedule/parameters.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace volute::compiler {

using namespace ir;

namespace {

std::string tile_text(const Step& step, const Plan& plan) {
  if (plan.tile.empty()) return "one scalar";
  std::vector<std::string> sizes;
  for (const PlanTile& t : plan.tile) sizes.push_back(fmt::format("{} {}", t.registers(), t.name));
  const ElementType type = step.arrays.empty() ? ElementType::f32 : step.arrays.front().type;
  return fmt::format("{} of {}x{}", fmt::join(sizes, " x "), to_string(type), plan.lanes);
}

/// Work items for the least that every parameter may be.
int64_t least_work(const Step& step) {
  return step.work([&](Var var) { return span_of(Affine(var), step.parameters).value().least; });
}

} // namespace

NestReport report_of(const Nest& piece, const Nest& whole, const Plan& plan, const Choice& choice,
                     const Specialised& made, const Target& target) {
  const Step& step = made.step;
  NestReport report;
  report.name = piece.name;
  report.origin = piece.origin;
  report.schedule = to_string(plan.schedule);
  report.why = choice.why;
  report.candidates = choice.candidates;
  const Cost cost = predict(at_least(piece), plan, target);
  report.cycles = cost.cycles;
  report.is_of_weight = is_of_weight(piece);
  report.registers_needed = plan.registers_needed(piece);
  report.registers_available = target.vector_registers;
  report.statements = piece.statements;
  if (choice.candidates.empty()) {
    const std::vector<std::string> told = in_words(at_least(piece), plan, cost, target);
    report.why.insert(report.why.end(), told.begin(), told.end());
  }
  report.multiply_adds = multiply_adds_asked_for(at_least(whole));
  report.executed_multiply_adds = count_fmas(step);
  report.registers = step.arrays.empty() ? 0 : step.arrays.front().count();
  report.register_tile = tile_text(step, plan);
  report.work_items = least_work(step);
  for (const Packing& packing : made.packings)
    report.packed.push_back(
        {packing.nest.operands[1].name, packing.buffer.elements * size_of(packing.buffer.element)});
  return report;
}

NestReport report_of(const Step& step) {
  NestReport report;
  report.name = step.name;
  report.origin = step.origin;
  report.schedule = "// as the loops say\n";
  report.executed_multiply_adds = count_fmas(step);
  report.work_items = least_work(step);
  return report;
}

} // namespace volute::compiler
