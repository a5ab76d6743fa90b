#include "ir/reference_budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <variant>

namespace volute::ir::reference {
namespace {

// Counted in double, which no product of extents overflows.

double elements(const TensorType& type) {
  double product = 1;
  for (const Extent& extent : type.extents) product *= static_cast<double>(extent.size);
  return product;
}

double taps(const PerAxis& kernel) {
  double product = 1;
  for (int64_t size : kernel) product *= static_cast<double>(size);
  return product;
}

/// Steps for each element of `type` that has a partner in every element of `with` but those along
/// `shared`, an axis that both have.
double pairs(const TensorType& type, const TensorType& with, Axis shared) {
  return elements(type) * elements(with) /
         static_cast<double>(std::max<int64_t>(with.size(shared), 1));
}

double steps(const Program& program, const Statement& statement) {
  const Operation& operation = statement.operation;
  const TensorType& result = program.type(statement.results[0]);
  const auto operand = [&](size_t i) -> const TensorType& {
    return program.type(statement.operands[i]);
  };
  double work = elements(result);
  if (std::holds_alternative<Conv>(operation)) work += pairs(result, operand(1), Axis::o);
  if (std::holds_alternative<ConvTranspose>(operation))
    work += pairs(operand(0), operand(1), Axis::i);
  if (const auto* pool = std::get_if<Pool>(&operation))
    work += elements(result) * taps(pool->kernel);
  if (std::holds_alternative<GlobalPool>(operation) || std::holds_alternative<MaxUnpool>(operation))
    work += elements(operand(0));
  if (std::holds_alternative<AdaptivePool>(operation)) {
    double cell = 1; // cells overlap by up to one element at either end
    for (Axis axis : result.spatial_axes())
      cell *= static_cast<double>(operand(0).size(axis) / result.size(axis) + 2);
    work += elements(result) * cell;
  }
  return work;
}

} // namespace

std::vector<size_t> last_readers(const Program& program) {
  std::vector<size_t> last(program.values.size(), 0);
  for (size_t s = 0; s < program.statements.size(); ++s) {
    for (ValueId id : program.statements[s].operands) last[static_cast<size_t>(id)] = s;
    for (ValueId id : program.statements[s].results) last[static_cast<size_t>(id)] = s;
  }
  for (ValueId id : program.outputs) last[static_cast<size_t>(id)] = program.statements.size();
  return last;
}

std::optional<Failure> over_budget(const Program& program, const EvaluationBudget& budget) {
  double total = 0, alive = 0, most_alive = 0, largest = -1;
  const Statement* dearest = nullptr;
  const std::vector<size_t> last = last_readers(program);
  const auto bytes = [&](ValueId id) { return 8 * elements(program.type(id)); };
  for (ValueId id : program.inputs) alive += bytes(id);
  for (size_t s = 0; s < program.statements.size(); ++s) {
    const Statement& statement = program.statements[s];
    const double cost = steps(program, statement);
    total += cost;
    if (cost > largest) largest = cost, dearest = &statement;
    for (ValueId id : statement.results) alive += bytes(id);
    most_alive = std::max(most_alive, alive);
    for (size_t id = 0; id < last.size(); ++id)
      if (last[id] == s) alive -= bytes(static_cast<ValueId>(id));
  }
  most_alive = std::max(most_alive, alive);
  if (total > budget.steps && dearest)
    return fail(
        Diagnostic{dearest->where, std::string(name(dearest->operation)),
                   fmt::format("the reference evaluation takes {:.3g} steps, {:.3g} of them here, "
                               "and its budget is {:.3g}",
                               total, largest, budget.steps),
                   "evaluate smaller extents"});
  // No vector holds 2^63 bytes, whatever the budget says; below, what the machine lacks is noticed.
  const double bytes_allowed = std::min(budget.bytes, 0x1p62);
  if (most_alive > bytes_allowed)
    return fail(
        "@" + program.name,
        fmt::format("the reference evaluation holds {:.3g} bytes at one time, and its budget is "
                    "{:.3g}",
                    most_alive, bytes_allowed),
        "evaluate smaller extents");
  return std::nullopt;
}

} // namespace volute::ir::reference
