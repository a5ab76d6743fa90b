// Tests of passes as texts that are read in review: tests/golden/PASS/*.txt, each
//
//     // What it shows.
//     === target                      x86-64-v3 unless it says another
//     haswell
//     === schedule                    auto unless it says another
//     parallel h
//     === program                     or nests, or loops: what goes in
//     program @p(...) { ... }
//     === after                       what the pass that the folder is named for leaves, or why it
//     nests p ...                     or one before it refuses
//
//     VOLUTE_UPDATE_GOLDEN=1 ctest -R compiler/pass_texts      writes what comes after anew

#include "compiler/pipeline.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/golden.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace volute;

namespace {

struct PassText {
  std::string head; // comments above the first section
  std::vector<std::pair<std::string, std::string>> sections;

  std::string operator[](const std::string& name) const {
    for (const auto& [known, text] : sections)
      if (known == name) return text;
    return "";
  }
  std::string& after() {
    for (auto& [name, text] : sections)
      if (name == "after") return text;
    return sections.emplace_back("after", "").second;
  }
};

PassText read(const std::filesystem::path& path) {
  std::ifstream file(path);
  PassText text;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("=== "))
      text.sections.emplace_back(line.substr(4), "");
    else
      (text.sections.empty() ? text.head : text.sections.back().second) += line + "\n";
  }
  return text;
}

void write(const std::filesystem::path& path, const PassText& text) {
  std::ofstream file(path);
  file << text.head;
  for (const auto& [name, body] : text.sections) file << "=== " << name << "\n" << body;
}

std::string trimmed(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  return text;
}

Expected<compiler::Stages> stages_of(const PassText& text,
                                     const compiler::CompileRequest& request) {
  if (const std::string nests = text["nests"]; !nests.empty()) {
    const Expected<ir::NestProgram> parsed = ir::parse_nests(nests);
    return parsed ? compiler::specialise_nests(*parsed, request) : parsed.failure();
  }
  if (const std::string loops = text["loops"]; !loops.empty()) {
    const Expected<ir::LoopProgram> parsed = ir::parse_loops(loops);
    return parsed ? compiler::finish_loops(*parsed, request) : parsed.failure();
  }
  const Expected<ir::Program> parsed = ir::parse(text["program"]);
  return parsed ? compiler::specialise_program(*parsed, request) : parsed.failure();
}

/// What the pass makes of the text, or why there is no such thing.
std::string made_by(const std::string& pass, const PassText& text) {
  std::string found = "the pass did not run\n";
  compiler::CompileRequest request;
  const std::string target = trimmed(text["target"]), schedule = trimmed(text["schedule"]);
  request.target = compiler::parse_target(target.empty() ? "x86-64-v3" : target).value();
  if (!schedule.empty()) request.schedule = schedule;
  request.deterministic = !text["deterministic"].empty();
  bool ran = false;
  request.watch = [&](const compiler::Pass& seen, const compiler::Stages& stages) {
    if (seen.name != pass) return;
    found = seen.makes.text(stages);
    ran = true;
  };
  const Expected<compiler::Stages> stages = stages_of(text, request);
  return stages || ran ? found : Error(stages.diagnostics()).what() + std::string("\n");
}

} // namespace

TEST_CASE("passes make of texts what was agreed upon") {
  std::set<std::string> passes;
  for (const compiler::Pass& pass : compiler::passes_to_loops()) passes.emplace(pass.name);
  std::set<std::string> tested;
  for (const auto& folder :
       std::filesystem::directory_iterator(VOLUTE_SOURCE_DIR "/tests/golden")) {
    const std::string pass = folder.path().filename().string();
    INFO(folder.path().string());
    REQUIRE(passes.count(pass) == 1);
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
      PassText text = read(entry.path());
      const std::string made = made_by(pass, text);
      INFO(entry.path().string() << " (VOLUTE_UPDATE_GOLDEN=1 writes it anew)");
      CHECK_THAT(text.head, Catch::Matchers::StartsWith("// "));
      if (tests::renews_goldens()) {
        text.after() = made;
        write(entry.path(), text);
      }
      CHECK(text["after"] == made);
      tested.insert(pass);
    }
  }
  CHECK(tested == passes); // each has a text at least
}
