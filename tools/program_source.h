// Where a command's program comes from: a file, standard input, or the command line itself.
#pragma once

#include "ir/loops.h"
#include "ir/nest.h"
#include "ir/program.h"

#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace volute::tools {

/// The words of the command line, for messages that show a command.
struct Invocation {
  std::vector<std::string> words; // after the program's own name

  /// The command in one line that a shell understands, with the environment that has a part in it.
  /// A program that came through standard input is written out, as -e.
  std::string reproduction() const;
  std::string input_text; // what standard input held, once it was read
};

/// A word as the shell takes it back.
std::string shell_quoted(const std::string& word);

/// -e and --entry.
struct SourceOptions {
  std::string expression;
  std::string entry;
  bool has_expression = false;
};
void add_source_options(CLI::App& app, SourceOptions& options);

struct ProgramSource {
  std::string name; // as messages name it: the path, "-" or "-e"
  std::string text;
  std::vector<ir::Program> programs;
  // A text may hold what is in the middle of a compilation instead, which inspect goes on from.
  std::optional<ir::NestProgram> nests = std::nullopt;
  std::optional<ir::LoopProgram> loops = std::nullopt;

  /// Stops with what was refused, at its place in this text.
  [[noreturn]] void refuse(const std::vector<Diagnostic>& diagnostics) const;
  template <class T>
  T value_of(Expected<T> result) const {
    if (!result) refuse(result.diagnostics());
    return std::move(*result);
  }
  /// The one that --entry names, or the only one. Stops where the text holds no programs.
  const ir::Program& entry(const std::string& name) const;
  const std::vector<ir::Program>& all() const; // stops likewise
};

/// Stops where a word that should name a program's file is something else: NAME=in.npy, data, a
/// folder.
void check_is_program(const std::string& path);

/// Reads and parses. `const file("w.npy")` is found beside the program's file, or in the working
/// directory when there is none.
ProgramSource read_source(const std::string& path, Invocation& invocation);
ProgramSource source_from_text(const std::string& expression);

} // namespace volute::tools
