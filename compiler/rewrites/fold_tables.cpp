#include "compiler/rewrites/fold_tables.h"

#include "compiler/nests/evaluate_alone.h"

#include <algorithm>

namespace volute::compiler {

using ir::Buffer;
using ir::Nest;

namespace {

// Of all results of one nest; and of its points, some half a second of evaluation.
constexpr int64_t most_bytes = 1 << 20, most_points = 1 << 23;

bool is_foldable(const Nest& nest, const std::vector<Buffer>& buffers) {
  if (nest.placement || !nest.parameters.empty() || nest.points() > most_points) return false;
  int64_t bytes = 0;
  for (size_t i = 0; i < nest.operands.size(); ++i) {
    const Buffer& buffer = buffers[static_cast<size_t>(nest.operands[i].buffer)];
    const bool is_written =
        std::any_of(nest.writes.begin(), nest.writes.end(),
                    [&](const ir::Write& w) { return w.operand == static_cast<int32_t>(i); });
    if (is_written ? buffer.role != Buffer::Role::intermediate : buffer.role != Buffer::Role::table)
      return false;
    if (is_written) bytes += buffer.elements * size_of(buffer.element);
  }
  return bytes <= most_bytes;
}

/// Do other nests write parts of what this one writes?
bool is_shared(const ir::NestProgram& program, const Nest& nest) {
  for (const ir::Write& write : nest.writes)
    for (const Nest& other : program.nests)
      for (const ir::Write& also : other.writes)
        if (&other != &nest && other.operands[static_cast<size_t>(also.operand)].buffer ==
                                   nest.operands[static_cast<size_t>(write.operand)].buffer)
          return true;
  return false;
}

} // namespace

ir::NestProgram fold_tables(ir::NestProgram program) {
  if (std::none_of(program.buffers.begin(), program.buffers.end(),
                   [](const Buffer& b) { return b.role == Buffer::Role::input; }))
    return program;
  for (size_t n = 0; n < program.nests.size();) {
    const Nest& nest = program.nests[n];
    if (!is_foldable(nest, program.buffers) || is_shared(program, nest)) {
      ++n;
      continue;
    }
    ir::Memory memory = evaluate_alone(nest, program.buffers);
    for (const ir::Write& write : nest.writes) {
      const auto at = static_cast<size_t>(nest.operands[static_cast<size_t>(write.operand)].buffer);
      Buffer& buffer = program.buffers[at];
      if (buffer.role == Buffer::Role::table) continue; // written twice
      buffer.role = Buffer::Role::table;
      buffer.data = std::make_shared<const std::vector<std::byte>>(std::move(memory[at]));
    }
    // Placements name nests by their number; those that are folded away have none.
    for (Nest& other : program.nests)
      if (other.placement && other.placement->consumer > static_cast<int32_t>(n))
        --other.placement->consumer;
    program.nests.erase(program.nests.begin() + static_cast<std::ptrdiff_t>(n));
  }
  return program;
}

} // namespace volute::compiler
