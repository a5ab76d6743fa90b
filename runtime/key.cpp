#include "runtime/key.h"

#include "compiler/image/generator.h"
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

// Bytes of a constant whose elements are written out.
constexpr size_t most_written = 4096;

} // namespace

std::string kernel_key(const ir::Program& program, const CompileOptions& options) {
  std::string key = fmt::format("generator {}, LLVM {}\ntarget {}\nschedule {}\naccuracy {}\n"
                                "deterministic {}\n",
                                compiler::generator_version(), compiler::llvm_version(),
                                on_one_line(options.target), on_one_line(options.schedule),
                                options.accuracy.value(), options.deterministic);
  if (options.flush_denormals.value_or(false)) key += "denormals flushed\n";
  return key + program_key(program, options);
}

std::string program_key(const ir::Program& program, const CompileOptions& options) {
  std::string key;
  for (const auto& [name, strides] : options.strides)
    key += fmt::format("strides %{} [{}]\n", name, fmt::join(strides, ", "));
  ir::Program text = program;
  for (ir::Statement& statement : text.statements) {
    auto* constant = std::get_if<ir::Const>(&statement.operation);
    if (!constant || !constant->bytes) continue;
    const std::vector<std::byte>& bytes = *constant->bytes;
    if (constant->file.empty() && bytes.size() <= most_written) continue;
    const XXH128_hash_t digest = XXH3_128bits(bytes.data(), bytes.size());
    key += fmt::format("constant %{} xxh3:{:016x}{:016x} {}\n",
                       program.name_of(statement.results.front()), digest.high64, digest.low64,
                       bytes.size());
    if (constant->file.empty()) constant->file = "above";
  }
  return key + ir::to_string(text);
}

} // namespace volute::runtime
