// The binary interface: what a program was compiled against is what a later library has.
//
// Compared with tests/capi/abi.txt, which VOLUTE_UPDATE_GOLDEN=1 renews: every declaration of
// volute.h without its comments. A line that changes or goes breaks programs that are in use; one
// that comes does not. And the library exports just what is declared, under one version. What the
// declarations come to in a binary, libabigail compares with tests/capi/volute.abi, which is what
// programs compiled against 0.1.0 hold; VOLUTE_UPDATE_GOLDEN=1 renews it too.
#include "tests/docs/markdown.h"
#include "tests/runtime/temporary_folder.h"
#include "tests/support/catch.h"
#include "tests/support/golden.h"
#include "tests/support/text.h"

#include <cctype>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "capi/volute.h"

namespace volute::tests {
namespace {

std::string without_comments(const std::string& text) {
  std::string kept;
  for (size_t at = 0; at < text.size();) {
    if (text.compare(at, 2, "/*") == 0)
      at = text.find("*/", at) + 2;
    else
      kept += text[at++];
  }
  return kept;
}

/// The declarations, one a line, with one space where there is any.
std::string declarations(const std::string& header) {
  std::string text = without_comments(header);
  text = std::regex_replace(text, std::regex(R"(\n\s*#[^\n]*)"), "");
  std::string line, lines;
  int depth = 0;
  for (const char c : text) {
    if (std::isspace(static_cast<unsigned char>(c))) {
      if (!line.empty() && line.back() != ' ') line += ' ';
      continue;
    }
    line += c;
    if (c == '{') ++depth;
    if (c == '}') --depth;
    if (c == ';' && depth == 0) lines += line + '\n', line.clear();
    if (line == "extern \"C\" {") line.clear(), depth = 0;
    if (line == "}") line.clear(), depth = 0;
  }
  return lines;
}

std::string output_of(const std::string& command) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  REQUIRE(pipe);
  std::string text;
  char buffer[4096];
  while (const size_t bytes = std::fread(buffer, 1, sizeof buffer, pipe.get()))
    text.append(buffer, bytes);
  return text;
}

std::set<std::string> all(const std::string& text, const std::regex& pattern) {
  std::set<std::string> found;
  for (std::sregex_iterator at(text.begin(), text.end(), pattern), end; at != end; ++at)
    found.insert((*at)[1].str());
  return found;
}

const std::string header = read_file(in_source("capi/volute.h"));

} // namespace

// On every 64-bit Linux.
static_assert(sizeof(volute_extent) == 16 && offsetof(volute_extent, size) == 8);
static_assert(sizeof(volute_tensor) == 32 && offsetof(volute_tensor, extents) == 8 &&
              offsetof(volute_tensor, strides) == 16 && offsetof(volute_tensor, rank) == 24 &&
              offsetof(volute_tensor, element) == 28 && offsetof(volute_tensor, writable) == 29);
static_assert(sizeof(volute_named_tensor) == 40 && offsetof(volute_named_tensor, tensor) == 8);
static_assert(sizeof(volute_option) == 16 && offsetof(volute_option, value) == 8);
static_assert(sizeof(volute_diagnostic) == 32 && offsetof(volute_diagnostic, column) == 4 &&
              offsetof(volute_diagnostic, subject) == 8 &&
              offsetof(volute_diagnostic, message) == 16 &&
              offsetof(volute_diagnostic, hint) == 24);

TEST_CASE("the declarations of volute.h are those that were") {
  const std::string path = in_source("tests/capi/abi.txt");
  const std::string now = declarations(header);
  if (renews_goldens()) {
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "w"),
                                                         std::fclose);
    REQUIRE(file);
    std::fputs(now.c_str(), file.get());
  }
  CHECK(now == read_file(path));
}

