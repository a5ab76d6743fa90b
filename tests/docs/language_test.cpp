// docs/language.md against the table of operators, and the documents' programs against the
// compiler.
#include "ir/operators.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tests/docs/examples.h"
#include "tests/support/catch.h"
#include "tests/tools/run_tool.h"

#include <string>
#include <vector>

namespace volute::tests {
namespace {

std::string with_single_spaces(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const bool space = c == ' ' || c == '\n';
    if (!space)
      result += c;
    else if (!result.empty() && result.back() != ' ')
      result += ' ';
  }
  return result;
}

/// The code between backquotes in the tables of a document that begins with %y: statements over the
/// inputs that its block `volute inputs` names.
std::vector<std::string> statements_in_tables(const std::vector<std::string>& lines) {
  std::vector<std::string> found;
  for (const std::string& line : lines) {
    if (!line.starts_with("|")) continue;
    for (size_t at = line.find("`%y"); at != std::string::npos; at = line.find("`%y", at)) {
      const size_t end = line.find('`', at + 1);
      found.push_back(line.substr(at + 1, end - at - 1));
      at = end + 1;
    }
  }
  return found;
}

} // namespace

TEST_CASE("the language reference lists every operator as the table has it", "[docs]") {
  const std::string reference = with_single_spaces(read_file(in_source("docs/language.md")));
  for (const ir::OperatorRow& row : ir::operators()) {
    INFO(ir::signature(row));
    CHECK(reference.find(ir::signature(row)) != std::string::npos);
  }
}

TEST_CASE("examples print as they parse", "[docs]") {
  for (const Example& example : examples()) {
    INFO(example.place() << "\n" << example.text);
    const auto program = ir::parse(example.text);
    REQUIRE(program);
    const auto again = ir::parse(ir::to_string(*program));
    REQUIRE(again);
    CHECK(*again == *program);
  }
}

TEST_CASE("statements in the tables of words parse", "[docs]") {
  size_t statements = 0;
  for (const std::string& path : documents()) {
    const std::vector<std::string> lines = lines_of(read_file(in_source(path)));
    std::string inputs;
    for (const CodeBlock& block : code_blocks(lines))
      if (block.info == "volute inputs") inputs = text_of(lines, block);
    for (const std::string& statement : statements_in_tables(lines)) {
      const std::string text =
          "program @row(" + inputs + ") {\n  " + statement + "\n  return %y\n}\n";
      const auto program = ir::parse(text);
      INFO(path << ": " << statement);
      INFO((program ? "" : render(program.diagnostics(), path, text)));
      CHECK(program.has_value());
      ++statements;
    }
  }
  CHECK(statements > 40);
}

// A document cannot go on calling something missing once everything is there: while the language
// reference has its section on what is not compiled, something here is refused as such; without it,
// nothing is.
TEST_CASE("examples compile and agree with the reference", "[docs]") {
  const bool all_compile =
      read_file(in_source("docs/language.md")).find("\n## Not compiled yet\n") == std::string::npos;
  const TemporaryFolder folder;
  size_t refused = 0;
  for (const Example& example : examples()) {
    INFO(example.place() << "\n" << example.text);
    write_file(folder / "example.vlt", example.text);
    const Ran ran = run_volute("run " + folder / "example.vlt" + " --fill random --check");
    INFO(ran.out << ran.err);
    if (ran.status == 0) continue;
    ++refused;
    CHECK(ran.status == 1);
    CHECK_FALSE(all_compile);
    for (const std::string& line : lines_of(ran.err))
      if (line.find("error: ") != std::string::npos)
        CHECK(line.find("not compiled yet") != std::string::npos);
    CHECK(ran.err.find("not compiled yet") != std::string::npos);
  }
  CHECK((refused == 0) == all_compile);
}

} // namespace volute::tests
