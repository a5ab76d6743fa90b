#include "compiler/rewrites/fold_constants.h"

#include "compiler/rewrites/edit.h"
#include "ir/def_use.h"
#include "ir/operators.h"
#include "ir/reference.h"

#include <algorithm>

namespace volute::compiler {

using ir::ElementType;
using ir::Program;
using ir::Statement;
using ir::ValueId;

namespace {

// What a folded constant adds to an image, at most, unless it replaces something as large; and
// about half a second of the reference's time.
constexpr int64_t most_bytes = 1 << 20;
constexpr double most_steps = 1 << 24;

bool moves_data(const Statement& s) {
  const ir::OperatorTraits& traits = traits_of(s.operation);
  return traits.copies || traits.converts;
}

class Folding {
public:
  Folding(const Program& program, bool movements_only)
      : program_(program), uses_(program), is_folded_(program.statements.size()),
        is_constant_(program.values.size()) {
    for (size_t s = 0; s < program.statements.size(); ++s) {
      const Statement& statement = program.statements[s];
      const bool is_const = std::holds_alternative<ir::Const>(statement.operation);
      is_folded_[s] =
          !is_const && can_fold(statement) && (!movements_only || moves_data(statement));
      for (ValueId result : statement.results)
        is_constant_[index(result)] = is_const || is_folded_[s];
    }
    keep_unrounded();
    for (size_t s = 0; s < program.statements.size(); ++s)
      if (is_folded_[s])
        for (ValueId result : program.statements[s].results)
          if (is_read_outside(result)) results_.push_back(result);
  }

  bool is_empty() const { return results_.empty(); }

  /// Nothing when it takes too long.
  std::optional<Program> run() const {
    const Program part = constant_part();
    const auto values = ir::evaluate(part, {}, {.steps = most_steps});
    if (!values) return std::nullopt;

    Program after = program_;
    after.statements.clear();
    for (size_t s = 0; s < program_.statements.size(); ++s) {
      const Statement& statement = program_.statements[s];
      if (!is_folded_[s]) {
        after.statements.push_back(statement);
        continue;
      }
      for (ValueId result : statement.results)
        if (const auto value = values->find(program_.name_of(result)); value != values->end())
          after.statements.push_back(
              {{result},
               ir::Const{std::make_shared<const std::vector<std::byte>>(value->second.bytes), ""},
               {},
               statement.where});
    }
    drop_unread_constants(after);
    return after;
  }

private:
  /// The statements that are folded and the constants that they read, a program without inputs.
  Program constant_part() const {
    Program part{program_.name, {}, {}, {}, {}};
    std::vector<ValueId> number(program_.values.size(), -1);
    for (size_t s = 0; s < program_.statements.size(); ++s) {
      Statement statement = program_.statements[s];
      if (!is_folded_[s] && !std::holds_alternative<ir::Const>(statement.operation)) continue;
      for (ValueId& operand : statement.operands) operand = number[index(operand)];
      for (ValueId& result : statement.results) {
        part.values.push_back(program_.values[index(result)]);
        number[index(result)] = static_cast<ValueId>(part.values.size()) - 1;
        result = number[index(result)];
      }
      part.statements.push_back(std::move(statement));
    }
    for (ValueId result : results_) part.outputs.push_back(number[index(result)]);
    return part;
  }

  static size_t index(ValueId id) { return static_cast<size_t>(id); }

  bool can_fold(const Statement& statement) const {
    // An index that max_unpool has no element for is an error of the run, not of compiling. And who
    // writes a convolution or pooling of constants wants to see it computed.
    const ir::OperatorTraits& traits = traits_of(statement.operation);
    if (traits.scatters || traits.reduces) return false;
    int64_t before = most_bytes, after = 0;
    for (ValueId operand : statement.operands) {
      if (!is_constant_[index(operand)]) return false;
      before = std::max(before, program_.type(operand).bytes());
    }
    for (ValueId result : statement.results) after += program_.type(result).bytes();
    return after <= before;
  }

  /// A narrow float that one element-wise statement reads is never rounded: it cannot become a
  /// constant while that statement does not.
  void keep_unrounded() {
    for (size_t s = program_.statements.size(); s-- > 0;) {
      const Statement& statement = program_.statements[s];
      if (!is_folded_[s]) continue;
      const ValueId result = statement.results[0];
      const ElementType type = program_.type(result).element;
      if ((type != ElementType::f16 && type != ElementType::bf16) || uses_.uses(result) != 1)
        continue;
      for (const Statement* reader : uses_.readers(result))
        if (traits_of(reader->operation).elementwise && !is_folded(*reader)) is_folded_[s] = false;
    }
  }

  bool is_folded(const Statement& statement) const {
    return is_folded_[static_cast<size_t>(&statement - program_.statements.data())];
  }

  bool is_read_outside(ValueId id) const {
    const std::vector<const Statement*>& readers = uses_.readers(id);
    return uses_.is_returned(id) ||
           std::any_of(readers.begin(), readers.end(),
                       [&](const Statement* reader) { return !is_folded(*reader); });
  }

  const Program& program_;
  const ir::DefUse uses_;
  std::vector<bool> is_folded_;   // by statement
  std::vector<bool> is_constant_; // by value
  std::vector<ValueId> results_;  // that others read
};

} // namespace

Program fold_constants(const Program& program) {
  if (program.inputs.empty()) return program;
  for (bool movements_only : {false, true}) {
    const Folding folding(program, movements_only);
    if (folding.is_empty()) break;
    if (std::optional<Program> after = folding.run()) return *std::move(after);
  }
  return program;
}

} // namespace volute::compiler
