// The reader of line tables against LLVM's own account of the same code: the listing, which comes
// from the assembly and has no table.
#include "compiler/compile.h"
#include "compiler/report/listing.h"
#include "ir/parse.h"
#include "runtime/line_table.h"
#include "runtime/session.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <set>

using namespace volute;

namespace {

compiler::Compiled compiled_for(const std::string& target) {
  const auto program = ir::parse(
      "program @p(%x: f32[n=1, h=14, w=14, c=8], %w: f32[o=32, i=8, h=3, w=3]) {\n"
      "%0 = conv %x, %w {pad = 1}\n%1 = max_pool %0 {kernel = 2}\n%y = relu %1\nreturn %y }");
  REQUIRE(program);
  runtime::Session session;
  compiler::CompileRequest request = *session.request(*program);
  request.target = *compiler::parse_target(target);
  request.assembly = true;
  request.debug_folder = "/nowhere";
  return *session.inspect(*program, request);
}

} // namespace

TEST_CASE("the table has the lines that the assembly has, in its order", "[line_table]") {
  for (const char* target : {"haswell", "skylake-avx512"}) {
    CAPTURE(target);
    const compiler::Compiled compiled = compiled_for(target);
    REQUIRE(compiled.image.debug);
    const auto& image = compiled.image;
    const auto lines = runtime::lines_of(image.debug->elf, image.steps);
    REQUIRE(lines.size() > 20);
    for (size_t i = 1; i < lines.size(); ++i) {
      CHECK(lines[i].offset > lines[i - 1].offset);
      CHECK(lines[i].line != lines[i - 1].line);
    }
    for (size_t i = 0; i < image.steps.size(); ++i) {
      const compiler::ImageStep& step = image.steps[i];
      std::vector<int> by_table, by_assembly;
      for (const runtime::CodeLine& line : lines)
        if (line.line > 0 && line.offset >= step.entry && line.offset < step.entry + step.size)
          by_table.push_back(line.line);
      const compiler::Listing::Step& code = compiled.listing->steps[i];
      for (size_t k = code.begin; k < code.end; ++k) {
        const compiler::Listing::Line& line = compiled.listing->lines[k];
        if (line.kind == compiler::Listing::Line::Kind::instruction && line.place.line > 0 &&
            (by_assembly.empty() || by_assembly.back() != line.place.line))
          by_assembly.push_back(line.place.line);
      }
      by_table.erase(std::unique(by_table.begin(), by_table.end()), by_table.end());
      CHECK(by_table == by_assembly);
    }
  }
}

TEST_CASE("what is no object of these steps has no lines, however it is cut", "[line_table]") {
  const compiler::Compiled compiled = compiled_for("haswell");
  std::vector<std::byte> elf = compiled.image.debug->elf;
  CHECK(runtime::lines_of({}, compiled.image.steps).empty());
  CHECK(runtime::lines_of(elf, {}).empty());
  const std::vector<std::byte> whole = elf;
  for (size_t size = 0; size < whole.size(); size += 97) {
    elf.assign(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    CHECK(runtime::lines_of(elf, compiled.image.steps).size() < 100000);
  }
  // Any byte may be wrong: nothing is read that is not there (sanitizers look on).
  for (size_t at = 0; at < whole.size(); at += 13) {
    elf = whole;
    elf[at] ^= std::byte{0xff};
    CHECK(runtime::lines_of(elf, compiled.image.steps).size() < 10000000);
  }
}
