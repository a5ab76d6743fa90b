#include "ir/def_use.h"

namespace volute::ir {

DefUse::DefUse(const Program& program) : program_(program), values_(program.values.size()) {
  for (const Statement& statement : program.statements) {
    for (const ValueId id : statement.results)
      values_[static_cast<size_t>(id)].made_by = &statement;
    for (const ValueId id : statement.operands) {
      std::vector<const Statement*>& readers = values_[static_cast<size_t>(id)].readers;
      if (readers.empty() || readers.back() != &statement) readers.push_back(&statement);
    }
  }
  for (const ValueId id : program.outputs) values_[static_cast<size_t>(id)].is_returned = true;
}

const Const* DefUse::constant(ValueId id) const {
  const Statement* made = definition(id);
  return made ? std::get_if<Const>(&made->operation) : nullptr;
}

} // namespace volute::ir
