#include "compiler/rewrites/fold_tables.h"

#include "compiler/nests/evaluate_alone.h"

#include <algorithm>
#include <set>

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

/// How many nests write each buffer.
std::vector<int> writers_of_buffers(const ir::NestProgram& program) {
  std::vector<int> writers(program.buffers.size());
  for (const Nest& nest : program.nests) {
    std::set<int32_t> written;
    for (const ir::Write& write : nest.writes)
      written.insert(nest.operands[static_cast<size_t>(write.operand)].buffer);
    for (const int32_t buffer : written) ++writers[static_cast<size_t>(buffer)];
  }
  return writers;
}

} // namespace

ir::NestProgram fold_tables(ir::NestProgram program) {
  if (std::none_of(program.buffers.begin(), program.buffers.end(),
                   [](const Buffer& b) { return b.role == Buffer::Role::input; }))
    return program;
  const std::vector<int> writers = writers_of_buffers(program);
  const auto buffer_of = [](const Nest& nest, const ir::Write& write) {
    return nest.operands[static_cast<size_t>(write.operand)].buffer;
  };
  std::vector<Nest> left;
  std::vector<int32_t> number; // of each nest among those that are left
  for (Nest& nest : program.nests) {
    const bool is_alone =
        std::all_of(nest.writes.begin(), nest.writes.end(), [&](const ir::Write& write) {
          return writers[static_cast<size_t>(buffer_of(nest, write))] == 1;
        });
    number.push_back(static_cast<int32_t>(left.size()));
    if (!is_foldable(nest, program.buffers) || !is_alone) {
      left.push_back(std::move(nest));
      continue;
    }
    auto memory = evaluate_alone(nest, program.buffers);
    for (const ir::Write& write : nest.writes) {
      const int32_t at = buffer_of(nest, write);
      Buffer& buffer = program.buffers[static_cast<size_t>(at)];
      if (buffer.role == Buffer::Role::table) continue; // written twice
      buffer.role = Buffer::Role::table;
      buffer.data = std::make_shared<const std::vector<std::byte>>(std::move(memory.at(at)));
    }
  }
  for (Nest& nest : left)
    if (nest.placement)
      nest.placement->consumer = number[static_cast<size_t>(nest.placement->consumer)];
  program.nests = std::move(left);
  return program;
}

} // namespace volute::compiler
