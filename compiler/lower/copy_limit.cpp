#include "compiler/lower/copy_limit.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>

namespace volute::compiler {
namespace {

using ir::Nest;
using ir::NestKind;
using ir::Program;
using ir::Statement;
using ir::ValueId;

int64_t bytes_of(const ir::Buffer& buffer) { return buffer.elements * size_of(buffer.element); }

/// The statement that wants a copy which legalising put in: the first that reads it.
const Statement* reader_of(const Program& legal, ValueId copy) {
  for (const Statement& s : legal.statements)
    if (std::find(s.operands.begin(), s.operands.end(), copy) != s.operands.end()) return &s;
  return nullptr;
}

/// For whom the nest copies; nothing where it does not, or where the program itself says so.
const Statement* asked_by(const Nest& nest, const Program& written, const Program& legal) {
  if (nest.statements.empty()) return nullptr;
  if (nest.kind == NestKind::stage) return &legal.statements[nest.statements.front()];
  if (nest.kind != NestKind::copy) return nullptr;
  const ValueId copy = legal.statements[nest.statements.back()].results[0];
  if (static_cast<size_t>(copy) < written.values.size()) return nullptr;
  return reader_of(legal, copy);
}

std::string size_text(int64_t bytes) {
  if (bytes < 10'000'000'000) return fmt::format("{} MB", bytes / 1'000'000);
  return fmt::format("{} GB", bytes / 1'000'000'000);
}

} // namespace

std::optional<Failure> refuse_large_copies(const Program& written, const Program& legal,
                                           const ir::NestProgram& nests) {
  for (const Nest& nest : nests.nests) {
    const Statement* asking = nest.placement ? nullptr : asked_by(nest, written, legal);
    if (!asking) continue;
    const auto copy =
        static_cast<size_t>(nest.operands[static_cast<size_t>(nest.writes.front().operand)].buffer);
    std::set<size_t> sources;
    for (const ir::View& view : nest.operands)
      if (static_cast<size_t>(view.buffer) != copy)
        sources.insert(static_cast<size_t>(view.buffer));
    int64_t read = 0;
    std::string names;
    for (const size_t source : sources) {
      if (nests.buffers[source].role == ir::Buffer::Role::table) continue;
      read += bytes_of(nests.buffers[source]);
      names += fmt::format("{}%{}", names.empty() ? "" : ", ", nests.buffers[source].name);
    }
    const int64_t bytes = bytes_of(nests.buffers[copy]);
    if (bytes <= small_copy_bytes || bytes / most_times_copied <= read) continue;
    return fail(
        Diagnostic{asking->where, std::string(ir::name(asking->operation)),
                   fmt::format("reads a padded copy of {}, and that would take {}: more than "
                               "{} times the {} bytes that it is made from",
                               names, size_text(bytes), most_times_copied, read),
                   "pad less, or write the pad as a statement of its own"});
  }
  return std::nullopt;
}

} // namespace volute::compiler
