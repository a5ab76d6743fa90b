#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/tools/run_tool.h"
#include "tools/suites.h"

#include <algorithm>
#include <filesystem>
#include <set>

using namespace volute;
using namespace volute::tools;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using volute::tests::Ran;
using volute::tests::read_file;
using volute::tests::run_volute;

namespace {

std::vector<std::filesystem::path> suite_files() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(VOLUTE_SOURCE_DIR "/bench/suites"))
    if (entry.path().extension() == ".vlt") files.push_back(entry.path());
  return files;
}

ir::Program image_program(const std::string& type) {
  return *ir::parse("program @p(%x: " + type + ") {\n  %y = relu %x\n  return %y\n}");
}

} // namespace

TEST_CASE("every suite parses, has names of its own, and each layer in both layouts", "[suites]") {
  const auto files = suite_files();
  CHECK(files.size() >= 20);
  for (const auto& file : files) {
    CAPTURE(file);
    const std::string text = read_file(file.string());
    const auto programs = ir::parse_file_text(text);
    REQUIRE(programs);
    std::set<std::string> names;
    int first = 0, last = 0;
    for (const ir::Program& program : *programs) {
      CAPTURE(program.name);
      CHECK(names.insert(program.name).second);
      const Layout layout = layout_of(program);
      first += layout == Layout::first, last += layout == Layout::last;
      const bool says_last =
          program.name.find("_n") != std::string::npos && program.name.back() == 'c';
      CHECK((layout == Layout::last) == says_last);
    }
    if (file.stem() != "quick") CHECK(first == last);
    for (const auto& [name, count] : uses_in(text)) {
      CHECK(names.count(name) == 1);
      CHECK(count > 1);
    }
    CHECK_THAT(text, ContainsSubstring("volute bench " + file.stem().string() + "\n"));
  }
}

TEST_CASE("a comment before a program says how often it is used", "[suites]") {
  const auto uses =
      uses_in("// used 3 times\nprogram @a(%x: f32[n=1, c=1, w=1]) {\n}\n"
              "program @b(\n// used 12 times\n\n// by the last stage\nprogram @c_1 (");
  CHECK(uses.size() == 2);
  CHECK(uses.at("a") == 3);
  CHECK(uses.at("c_1") == 12);
  CHECK(uses_in("").empty());
}

TEST_CASE("ResNet-50 has its 53 convolutions", "[suites]") {
  const std::string text = read_file(VOLUTE_SOURCE_DIR "/bench/suites/resnet50.vlt");
  const auto uses = uses_in(text);
  int convolutions = 0;
  const auto programs = ir::parse_file_text(text);
  for (const ir::Program& program : *programs) {
    if (layout_of(program) != Layout::first || !program.name.starts_with("conv")) continue;
    const auto found = uses.find(program.name);
    convolutions += found == uses.end() ? 1 : found->second;
  }
  CHECK(convolutions == 53);
}

TEST_CASE("channels lie first, last, or there is one", "[suites]") {
  CHECK(layout_of(image_program("f32[n=1, c=3, h=4, w=5]")) == Layout::first);
  CHECK(layout_of(image_program("f32[n=1, h=4, w=5, c=3]")) == Layout::last);
  CHECK(layout_of(image_program("f32[n=1, c=1, h=4, w=5]")) == Layout::either);
  CHECK(layout_of(image_program("f32[n=1, c=4, h=4, w=5, c=16]")) == Layout::first);
}

TEST_CASE("a suite is found by its name, and its programs chosen", "[suites]") {
  const Ran ran = run_volute("bench small --only '^conv3x3_8_8' --layout last --against none "
                             "--seconds 0.01");
  CHECK(ran.err == "");
  CHECK(ran.status == 0);
  CHECK_THAT(ran.out, ContainsSubstring("\nconv3x3_8_8_7_nhwc  volute"));
  CHECK(ran.out.find("nchw") == std::string::npos);

  const Ran unknown = run_volute("bench resnet5");
  CHECK(unknown.status == 2);
  CHECK_THAT(unknown.err, StartsWith("error: there is no file and no suite 'resnet5'\nthe suites "
                                     "are batches, bf16, c3d, "));
  CHECK(run_volute("bench small --only nothing").status == 2);
  CHECK_THAT(run_volute("bench small --only '('").err,
             StartsWith("error: --only: '(' is no regular expression"));
  CHECK(run_volute("bench small --layout middle").status == 2);
}
