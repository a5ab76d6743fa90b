#include "compiler/lower/lower.h"

#include "compiler/lower/fuse.h"
#include "compiler/lower/heads.h"
#include "compiler/lower/nest_builder.h"
#include "ir/operators.h"

#include <fmt/format.h>

namespace volute::compiler {

using ir::Axis;
using ir::Statement;
using ir::ValueId;

// ---- a group of statements --------------------------------------------------------------------

GroupLowering::GroupLowering(Lowering& whole, const Fusion::Group& group)
    : head(whole.program.statements[group.statements.front()]), lowering(whole),
      program(whole.program) {
  statements_ = group.statements;
  for (size_t s : group.statements) {
    const Statement& statement = program.statements[s];
    const auto called = whole.options.names.find(statement.results[0]);
    origin_ += origin_.empty() ? "" : ", ";
    origin_ += called != whole.options.names.end()
                   ? called->second
                   : fmt::format("{} %{}", ir::name(statement.operation),
                                 program.name_of(statement.results[0]));
    together.push_back(&statement);
    copies_ &= traits_of(statement.operation).copies;
    result_ = statement.results[0];
  }
  name_ = nest_name(program, group);
}

NestBuilder GroupLowering::start(const std::string& suffix) const {
  NestBuilder to(lowering, name_ + suffix);
  to.nest.kind = copies_ ? ir::NestKind::copy : ir::NestKind::compute;
  to.nest.origin = origin_;
  to.nest.statements = statements_;
  return to;
}

NestBuilder GroupLowering::start_beside(ir::NestKind kind, const std::string& name,
                                        std::string origin) const {
  NestBuilder to(lowering, name);
  to.nest.kind = kind;
  to.nest.origin = std::move(origin);
  to.nest.statements = {statements_.front()};
  return to;
}

void GroupLowering::finish(NestBuilder nest) const {
  nest.is_of(statements_.front());
  ValueId through = head.results[0];
  for (size_t i = 1; i < together.size(); ++i) {
    fold(nest, *together[i], through);
    nest.is_of(statements_[i]);
    through = together[i]->results[0];
  }
  nest.write(spoken(program.name_of(result_)), result_, nest.value);
  nest.is_of(statements_.back()); // the conversion to what is stored
  nest.finish();
}

Boundaries GroupLowering::cuts(Axis axis) const {
  Boundaries all = cuts_of_result(program, together, axis);
  if (axis == Axis::n) all.merge(boundaries(program.type(head.operands[0]), axis));
  return all;
}

void GroupLowering::add_parallel(NestBuilder& to, Axis axis, int64_t extent) const {
  to.at[axis] = to.parallel(axis, extent, cuts(axis));
}

namespace {

/// An output that no nest writes: a returned input or constant, or a value returned before.
void copy_to_output(Lowering& lowering, ValueId value, int32_t output) {
  const std::string& name = lowering.program.name_of(value);
  const ir::TensorType& type = lowering.program.type(value);
  NestBuilder copy(lowering, fmt::format("copy_{}", name));
  copy.nest.kind = ir::NestKind::copy;
  copy.nest.origin = fmt::format("return %{}", name);
  lower_copy(copy, value, [&](Axis axis) { return boundaries(type, axis); });
  copy.write(fmt::format("{}_returned", spoken(name)), output, lowering.dims_of_output(value),
             copy.index(type, copy.at), copy.value);
  copy.finish();
}

} // namespace

Expected<ir::NestProgram> lower(const ir::Program& program, const LowerOptions& options) try {
  Lowering lowering(program, options);
  for (size_t s = 0; s < program.statements.size(); ++s) {
    const ir::Sources& sources = program.statements[s].sources;
    lowering.nests.sources.push_back(sources.empty() ? ir::Sources{{static_cast<int32_t>(s)}}
                                                     : sources);
  }
  for (const Fusion::Group& group : fuse(program).groups) {
    const Statement& tail = program.statements[group.statements.back()];
    if (program.type(tail.results[0]).elements() == 0) continue; // an empty batch is no work
    const Statement& head = program.statements[group.statements.front()];
    head_of(head.operation).lower(GroupLowering(lowering, group));
  }
  auto output = static_cast<int32_t>(program.inputs.size());
  for (ValueId value : program.outputs) {
    const bool is_empty = program.type(value).elements() == 0;
    if (!is_empty && lowering.buffer(value) != output) copy_to_output(lowering, value, output);
    ++output;
  }
  return std::move(lowering.nests);
} catch (const InternalError&) {
  throw;
} catch (const Error& error) {
  return Failure{error.diagnostics()};
}

} // namespace volute::compiler
