// Runs the documents' commands and compares what they print with what the documents show.
//
//     ```console
//     $ cat > small.vlt <<'END'        a command; lines after it that begin with "> " belong to it
//     > program @small() { ... }
//     > END
//     $ volute inspect small.vlt
//     program @small                   what it prints, on either stream
//     ...                              any number of lines, where they depend on the machine
//     compiled in ... ms               any text, likewise
//     ```
//
// The commands of one document share a folder, which begins with examples/ and bench/. A command
// succeeds unless an error is shown. Run with VOLUTE_UPDATE_GOLDEN=1 to write what is shown anew
// (where nothing was left out), and read the difference before keeping it.
#include "tests/docs/markdown.h"
#include "tests/support/catch.h"
#include "tests/support/golden.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <sys/wait.h>
#include <vector>

namespace volute::tests {
namespace {

struct Command {
  size_t line; // in the document
  std::string script;
  size_t shown_begin, shown_end; // lines
};

std::vector<Command> commands(const std::vector<std::string>& lines) {
  std::vector<Command> found;
  for (const CodeBlock& block : code_blocks(lines)) {
    if (block.info != "console") continue;
    for (size_t i = block.begin; i < block.end;) {
      REQUIRE(lines[i].starts_with("$ "));
      Command command{i + 1, lines[i].substr(2) + '\n', 0, 0};
      for (++i; i < block.end && lines[i].starts_with(">"); ++i)
        command.script += lines[i].size() > 2 ? lines[i].substr(2) + '\n' : "\n";
      command.shown_begin = i;
      while (i < block.end && !lines[i].starts_with("$ ")) ++i;
      command.shown_end = i;
      found.push_back(std::move(command));
    }
  }
  return found;
}

/// `shown` with any text in place of each "...".
bool line_agrees(std::string_view shown, std::string_view printed) {
  const size_t gap = shown.find("...");
  if (gap == std::string_view::npos) return shown == printed;
  if (!printed.starts_with(shown.substr(0, gap))) return false;
  for (size_t at = gap; at <= printed.size(); ++at)
    if (line_agrees(shown.substr(gap + 3), printed.substr(at))) return true;
  return false;
}

bool agree(const std::vector<std::string>& shown, const std::vector<std::string>& printed,
           size_t s = 0, size_t p = 0) {
  if (s == shown.size()) return p == printed.size();
  if (shown[s] != "...")
    return p < printed.size() && line_agrees(shown[s], printed[p]) &&
           agree(shown, printed, s + 1, p + 1);
  for (; p <= printed.size(); ++p)
    if (agree(shown, printed, s + 1, p)) return true;
  return false;
}

struct Result {
  int status;
  std::vector<std::string> printed;
};

/// Where a reader's shell would be: at the root of a repository, with the built tools on the path.
class Shell {
public:
  Shell() {
    std::filesystem::create_directory(folder_ / "work");
    for (const char* name : {"examples", "bench"})
      std::filesystem::create_directory_symlink(in_source(name),
                                                folder_ / ("work/" + std::string(name)));
  }

