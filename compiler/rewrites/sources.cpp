#include "compiler/rewrites/sources.h"

#include <optional>
#include <vector>

namespace volute::compiler {

using ir::Program;
using ir::Sources;
using ir::Statement;
using ir::ValueId;

namespace {

/// The statement that defines each value, by value.
std::vector<std::optional<size_t>> definitions(const Program& program) {
  std::vector<std::optional<size_t>> found(program.values.size());
  for (size_t s = 0; s < program.statements.size(); ++s)
    for (const ValueId result : program.statements[s].results)
      found[static_cast<size_t>(result)] = s;
  return found;
}

} // namespace

Program with_own_sources(Program program) {
  for (size_t s = 0; s < program.statements.size(); ++s)
    program.statements[s].sources = {{static_cast<int32_t>(s)}};
  return program;
}

void hand_on_sources(const Program& before, Program& after) {
  const auto defined_before = definitions(before), defined_after = definitions(after);
  const auto is_gone = [&](const Statement& statement) {
    for (const ValueId result : statement.results)
      if (defined_after[static_cast<size_t>(result)]) return false;
    return true;
  };
  // Sources of each statement and of those that have disappeared in front of it.
  std::vector<Sources> carried;
  for (const Statement& statement : before.statements) {
    Sources sources = statement.sources;
    for (const ValueId operand : statement.operands)
      if (const auto maker = defined_before[static_cast<size_t>(operand)]) {
        const Statement& made = before.statements[*maker];
        if (!std::holds_alternative<ir::Const>(made.operation) && is_gone(made))
          sources.add(carried[*maker]);
      }
    carried.push_back(std::move(sources));
  }
  for (Statement& statement : after.statements)
    for (const ValueId result : statement.results)
      if (const auto id = static_cast<size_t>(result); id < defined_before.size())
        if (const auto maker = defined_before[id]) statement.sources.add(carried[*maker]);
  // Readers come behind what they read.
  for (size_t s = after.statements.size(); s-- > 0;) {
    const Statement& reader = after.statements[s];
    for (const ValueId operand : reader.operands) {
      const auto id = static_cast<size_t>(operand);
      const bool is_new = id >= defined_before.size() || !defined_before[id];
      if (is_new && defined_after[id])
        after.statements[*defined_after[id]].sources.add(reader.sources);
    }
  }
}

} // namespace volute::compiler
