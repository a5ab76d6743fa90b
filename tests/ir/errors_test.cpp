// Every file of tests/errors holds cases: a title after '# ', a program text, a line '=>', and what
// the refusal looks like, caret and all. Run with VOLUTE_UPDATE_GOLDEN=1 to write the expectations
// anew, and read the difference before keeping it.
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/golden.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace volute::ir {
namespace {

struct Case {
  std::string title, text, expected;
};

std::string refusal(const std::string& text) {
  const auto programs = parse_file_text(text);
  return programs ? "(accepted)\n" : render(programs.diagnostics(), "edge.vlt", text);
}

std::vector<Case> read_cases(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<Case> cases;
  bool in_expectation = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("# ")) {
      cases.push_back({line, "", ""});
      in_expectation = false;
    } else if (line == "=>") {
      in_expectation = true;
    } else if (!cases.empty()) {
      (in_expectation ? cases.back().expected : cases.back().text) += line + '\n';
    }
  }
  return cases;
}

void write_cases(const std::filesystem::path& path, const std::vector<Case>& cases) {
  std::ofstream file(path);
  for (const Case& one : cases)
    file << one.title << '\n' << one.text << "=>\n" << refusal(one.text);
}

TEST_CASE("every refusal reads as its golden text says") {
  const auto folder = std::filesystem::path(__FILE__).parent_path().parent_path() / "errors";
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  REQUIRE(files.size() >= 6);
  for (const auto& path : files) {
    const std::vector<Case> cases = read_cases(path);
    REQUIRE(!cases.empty());
    if (tests::renews_goldens()) write_cases(path, cases);
    for (const Case& one : cases) {
      if (tests::renews_goldens()) continue;
      INFO(path.filename().string() << ": " << one.title);
      CHECK(refusal(one.text) == one.expected);
    }
  }
}

} // namespace
} // namespace volute::ir