namespace {

/// A library of functions that do nothing, with the types that a header gives them: what a compiler
/// tells debuggers of it is the interface, and no release has to be built with that.
std::string library_of(const TemporaryFolder& folder, const std::string& text) {
  std::string code = "#include \"volute.h\"\n";
  std::istringstream lines(declarations(text));
  for (std::string line; std::getline(lines, line);)
    if (line.rfind("VOLUTE_API ", 0) == 0)
      code += line.substr(0, line.rfind(" VOLUTE_NOEXCEPT")) + " { __builtin_trap(); }\n";
  write_file(folder / "volute.h", text);
  write_file(folder / "declared.c", code);
  const std::string library = folder / "libdeclared.so";
  const std::string said =
      output_of("cc -g -shared -fPIC -o '" + library + "' '" + (folder / "declared.c") + "' 2>&1");
  INFO(said);
  REQUIRE(said.empty());
  return library;
}

} // namespace

TEST_CASE("libabigail finds nothing that programs in use would miss") {
  if (std::system("command -v abidiff abidw > /dev/null 2>&1") != 0) {
    std::cout << "abidiff is not installed (abigail-tools): left out\n";
    return;
  }
  const TemporaryFolder folder;
  const std::string kept = in_source("tests/capi/volute.abi");
  if (renews_goldens())
    output_of("abidw --no-corpus-path --no-comp-dir-path --no-show-locs --out-file '" + kept +
              "' '" + library_of(folder, header) + "'");
  const auto differences = [&](const std::string& text) {
    return output_of("abidiff --no-added-syms --no-show-locs '" + kept + "' '" +
                     library_of(folder, text) + "' 2>&1");
  };
  CHECK(differences(header) == "");
  // It would say so: a field that changes, one that comes, a parameter, a constant, a function.
  for (const auto& [from, to] : std::initializer_list<std::pair<const char*, const char*>>{
           {"int32_t rank;", "int64_t rank;"},
           {"bool writable;", "bool writable; int32_t more;"},
           {"int64_t workspace_bytes,", "int32_t workspace_bytes,"},
           {"typedef int32_t volute_status;", "typedef int64_t volute_status;"},
           {"size_t volute_kernel_inputs(", "size_t volute_kernel_input_count("}}) {
    INFO(from);
    CHECK(differences(with(header, from, to)) != "");
  }
}

TEST_CASE("the library exports what volute.h declares, as VOLUTE_1, and no other C symbol") {
  const std::set<std::string> declared =
      all(declarations(header), std::regex(R"(VOLUTE_API [a-z0-9_ *]*?(volute_[a-z0-9_]+)\()"));
  CHECK(declared.size() > 30);
  const std::string symbols =
      output_of("nm -D --defined-only --with-symbol-versions '" VOLUTE_LIBRARY "'");
  CHECK(all(symbols, std::regex(R"( [A-Z] (volute_[a-z0-9_]+)@@VOLUTE_1\b)")) == declared);
  // Nothing of the libraries inside, of the standard library or of LLVM.
  const std::set<std::string> others =
      all(symbols, std::regex(R"( [A-Z] ((?!volute_|VOLUTE_|\w*6volute)\S+))"));
  INFO((others.empty() ? std::string() : *others.begin()));
  CHECK(others.empty());
}

TEST_CASE("the version is the same in the build, in the header and in the library") {
  const std::string version = std::to_string(VOLUTE_VERSION_MAJOR) + "." +
                              std::to_string(VOLUTE_VERSION_MINOR) + "." +
                              std::to_string(VOLUTE_VERSION_PATCH);
  CHECK(volute_version() == version);
  CHECK(version == VOLUTE_PROJECT_VERSION);
}

TEST_CASE("every function of volute.h is documented") {
  const std::vector<std::string> lines = lines_of(header);
  for (size_t i = 1; i < lines.size(); ++i) {
    if (lines[i].rfind("VOLUTE_API ", 0) != 0) continue;
    INFO(lines[i]);
    CHECK(lines[i - 1].find("*/") != std::string::npos);
  }
}

} // namespace volute::tests
