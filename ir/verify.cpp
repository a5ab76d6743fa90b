#include "ir/verify.h"

#include "ir/enumerations.h"
#include "ir/infer.h"
#include "ir/lexer.h"
#include "ir/literals.h"
#include "ir/operators.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

namespace volute::ir {
namespace {

class Verifier {
public:
  explicit Verifier(const Program& program)
      : program_(program), defined_(program.values.size(), false) {}

  std::vector<Diagnostic> run(Gaps gaps) {
    check_names();
    for (const ValueId id : program_.inputs)
      if (in_range(id, "input")) define(id);
    for (const Statement& statement : program_.statements) check(statement);
    check_outputs();
    for (size_t i = 0; i < defined_.size(); ++i)
      if (!defined_[i] && gaps == Gaps::refused)
        fault(static_cast<ValueId>(i), "is neither an input nor a result");
    return std::move(faults_);
  }

private:
  void fault(Location where, std::string subject, std::string message) {
    faults_.push_back({where, std::move(subject), std::move(message), ""});
  }
  void fault(ValueId id, std::string message) {
    const Value& value = program_.values[static_cast<size_t>(id)];
    fault(value.where, "%" + value.name, std::move(message));
  }

  bool in_range(ValueId id, std::string_view role) {
    if (id >= 0 && static_cast<size_t>(id) < program_.values.size()) return true;
    fault({}, std::string(role),
          fmt::format("there is no value {} among {}", id, program_.values.size()));
    return false;
  }

  void check_names() {
    if (const auto bad = fault_of_name(program_.name)) fault({}, "@", *bad);
    std::unordered_set<std::string_view> seen;
    for (const Value& value : program_.values) {
      if (const auto bad = fault_of_name(value.name)) fault(value.where, "%", *bad);
      if (!seen.insert(value.name).second)
        fault(value.where, "%" + value.name, "is the name of two values");
      if (const auto bad = fault_of(value.type)) fault(value.where, "%" + value.name, bad->message);
    }
  }

  void define(ValueId id) {
    if (defined_[static_cast<size_t>(id)]) fault(id, "is defined twice");
    defined_[static_cast<size_t>(id)] = true;
  }

  void check(const Statement& statement) {
    if (const auto unknown = fault_in_enumerations(statement.operation)) {
      fault(statement.where, "", "a statement " + *unknown); // it has no name either
      for (const ValueId id : statement.results)
        if (in_range(id, "result")) define(id);
      return;
    }
    bool sound = true;
    for (const ValueId id : statement.operands) {
      const bool known = in_range(id, name(statement.operation));
      if (known && !defined_[static_cast<size_t>(id)]) fault(id, "is read before it is defined");
      sound = sound && known;
    }
    for (const ValueId id : statement.results)
      if (in_range(id, name(statement.operation)))
        define(id);
      else
        sound = false;
    if (sound) check_types(statement);
  }

  void check_types(const Statement& statement) {
    std::vector<TensorType> operands, results;
    for (const ValueId id : statement.operands) operands.push_back(program_.type(id));
    for (const ValueId id : statement.results) results.push_back(program_.type(id));
    Places places;
    places.op = statement.where;
    const auto types = infer(statement.operation, operands, results.size(), results, places);
    if (!types) {
      faults_.insert(faults_.end(), types.diagnostics().begin(), types.diagnostics().end());
      return;
    }
    const std::string subject(name(statement.operation));
    if (normalise(statement.operation, operands) != statement.operation)
      fault(statement.where, subject, "an attribute is not filled in");
    if (!has_only_own_attributes(statement.operation))
      fault(statement.where, subject, "an attribute is set that the operator does not have");
  }

  // Taking over the listed attributes alone must give the whole operation, or printing would lose
  // some of it.
  static bool has_only_own_attributes(const Operation& operation) {
    if (std::holds_alternative<Const>(operation)) return true;
    const OperatorRow& row = row_of(operation);
    Operation copy = operation, own = row.make();
    for (const AttributeRow& attribute : row.attributes)
      assign(attribute.field(own), attribute.field(copy));
    return own == operation;
  }

  void check_outputs() {
    if (program_.outputs.empty()) fault({}, "", "the program returns nothing");
    std::vector<ValueId> seen;
    for (const ValueId id : program_.outputs) {
      if (!in_range(id, "return")) continue;
      if (!defined_[static_cast<size_t>(id)]) fault(id, "is returned but not defined");
      if (std::find(seen.begin(), seen.end(), id) != seen.end()) fault(id, "is returned twice");
      seen.push_back(id);
    }
  }

  const Program& program_;
  std::vector<bool> defined_;
  std::vector<Diagnostic> faults_;
};

} // namespace

std::vector<Diagnostic> verify(const Program& program, Gaps gaps) {
  return Verifier(program).run(gaps);
}

std::optional<std::string> fault_of_name(std::string_view name) {
  if (is_name(name)) return std::nullopt;
  return fmt::format("{} is no name: names are letters, digits and '_'", quoted(name));
}

} // namespace volute::ir
