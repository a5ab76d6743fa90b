#include "compiler/nests/in_place.h"

#include <algorithm>
#include <optional>

namespace volute::compiler {

using namespace ir;

namespace {

/// Elements from the buffer's first to the one at the index; nothing where a table or a parameter
/// has a say in it.
std::optional<Affine> place_of(const Nest& nest, int32_t operand, const Index& index) {
  const View& view = nest.operands[static_cast<size_t>(operand)];
  Affine place;
  for (size_t i = 0; i < index.size(); ++i) {
    if (index[i].table >= 0 || !view.dims[i].stride.is_constant()) return std::nullopt;
    place += index[i].at * view.dims[i].stride.number();
  }
  return place;
}

bool shows(const Nest& nest, int32_t operand, int32_t buffer) {
  return nest.operands[static_cast<size_t>(operand)].buffer == buffer;
}

std::vector<Read> reads_of(const Nest& nest, int32_t buffer) {
  std::vector<Read> reads;
  const auto collect = [&](const ExprNode& node) {
    if (const auto* read = std::get_if<Read>(&node.is))
      if (shows(nest, read->operand, buffer)) reads.push_back(*read);
  };
  const auto look = [&](const Expr& expr) {
    if (expr) visit(expr, collect);
  };
  for (const Accumulator& a : nest.accumulators) look(a.initial), look(a.update);
  for (const Write& w : nest.writes) look(w.value), look(w.offset);
  return reads;
}

bool writes_to(const Nest& nest, int32_t buffer) {
  return std::any_of(nest.writes.begin(), nest.writes.end(),
                     [&](const Write& w) { return shows(nest, w.operand, buffer); });
}

/// Whether every point of the nest reads the buffer only at the element that it writes.
bool reads_what_it_writes(const Nest& nest, const std::vector<Read>& reads) {
  if (nest.writes.size() != 1 || nest.writes.front().offset || nest.placement) return false;
  const Write& write = nest.writes.front();
  const std::optional<Affine> written = place_of(nest, write.operand, write.index);
  return written && std::all_of(reads.begin(), reads.end(), [&](const Read& read) {
           return place_of(nest, read.operand, read.index) == written;
         });
}

bool may_be_one(const NestProgram& program, int32_t input, int32_t output) {
  const Buffer& in = program.buffers[static_cast<size_t>(input)];
  const Buffer& out = program.buffers[static_cast<size_t>(output)];
  if (!in.type || !out.type || *in.type != *out.type || in.elements != out.elements ||
      in.dims != out.dims)
    return false;
  const auto writer = std::find_if(program.nests.begin(), program.nests.end(),
                                   [&](const Nest& nest) { return writes_to(nest, output); });
  if (writer == program.nests.end()) return false;
  bool is_read = false;
  for (auto nest = program.nests.begin(); nest != program.nests.end(); ++nest) {
    if (nest > writer && writes_to(*nest, output)) return false;
    const std::vector<Read> reads = reads_of(*nest, input);
    if (reads.empty()) continue;
    is_read = true;
    if (nest > writer || !reads_what_it_writes(*nest, reads)) return false;
  }
  // An input that nobody reads is no operand of the output.
  return is_read && !writer->placement;
}

} // namespace

std::vector<std::pair<int32_t, int32_t>> in_place_pairs(const NestProgram& program) {
  std::vector<std::pair<int32_t, int32_t>> pairs;
  const auto count = static_cast<int32_t>(program.buffers.size());
  const auto has_role = [&](int32_t buffer, Buffer::Role role) {
    return program.buffers[static_cast<size_t>(buffer)].role == role;
  };
  for (int32_t output = 0; output < count; ++output)
    for (int32_t input = 0; has_role(output, Buffer::Role::output) && input < count; ++input)
      if (has_role(input, Buffer::Role::input) && may_be_one(program, input, output))
        pairs.emplace_back(input, output);
  return pairs;
}

} // namespace volute::compiler
