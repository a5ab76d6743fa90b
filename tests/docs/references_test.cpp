// What the documents point at: files, the C++ that the tests compile, the environment.
#include "runtime/options.h"
#include "tests/docs/markdown.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>
#include <string>

namespace volute::tests {

TEST_CASE("the documents' links lead to files of the repository", "[docs]") {
  const std::regex target(R"(\]\(([^)#:]+)(#[^)]*)?\)|src="([^":]+)\")");
  for (const std::string& path : documents()) {
    const std::string text = read_file(in_source(path));
    const std::filesystem::path folder = std::filesystem::path(in_source(path)).parent_path();
    for (std::sregex_iterator at(text.begin(), text.end(), target), end; at != end; ++at) {
      const std::string name = (*at)[1].matched ? (*at)[1].str() : (*at)[3].str();
      INFO(path << ": " << name);
      CHECK(std::filesystem::exists(folder / name));
    }
  }
}

TEST_CASE("C and C++ in the documents are taken from examples that are compiled and run",
          "[docs]") {
  std::string compiled;
  for (const char* folder : {"examples/cpp", "examples/c"})
    for (const auto& entry : std::filesystem::directory_iterator(in_source(folder)))
      if (entry.path().extension() == ".cpp" || entry.path().extension() == ".c")
        compiled += read_file(entry.path().string());
  size_t blocks = 0;
  for (const std::string& path : documents()) {
    const std::vector<std::string> lines = lines_of(read_file(in_source(path)));
    for (const CodeBlock& block : code_blocks(lines)) {
      if (block.info != "cpp" && block.info != "c") continue;
      INFO(path << ":" << block.begin);
      CHECK(compiled.find(text_of(lines, block)) != std::string::npos);
      ++blocks;
    }
  }
  CHECK(blocks > 0);
}

TEST_CASE("the map of the architecture has a place for every source, and names no other",
          "[docs]") {
  const std::string map = read_file(in_source("docs/architecture.md"));
  const std::regex quoted("`([a-z0-9_/.]+\\*?)`");
  const auto names_in = [&](const std::string& text) { // `expr*` is all that begins so
    std::set<std::string> names;
    for (std::sregex_iterator at(text.begin(), text.end(), quoted), end; at != end; ++at)
      names.insert(std::filesystem::path((*at)[1].str()).filename().replace_extension().string());
    return names;
  };
  const auto is_for = [](const std::string& name, const std::string& stem) {
    return name.ends_with('*') ? stem.starts_with(name.substr(0, name.size() - 1)) : name == stem;
  };
  std::set<std::string> stems;
  for (const char* folder : {"ir", "compiler", "runtime", "capi"})
    for (const auto& entry : std::filesystem::recursive_directory_iterator(in_source(folder)))
      if (entry.path().extension() == ".cpp" || entry.path().extension() == ".h")
        stems.insert(entry.path().stem().string());
  CHECK(stems.size() > 250);
  const std::set<std::string> named = names_in(map);
  for (const std::string& stem : stems) {
    INFO(stem);
    CHECK(std::any_of(named.begin(), named.end(),
                      [&](const std::string& name) { return is_for(name, stem); }));
  }
  // The tables: `| files | what they are |`, with the room before where there is one.
  const std::regex row(R"(\| (?:[^|]*\| )?((?:`[^|]*))\| [^|]*\|)");
  for (const std::string& line : lines_of(map)) {
    std::smatch found;
    if (!std::regex_match(line, found, row)) continue;
    for (const std::string& name : names_in(found[1])) {
      INFO(line << "\n" << name);
      CHECK(std::any_of(stems.begin(), stems.end(),
                        [&](const std::string& stem) { return is_for(name, stem); }));
    }
  }
}

TEST_CASE("the README names every environment variable", "[docs]") {
  const std::string readme = read_file(in_source("README.md"));
  for (const runtime::OptionRow& row : runtime::option_rows()) {
    INFO(row.variable);
    CHECK(readme.find("`" + std::string(row.variable) + "`") != std::string::npos);
  }
}

} // namespace volute::tests
