#include "bench/checked_call.h"

#include "ir/def_use.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace volute::bench {

using namespace ir;

namespace {

bool holds_for_all(const CheckedCall& checked, bool (Agreement::*holds)() const) {
  const auto all = [&](const std::vector<Agreement>& list) {
    return std::all_of(list.begin(), list.end(),
                       [&](const Agreement& found) { return (found.*holds)(); });
  };
  return all(checked.on_the_way) && all(checked.outputs);
}

bool has_name(const Program& program, const std::string& name) {
  return std::any_of(program.values.begin(), program.values.end(),
                     [&](const Value& value) { return value.name == name; });
}

/// By value of a cut program: the new inputs that it is made of.
std::vector<std::set<std::string>> origins(const Cut& cut) {
  std::vector<std::set<std::string>> of(cut.program.values.size());
  for (const auto& [name, input] : cut.inputs)
    for (const ValueId id : cut.program.inputs)
      if (cut.program.name_of(id) == input) of[static_cast<size_t>(id)] = {name};
  for (const Statement& statement : cut.program.statements)
    for (const ValueId result : statement.results)
      for (const ValueId operand : statement.operands)
        of[static_cast<size_t>(result)].insert(of[static_cast<size_t>(operand)].begin(),
                                               of[static_cast<size_t>(operand)].end());
  return of;
}

} // namespace

TensorData data_of(const runtime::Tensor& tensor) {
  return {tensor.type(), std::vector<std::byte>(tensor.data(), tensor.data() + tensor.bytes())};
}

bool CheckedCall::agrees() const { return holds_for_all(*this, &Agreement::agrees); }
bool CheckedCall::is_bounded() const { return holds_for_all(*this, &Agreement::is_bounded); }

Cut cut_at(const Program& program, const Values& kept) {
  Cut cut{program, {}};
  std::vector<ValueId> in_place_of(program.values.size());
  for (size_t i = 0; i < in_place_of.size(); ++i) in_place_of[i] = static_cast<ValueId>(i);
  const std::set<ValueId> returned(program.outputs.begin(), program.outputs.end());
  for (Statement& statement : cut.program.statements) {
    for (ValueId& operand : statement.operands) operand = in_place_of[static_cast<size_t>(operand)];
    if (std::holds_alternative<Const>(statement.operation)) continue;
    for (const ValueId result : statement.results) {
      const Value value = program.values[static_cast<size_t>(result)];
      const auto found = kept.find(value.name);
      if (found == kept.end() || found->second.type != value.type) continue;
      std::string name = value.name + "_kept";
      while (has_name(cut.program, name)) name += "_";
      const auto input = static_cast<ValueId>(cut.program.values.size());
      cut.program.values.push_back({name, value.type, value.where});
      cut.program.inputs.push_back(input);
      cut.inputs[value.name] = name;
      in_place_of[static_cast<size_t>(result)] = input;
      if (!returned.count(result)) cut.program.outputs.push_back(result);
    }
  }
  return cut;
}

Expected<CheckedCall> check_call(const Program& program, const Values& inputs,
                                 const Values& outputs, const Values& kept,
                                 const EvaluationBudget& budget, bool flushed,
                                 const Algorithms& algorithms) {
  Values stored = kept;
  stored.insert(outputs.begin(), outputs.end());
  const Cut cut = cut_at(program, stored);
  std::map<std::string, const TensorData*> named;
  for (const auto& [name, tensor] : inputs) named[name] = &tensor;
  for (const auto& [name, input] : cut.inputs) named[input] = &stored.at(name);
  const Expected<std::map<std::string, Bounded>> wanted =
      bounded_reference(cut.program, named, budget, flushed, algorithms);
  if (!wanted) return wanted.failure();

  const std::vector<std::set<std::string>> from = origins(cut);
  CheckedCall checked;
  for (size_t i = 0; i < cut.program.outputs.size(); ++i) {
    const ValueId id = cut.program.outputs[i];
    const std::string& name = cut.program.name_of(id);
    Agreement found = compare(name, wanted->at(name), stored.at(name).bytes.data());
    const std::set<std::string>& origin = from[static_cast<size_t>(id)];
    found.from.assign(origin.begin(), origin.end());
    (i < program.outputs.size() ? checked.outputs : checked.on_the_way).push_back(std::move(found));
  }
  return checked;
}

std::string summary_on_the_way(const CheckedCall& checked) {
  if (checked.on_the_way.empty()) return "";
  int64_t equal = 0;
  const Agreement* farthest = nullptr;
  for (const Agreement& found : checked.on_the_way)
    if (found.largest_difference == 0)
      ++equal;
    else if (!farthest || found.largest_share > farthest->largest_share)
      farthest = &found;
  const auto all = std::ssize(checked.on_the_way);
  return fmt::format(
      "{} value{} on the way, each against the reference of what the kernel had before it: {}", all,
      all == 1 ? "" : "s",
      farthest
          ? fmt::format("{} equal, {} within the tolerance, the farthest %{} with {:.2g} of it",
                        equal, all - equal, farthest->name, farthest->largest_share)
          : "equal");
}

} // namespace volute::bench
