#include "compiler/lower.h"

#include "compiler/fuse.h"
#include "compiler/lower_nest.h"

#include <fmt/format.h>

namespace volute::compiler {

using ir::Statement;
using ir::ValueId;

namespace {

std::string said(const Statement& statement, const ir::Program& program) {
  return fmt::format("{} %{}", ir::name(statement.operation),
                     program.name_of(statement.results[0]));
}

void lower_head(NestBuilder& to, const Statement& head) {
  if (std::holds_alternative<ir::Conv>(head.operation))
    lower_conv(to, head);
  else if (std::holds_alternative<ir::Pool>(head.operation))
    lower_pool(to, head);
  else if (std::holds_alternative<ir::GlobalPool>(head.operation))
    lower_global_pool(to, head);
  else if (std::holds_alternative<ir::PadOp>(head.operation))
    lower_pad(to, head);
  else if (is_elementwise(head.operation))
    lower_copy(to, head.operands[0]), fold(to, head, head.operands[0]);
  else
    throw InternalError(
        fmt::format("lower: {} is neither lowered nor refused", ir::name(head.operation)));
}

void lower_group(Lowering& lowering, const Fusion::Group& group) {
  const ir::Program& program = lowering.program;
  const Statement& head = program.statements[group.statements.front()];
  const Statement& tail = program.statements[group.statements.back()];
  const ValueId result = tail.results[0];
  if (program.type(result).elements() == 0) return; // an empty batch is no work
  NestBuilder nest(lowering,
                   fmt::format("{}_{}", ir::name(head.operation), program.name_of(result)));
  ValueId through = -1; // the value that the nest has made so far
  for (size_t s : group.statements) {
    const Statement& statement = program.statements[s];
    nest.nest.origin += (nest.nest.origin.empty() ? "" : ", ") + said(statement, program);
    if (through < 0)
      lower_head(nest, statement);
    else
      fold(nest, statement, through);
    through = statement.results[0];
  }
  nest.finish(spoken(program.name_of(result)), lowering.buffer(result), program.type(result));
}

/// An output that no nest writes: a returned input or constant, or a value returned before.
void copy_to_output(Lowering& lowering, ValueId value, int32_t output) {
  const std::string& name = lowering.program.name_of(value);
  NestBuilder copy(lowering, fmt::format("copy_{}", name));
  copy.nest.origin = fmt::format("return %{}", name);
  lower_copy(copy, value);
  copy.finish(fmt::format("{}_returned", spoken(name)), output, lowering.program.type(value));
}

} // namespace

Expected<ir::NestProgram> lower(const ir::Program& program) {
  if (std::vector<Diagnostic> refused = refusals(program); !refused.empty())
    return Failure{std::move(refused)};
  Lowering lowering(program);
  for (const Fusion::Group& group : fuse(program).groups) lower_group(lowering, group);
  auto output = static_cast<int32_t>(program.inputs.size());
  for (ValueId value : program.outputs) {
    const bool is_empty = program.type(value).elements() == 0;
    if (!is_empty && lowering.buffer(value) != output) copy_to_output(lowering, value, output);
    ++output;
  }
  return std::move(lowering.nests);
}

} // namespace volute::compiler
