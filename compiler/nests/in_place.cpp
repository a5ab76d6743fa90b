#include "compiler/nests/in_place.h"

#include "ir/walk.h"

#include <algorithm>
#include <map>
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

/// Whether every point of the nest reads the buffer only at the element that it writes.
bool reads_what_it_writes(const Nest& nest, const std::vector<Read>& reads) {
  if (nest.writes.size() != 1 || nest.writes.front().offset || nest.placement) return false;
  const Write& write = nest.writes.front();
  const std::optional<Affine> written = place_of(nest, write.operand, write.index);
  return written && std::all_of(reads.begin(), reads.end(), [&](const Read& read) {
           return place_of(nest, read.operand, read.index) == written;
         });
}

/// Who reads and writes a buffer; nests by their place in the program.
struct Uses {
  std::optional<size_t> first_writer, last_writer, last_reader;
  bool only_where_written = true; // every nest that reads it
};

std::vector<Uses> uses_of_buffers(const NestProgram& program) {
  std::vector<Uses> uses(program.buffers.size());
  for (size_t n = 0; n < program.nests.size(); ++n) {
    const Nest& nest = program.nests[n];
    std::map<int32_t, std::vector<Read>> reads; // by buffer
    visit(nest, [&](const ExprNode& node) {
      if (const auto* read = std::get_if<Read>(&node.is))
        reads[nest.operands[static_cast<size_t>(read->operand)].buffer].push_back(*read);
    });
    for (const auto& [buffer, here] : reads) {
      Uses& use = uses[static_cast<size_t>(buffer)];
      use.last_reader = n;
      use.only_where_written &= reads_what_it_writes(nest, here);
    }
    for (const Write& write : nest.writes) {
      Uses& use =
          uses[static_cast<size_t>(nest.operands[static_cast<size_t>(write.operand)].buffer)];
      if (!use.first_writer) use.first_writer = n;
      use.last_writer = n;
    }
  }
  return uses;
}

bool have_one_shape(const Buffer& in, const Buffer& out) {
  return in.type && out.type && *in.type == *out.type && in.elements == out.elements &&
         in.dims == out.dims;
}

} // namespace

std::vector<std::pair<int32_t, int32_t>> in_place_pairs(const NestProgram& program) {
  const std::vector<Uses> uses = uses_of_buffers(program);
  std::vector<std::pair<int32_t, int32_t>> pairs;
  for (size_t output = 0; output < program.buffers.size(); ++output) {
    const std::optional<size_t> writer = uses[output].first_writer;
    if (program.buffers[output].role != Buffer::Role::output || !writer ||
        writer != uses[output].last_writer || program.nests[*writer].placement)
      continue;
    for (size_t input = 0; input < program.buffers.size(); ++input) {
      // An input that nobody reads is no operand of the output.
      const Uses& use = uses[input];
      if (program.buffers[input].role == Buffer::Role::input && use.last_reader &&
          *use.last_reader <= *writer && use.only_where_written &&
          have_one_shape(program.buffers[input], program.buffers[output]))
        pairs.emplace_back(static_cast<int32_t>(input), static_cast<int32_t>(output));
    }
  }
  return pairs;
}

} // namespace volute::compiler