  Result run(const std::string& script) const {
    const std::string tools = std::filesystem::path(VOLUTE_TOOL).parent_path().string();
    write_file(folder_ / "script", "PATH='" + tools + "':\"$PATH\"\n" + script);
    const std::string line =
        "cd '" + folder_ / "work' && sh ../script > ../printed 2>&1 < /dev/null";
    const int status = std::system(line.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, lines_of(read_file(folder_ / "printed"))};
  }

private:
  TemporaryFolder folder_;
};

/// Commands on files that a text only names: in comments of programs, in blocks that are indented,
/// between backquotes. What follows a # is a remark.
std::vector<std::string> named_commands(const std::string& path) {
  std::vector<std::string> found;
  bool in_block = false;
  for (std::string line : lines_of(read_file(in_source(path)))) {
    if (line.starts_with("```")) in_block = !in_block;
    if (in_block) continue; // those that show what they print are run as such
    if (line.starts_with("//")) line.erase(0, 2);
    if (const size_t begin = line.find_first_not_of(' ');
        begin >= 4 && line.substr(std::min(begin, line.size())).starts_with("volute "))
      found.push_back(line.substr(begin, line.find('#') - begin));
    for (size_t at = line.find("`volute "); at != std::string::npos;
         at = line.find("`volute ", at)) {
      const size_t end = std::min(line.find('`', at + 1), line.size());
      const std::string command = line.substr(at + 1, end - at - 1);
      if (command.find("examples/") != std::string::npos) found.push_back(command);
      at = end;
    }
  }
  return found;
}

} // namespace

TEST_CASE("commands that examples and documents name in passing are taken", "[docs]") {
  std::vector<std::string> paths = documents();
  for (const auto& entry : std::filesystem::directory_iterator(in_source("examples")))
    if (entry.path().extension() == ".vlt")
      paths.push_back("examples/" + entry.path().filename().string());
  const Shell shell;
  size_t programs = 0, count = 0;
  for (const std::string& path : paths) {
    const std::vector<std::string> commands = named_commands(path);
    programs += path.ends_with(".vlt");
    count += commands.size();
    if (path.ends_with(".vlt")) {
      INFO(path);
      CHECK(!commands.empty()); // how to run it
    }
    for (const std::string& command : commands) {
      const std::string quick = command.starts_with("volute bench") ? " --seconds 0.02" : "";
      const Result result = shell.run(command + quick);
      INFO(path << ": " << command << "\n" << joined(result.printed));
      CHECK(result.status == 0);
    }
  }
  CHECK(programs >= 8);
  CHECK(count >= 15);
}

TEST_CASE("the documents' commands print what the documents show", "[docs]") {
  const bool update = tests::renews_goldens();
  for (const std::string& path : documents()) {
    std::vector<std::string> lines = lines_of(read_file(in_source(path)));
    REQUIRE_FALSE(lines.empty());
    const std::vector<Command> all = commands(lines);
    const Shell shell;
    std::vector<std::pair<Command, std::vector<std::string>>> updates;
    for (const Command& command : all) {
      const std::vector<std::string> shown(lines.begin() + static_cast<long>(command.shown_begin),
                                           lines.begin() + static_cast<long>(command.shown_end));
      const Result result = shell.run(command.script);
      const std::string place = path + ":" + std::to_string(command.line) + ": ";
      const bool whole = joined(shown).find("...") == std::string::npos;
      if (update && whole) {
        updates.emplace_back(command, result.printed);
        continue;
      }
      INFO(place << command.script << "shows\n" << joined(shown));
      INFO("printed, with status " << result.status << "\n" << joined(result.printed));
      CHECK(agree(shown, result.printed));
      const bool refused = joined(shown).find("error: ") != std::string::npos;
      CHECK((result.status != 0) == refused);
    }
    for (auto at = updates.rbegin(); at != updates.rend(); ++at) {
      const auto& [command, printed] = *at;
      const auto begin = lines.begin() + static_cast<long>(command.shown_begin);
      lines.erase(begin, lines.begin() + static_cast<long>(command.shown_end));
      lines.insert(lines.begin() + static_cast<long>(command.shown_begin), printed.begin(),
                   printed.end());
    }
    if (!updates.empty()) write_file(in_source(path), joined(lines));
  }
}

TEST_CASE("dots in what is shown stand for any lines or any text, and nothing else does",
          "[docs]") {
  CHECK(agree({"a", "...", "d"}, {"a", "b", "c", "d"}));
  CHECK(agree({"a", "..."}, {"a"}));
  CHECK(agree({"...", "b", "...", "c"}, {"b", "b", "c"}));
  CHECK_FALSE(agree({"a", "...", "d"}, {"a", "b"}));
  CHECK_FALSE(agree({"a"}, {"a", "b"}));
  CHECK_FALSE(agree({"a", "b"}, {"a"}));
  CHECK_FALSE(agree({}, {"a"}));
  CHECK(agree({"in ... ms"}, {"in 3 ms"}));
  CHECK(agree({"volute ..."}, {"volute "}));
  CHECK(agree({"...1 ... 2"}, {"1 1 2 2"}));
  CHECK_FALSE(agree({"in ... ms"}, {"in 3 s"}));
  CHECK_FALSE(agree({"in ... ms"}, {"on 3 ms"}));
}

} // namespace volute::tests
