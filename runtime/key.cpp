#include "runtime/key.h"

#include "ir/print.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <xxhash.h>

namespace volute::runtime {
namespace {

// A text on one line, such that no two texts become the same: a key has no room for a line that
// only pretends to be one of its own.
std::string on_one_line(const std::string& text) {
  std::string line;
  for (const char c : text)
    if (c == '\n')
      line += "\\n";
    else if (c == '\\')
      line += "\\\\";
    else
      line += c;
  return line;
}

} // namespace

std::string kernel_key(const ir::Program& program, const CompileOptions& options) {
  std::string key = fmt::format("target {}\nschedule {}\naccuracy {}\ndeterministic {}\n",
                                on_one_line(options.target), on_one_line(options.schedule),
                                options.accuracy, options.deterministic);
  for (const auto& [name, strides] : options.strides)
    key += fmt::format("strides %{} [{}]\n", name, fmt::join(strides, ", "));
  for (const ir::Statement& statement : program.statements) {
    const auto* constant = std::get_if<ir::Const>(&statement.operation);
    if (!constant || constant->file.empty() || !constant->bytes) continue;
    const XXH128_hash_t digest = XXH3_128bits(constant->bytes->data(), constant->bytes->size());
    key += fmt::format("constant %{} xxh3:{:016x}{:016x} {}\n",
                       program.name_of(statement.results.front()), digest.high64, digest.low64,
                       constant->bytes->size());
  }
  return key + ir::to_string(program);
}

} // namespace volute::runtime
