#include "tools/program_source.h"

#include "ir/literals.h"
#include "ir/parse.h"
#include "runtime/file.h"
#include "runtime/npy.h"
#include "runtime/options.h"
#include "runtime/png.h"
#include "tools/stop.h"
#include "tools/tensor_files.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

namespace volute::tools {
namespace {

// A program is a page or two; larger constants than this as text belong into files of their own.
constexpr size_t longest_text = size_t{64} << 20;

Expected<std::string> read_all(std::FILE* file, const std::string& name) {
  return runtime::read_text(file, name, longest_text, "program");
}

ir::Resolver files_beside(const std::filesystem::path& folder) {
  return [folder](const std::string& path,
                  const ir::TensorType& type) -> Expected<std::vector<std::byte>> {
    const Expected<runtime::Tensor> tensor = read_tensor((folder / path).string(), type);
    if (!tensor) return tensor.failure();
    return std::vector<std::byte>(tensor->data(), tensor->data() + tensor->bytes());
  };
}

/// The word that a text begins with, behind comments: `program`, `nests` or `loops`.
std::string_view first_word(std::string_view text) {
  for (;;) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    if (!text.starts_with("//")) break;
    text.remove_prefix(std::min(text.find('\n'), text.size()));
  }
  return text.substr(0, text.find_first_not_of("abcdefghijklmnopqrstuvwxyz"));
}

void parse_into(ProgramSource& source, const std::filesystem::path& folder) {
  const std::string_view word = first_word(source.text);
  if (word == "nests")
    source.nests = source.value_of(ir::parse_nests(source.text));
  else if (word == "loops")
    source.loops = source.value_of(ir::parse_loops(source.text));
  else
    source.programs = source.value_of(ir::parse_file_text(source.text, files_beside(folder)));
}

/// The line of a text of nests or loops that begins what a fault is about: "nest conv_y".
int line_of(const std::string& text, const std::string& subject) {
  if (!subject.starts_with("nest ") && !subject.starts_with("step ")) return 0;
  int line = 1;
  for (size_t at = 0; at < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const size_t behind = at + subject.size();
    if (text.compare(at, subject.size(), subject) == 0 && behind < end &&
        (text[behind] == ' ' || text[behind] == ':'))
      return line;
    at = end + 1;
  }
  return 0;
}

std::string names_of(const std::vector<ir::Program>& programs) {
  std::vector<std::string> names;
  for (const ir::Program& program : programs) names.push_back(program.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

} // namespace

std::string shell_quoted(const std::string& word) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
      "_-+=./:,@%";
  if (!word.empty() && word.find_first_not_of(plain) == std::string::npos) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string Invocation::reproduction() const {
  std::string line;
  for (const runtime::OptionRow& row : runtime::option_rows())
    if (const char* value = std::getenv(std::string(row.variable).c_str()); value && *value)
      line += fmt::format("{}={} ", row.variable, shell_quoted(value));
  line += "volute";
  for (size_t i = 0; i < words.size(); ++i) {
    // The - of these is where to write.
    const bool is_output = i > 0 && (words[i - 1] == "--json" || words[i - 1] == "--csv");
    const bool is_input = words[i] == "-" && !is_output;
    line += is_input ? " -e " + shell_quoted(input_text) : " " + shell_quoted(words[i]);
  }
  return line;
}

void add_source_options(CLI::App& app, SourceOptions& options) {
  app.add_option("-e", options.expression, "The program itself, in place of FILE")
      ->type_name("TEXT")
      ->each([&options](const std::string&) { options.has_expression = true; });
  app.add_option("--entry", options.entry, "Which program, where FILE holds several")
      ->type_name("NAME");
}

void ProgramSource::refuse(const std::vector<Diagnostic>& diagnostics) const {
  std::vector<Diagnostic> placed = diagnostics;
  for (Diagnostic& d : placed)
    if (d.where.line == 0 && !d.in && (nests || loops))
      if (const int line = line_of(text, d.subject)) d.where = {line, 1};
  throw Stop(exit_refused, render(placed, name, text));
}

const std::vector<ir::Program>& ProgramSource::all() const {
  if (nests || loops)
    misuse(fmt::format("{} holds {}, and a program is wanted", name, nests ? "nests" : "loops"),
           "`volute inspect` goes on from them");
  return programs;
}

const ir::Program& ProgramSource::entry(const std::string& wanted) const {
  all();
  if (wanted.empty()) {
    if (programs.size() == 1) return programs.front();
    misuse(fmt::format("{} holds {} programs: say which with --entry NAME", name, programs.size()),
           fmt::format("they are {}", names_of(programs)));
  }
  const std::string_view bare =
      wanted.front() == '@' ? std::string_view(wanted).substr(1) : std::string_view(wanted);
  for (const ir::Program& program : programs)
    if (program.name == bare) return program;
  misuse(fmt::format("{} holds no program {}", name, ir::quoted(bare)),
         fmt::format("it holds {}", names_of(programs)));
}

void check_is_program(const std::string& path) {
  std::error_code ignored;
  if (path.find('=') != std::string::npos && !std::filesystem::exists(path, ignored))
    misuse(
        fmt::format("{} is no program's file", ir::quoted(path)),
        "a FILE with the program comes first; run and inspect --html take NAME=FILE after it, the "
        "other commands make up their inputs");
  for (const char* ending : {".npy", ".png"})
    if (path.ends_with(ending))
      misuse(fmt::format("{} is data, and the program comes first", ir::quoted(path)),
             fmt::format("as in volute run FILE x={}", path));
}

ProgramSource read_source(const std::string& path, Invocation& invocation) {
  check_is_program(path);
  ProgramSource source;
  source.name = path;
  std::filesystem::path folder;
  if (path == "-") {
    Expected<std::string> text = read_all(stdin, "standard input");
    if (!text) tools::refuse(text.diagnostics().front());
    source.text = std::move(*text);
    invocation.input_text = source.text;
  } else {
    Expected<runtime::OpenFile> file = runtime::open_to_read(path);
    Expected<std::string> text = file ? read_all(file->get(), path) : file.failure();
    if (!text) {
      Diagnostic fault = text.diagnostics().front();
      fault.subject.clear();
      throw Stop(exit_refused, render({fault}, path, ""));
    }
    source.text = std::move(*text);
    folder = std::filesystem::path(path).parent_path();
  }
  parse_into(source, folder);
  return source;
}

ProgramSource source_from_text(const std::string& expression) {
  const bool is_path = expression.find_first_of(" \n{") == std::string::npos &&
                       expression.find('.') != std::string::npos;
  if (is_path)
    misuse(
        fmt::format("-e takes a program's text, and {} looks like a file", ir::quoted(expression)),
        "a file is named without -e");
  ProgramSource source;
  source.name = "-e";
  source.text = expression;
  parse_into(source, {});
  return source;
}

} // namespace volute::tools
