// docs/language.md against the table of operators, and its programs against the compiler.
//
// A block marked `volute` is a program that compiles and agrees with the reference; one marked
// `volute refused` parses, and every statement of it is refused as not compiled yet. So a document
// cannot go on calling an operator missing once it is there.
#include "ir/operators.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tests/docs/markdown.h"
#include "tests/support/catch.h"
#include "tests/tools/run_tool.h"

#include <set>
#include <string>

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

struct Example {
  std::string place, text;
  bool refused;
};

std::vector<Example> examples() {
  std::vector<Example> found;
  for (const std::string& path : documents()) {
    const std::vector<std::string> lines = lines_of(read_file(in_source(path)));
    for (const CodeBlock& block : code_blocks(lines))
      if (block.info == "volute" || block.info == "volute refused")
        found.push_back({path + ":" + std::to_string(block.begin), text_of(lines, block),
                         block.info != "volute"});
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

TEST_CASE("every operator stands in an example, and examples print as they parse", "[docs]") {
  std::set<std::string> shown;
  for (const Example& example : examples()) {
    INFO(example.place << "\n" << example.text);
    const auto program = ir::parse(example.text);
    REQUIRE(program);
    for (const ir::Statement& statement : program->statements)
      shown.insert(std::string(ir::name(statement.operation)));
    const auto again = ir::parse(ir::to_string(*program));
    REQUIRE(again);
    CHECK(*again == *program);
  }
  for (const ir::OperatorRow& row : ir::operators()) {
    INFO(row.name);
    CHECK(shown.count(std::string(row.name)) == 1);
  }
}

TEST_CASE("examples compile and agree with the reference, or are refused by name", "[docs]") {
  const TemporaryFolder folder;
  for (const Example& example : examples()) {
    INFO(example.place << "\n" << example.text);
    write_file(folder / "example.vlt", example.text);
    const Ran ran = run_volute("run " + folder / "example.vlt" + " --fill random --check");
    INFO(ran.err);
    CHECK(ran.status == (example.refused ? 1 : 0));
    if (!example.refused) continue;
    const auto program = ir::parse(example.text);
    REQUIRE(program);
    for (const ir::Statement& statement : program->statements) {
      const std::string name(ir::name(statement.operation));
      if (name == "const") continue;
      CHECK(ran.err.find("error: " + name + ": ") != std::string::npos);
    }
    CHECK(ran.err.find("not compiled yet") != std::string::npos);
  }
}

} // namespace volute::tests
