// Where the instructions of compiled programs come from, and what their loops do.

#include "compiler/codegen/codegen.h"
#include "compiler/compile.h"
#include "compiler/report/annotate.h"
#include "compiler/report/listing.h"
#include "ir/operators.h"
#include "ir/parse.h"
#include "ir/print.h"
#include "tests/support/catch.h"
#include "tests/support/random_program.h"
#include "tests/support/stages.h"
#include "tests/support/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

using namespace volute;
using compiler::Listing;
using tests::has;
using tests::lines_of;
using Kind = Listing::Line::Kind;

namespace {

compiler::Compiled compiled(const ir::Program& program, const std::string& target,
                            const std::string& schedule = "auto") {
  compiler::CompileRequest request = tests::request_for(target, schedule);
  request.assembly = true;
  return compiler::compile(program, request).value();
}

compiler::Compiled compiled(const std::string& text, const std::string& target,
                            const std::string& schedule = "auto") {
  return compiled(ir::parse(text).value(), target, schedule);
}

/// A 3x3 convolution, its bias, a residual and a relu.
const std::string layer =
    "program @layer(%x: f32[n=1, h=10, w=10, c=16], %w: f32[o=32, i=16, h=3, w=3],\n"
    "               %b: f32[o=32], %r: f32[n=1, h=8, w=8, c=32]) {\n"
    "  %0 = conv %x, %w, %b\n"
    "  %1 = add %0, %r\n"
    "  %y = relu %1\n"
    "  return %y\n"
    "}\n";

/// A convolution of one step with the pooling behind it.
const std::string pooled_in_bands = "nest conv_0:\nparallel n, band\n"
                                    "for o by 16, h, w by 4, kh, kw, i\n"
                                    "registers w 4, o 16 vector 16\npack weight\n"
                                    "nest max_pool_y:\ncompute conv_0 at h by 4\n"
                                    "parallel n, band\nfor c by 16, h, w, kh, kw\n"
                                    "registers c 16 vector 16\n";

using Ids = std::vector<int32_t>;

/// The statements that instructions with this in their text are for, one set for all of them.
Ids statements_of(const Listing& listing, const Listing::Step& step, const std::string& part) {
  std::set<int32_t> ids;
  for (size_t i = step.begin; i < step.end; ++i)
    if (listing.lines[i].kind == Kind::instruction && has(listing.lines[i].text, part))
      for (const int32_t id : listing.sources_of(listing.lines[i]).statements) ids.insert(id);
  return {ids.begin(), ids.end()};
}

} // namespace

// ---- compiled programs ------------------------------------------------------------------------

TEST_CASE("each instruction is for its line of the loops and its statement") {
  for (const std::string target : {"x86-64-v3", "x86-64-v4", "znver4"}) {
    CAPTURE(target);
    const compiler::Compiled kernel = compiled(layer, target);
    const Listing& listing = *kernel.listing;
    REQUIRE(listing.loops.text == to_string(kernel.stages.loops)); // there are no tables
    const std::vector<std::string> loops = lines_of(listing.loops.text);
    const auto& steps = kernel.stages.loops.steps;
    const auto at = static_cast<size_t>(
        std::find_if(steps.begin(), steps.end(),
                     [](const ir::Step& step) { return step.name == "conv_y"; }) -
        steps.begin());
    REQUIRE(listing.steps.size() == steps.size());
    const Listing::Step& step = listing.steps[at];

    CHECK(statements_of(listing, step, "vfmadd") == Ids{0});
    CHECK(statements_of(listing, step, "vaddps") == Ids{1});
    CHECK(statements_of(listing, step, "vmaxps") == Ids{2});
    int64_t instructions = 0, known = 0;
    for (size_t i = step.begin; i < step.end; ++i) {
      const Listing::Line& line = listing.lines[i];
      if (line.kind != Kind::instruction) continue;
      ++instructions;
      known += line.place.line > 0;
      if (line.place.line == 0) continue;
      CAPTURE(line.text);
      REQUIRE(static_cast<size_t>(line.place.line) <= loops.size());
      const std::string& text = loops[static_cast<size_t>(line.place.line) - 1];
      CAPTURE(text);
      if (has(line.text, "vfmadd")) CHECK(has(text, "fma("));
      if (has(line.text, "vmaxps") || has(line.text, "vaddps")) CHECK(has(text, "max(0, "));
      if (has(line.text, "prefetch")) CHECK(has(text, "prefetch"));
    }
    CHECK(instructions == step.work.instructions);
    CHECK(known * 1000 >= instructions * 897);

    // The innermost loop is marked with the work that the plan gave it.
    const auto hot = std::max_element(
        step.loops.begin(), step.loops.end(), [](const Listing::Loop& a, const Listing::Loop& b) {
          return a.innermost * a.work.multiply_adds < b.innermost * b.work.multiply_adds;
        });
    REQUIRE(hot != step.loops.end());
    CHECK(hot->work.multiply_adds % kernel.report.nests.front().registers == 0);
    CHECK(hot->work.stores == 0);
    CHECK(has(loops[static_cast<size_t>(listing.lines[hot->end - 1].place.line) - 1], "for "));
  }
}

TEST_CASE("in the suites' layers no multiply-add is a relu's and no maximum a convolution's") {
  int64_t multiply_adds = 0, maxima = 0;
  for (const char* suite : {"quick", "small", "pools"}) {
    std::stringstream text;
    text << std::ifstream(fmt::format("{}/bench/suites/{}.vlt", VOLUTE_SOURCE_DIR, suite)).rdbuf();
    for (const ir::Program& program : ir::parse_file_text(text.str()).value()) {
      CAPTURE(suite, program.name);
      const auto is_convolution = [&](int32_t id) {
        return ir::convolution(program.statements.at(static_cast<size_t>(id)).operation)
            .has_value();
      };
      const auto multiplies_nothing = [&](int32_t id) { // silu has a polynomial of its own
        const ir::Operation& operation = program.statements.at(static_cast<size_t>(id)).operation;
        const auto* unary = std::get_if<ir::Unary>(&operation);
        return std::holds_alternative<ir::Binary>(operation) ||
               std::holds_alternative<ir::Pool>(operation) ||
               (unary &&
                (unary->kind == ir::UnaryKind::relu || unary->kind == ir::UnaryKind::relu6));
      };
      const compiler::Compiled kernel = compiled(program, "x86-64-v4");
      const Listing& listing = *kernel.listing;
      for (const Listing::Step& step : listing.steps)
        for (size_t i = step.begin; i < step.end; ++i) {
          const Listing::Line& line = listing.lines[i];
          const bool fma = has(line.text, "vfmadd231"), max = has(line.text, "vmaxps");
          if (line.kind != Kind::instruction || !(fma || max)) continue;
          const Ids& ids = listing.sources_of(line).statements;
          CAPTURE(line.text);
          REQUIRE(!ids.empty());
          if (max) CHECK(std::none_of(ids.begin(), ids.end(), is_convolution));
          if (fma) CHECK(std::none_of(ids.begin(), ids.end(), multiplies_nothing));
          multiply_adds += fma, maxima += max;
        }
    }
  }
  CHECK(multiply_adds > 500);
  CHECK(maxima > 100);
}

TEST_CASE("of a formula that takes several lines, each instruction is for its own") {
  const compiler::Compiled kernel = compiled(
      "program @p(%x: f32[n=1, c=8, w=64]) {\n  %y = tanh %x\n  return %y\n}\n", "x86-64-v3");
  const Listing& listing = *kernel.listing;
  std::set<int> lines;
  for (const Listing::Line& line : listing.lines)
    if (line.kind == Kind::instruction && line.place.line > 0) lines.insert(line.place.line);
  const std::vector<std::string> loops = lines_of(listing.loops.text);
  const auto lets = std::count_if(lines.begin(), lines.end(), [&](int line) {
    return has(loops[static_cast<size_t>(line) - 1], "let ");
  });
  CHECK(lets >= 3);
  CHECK(statements_of(listing, listing.steps.at(0), "vfmadd") == Ids{0});
}

TEST_CASE("in a step of two nests each instruction is for its own statement") {
  const compiler::Compiled kernel =
      compiled("program @p(%x: f32[n=1, h=64, w=64, c=16], %w: f32[o=16, i=16, h=3, w=3]) {\n"
               "  %0 = conv %x, %w {pad = 1}\n"
               "  %y = max_pool %0 {kernel = 2}\n  return %y\n}\n",
               "x86-64-v4", pooled_in_bands);
  const Listing& listing = *kernel.listing;
  REQUIRE(kernel.report.nests.size() == 2);
  REQUIRE(kernel.stages.loops.steps.back().name == "max_pool_y");
  const Listing::Step& both = listing.steps.back();
  CHECK(statements_of(listing, both, "vfmadd") == Ids{0});
  // The first of two values that are equal stays, so a maximum is a comparison and a choice.
  CHECK(statements_of(listing, both, "vcmp") == Ids{1});
  for (const compiler::NestReport& nest : kernel.report.nests) {
    CAPTURE(nest.name);
    REQUIRE(nest.spills);
    CHECK(nest.spills->stores + nest.spills->reloads == 0);
  }
}

TEST_CASE("the code is the same with lines and without, and whatever its sources are") {
  const ir::Program program = ir::parse(layer).value();
  for (const std::string target : {"x86-64", "x86-64-v3", "x86-64-v4"}) {
    CAPTURE(target);
    const compiler::Compiled kernel = compiled(program, target);
    const compiler::Target cpu = compiler::parse_target(target).value();
    const compiler::Code plain = compiler::generate(kernel.stages.loops, cpu).value();
    const compiler::Code lined =
        compiler::generate(kernel.stages.loops, cpu, {.lines = true}).value();
    CHECK(plain.bytes == kernel.image.bytes);
    CHECK(plain.bytes == lined.bytes);
    CHECK(plain.entries == lined.entries);

    ir::LoopProgram unknown = ir::parse_loops(to_string(kernel.stages.loops)).value();
    CHECK(unknown.sources.empty());
    CHECK(compiler::generate(unknown, cpu).value().bytes == plain.bytes);

    ir::Program other = program; // as a rewrite before this one might have left it
    for (ir::Statement& statement : other.statements) statement.sources = {{0, 1, 2}};
    CHECK(compiled(other, target).image.bytes == plain.bytes);
  }
}

TEST_CASE("random programs have the same code with lines, and places that there are") {
  const char* given = std::getenv("VOLUTE_FUZZ_SEED");
  const uint64_t seed = given ? std::strtoull(given, nullptr, 10) : 7;
  int64_t instructions = 0, known = 0;
  for (uint64_t one = 0; one < 40; ++one) {
    tests::Dice dice(seed * 1000 + one);
    const std::string text = tests::random_program(dice).text();
    CAPTURE(seed, one, text);
    const ir::Program program = ir::parse(text).value();
    const std::string target = one % 2 ? "x86-64-v4" : "x86-64-v3";
    const compiler::Compiled kernel = compiled(program, target);
    const compiler::Code lined =
        compiler::generate(kernel.stages.loops, compiler::parse_target(target).value(),
                           {.lines = true})
            .value();
    CHECK(kernel.image.bytes == lined.bytes);
    const Listing& listing = *kernel.listing;
    const auto lines = std::count(listing.loops.text.begin(), listing.loops.text.end(), '\n');
    for (const Listing::Line& line : listing.lines) {
      CHECK(line.place.line <= lines);
      for (const int32_t id : listing.sources_of(line).statements)
        CHECK(static_cast<size_t>(id) < program.statements.size());
      instructions += line.kind == Kind::instruction;
      known += line.place.line > 0;
    }
    CHECK(!annotated(listing, kernel.stages.loops, program).empty());
  }
  CHECK(known * 10 >= instructions * 9);
}

TEST_CASE("lines of LLVM IR come from lines of the loops too") {
  const compiler::Compiled kernel = compiled(layer, "x86-64-v3");
  const compiler::Target target = compiler::parse_target("x86-64-v3").value();
  const compiler::LlvmListing ir = compiler::list_llvm(kernel.stages.loops, target).value();
  CHECK(ir.text == compiler::generate(kernel.stages.loops, target, {.llvm_text = true})->llvm);
  const std::vector<std::string> lines = lines_of(ir.text);
  REQUIRE(ir.places.size() == lines.size());
  int64_t fmas = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!has(lines[i], "call <8 x float> @llvm.fma")) continue;
    ++fmas;
    CAPTURE(lines[i]);
    REQUIRE(ir.places[i].source >= 0);
    CHECK(kernel.stages.loops.sources[static_cast<size_t>(ir.places[i].source)].statements ==
          Ids{0});
  }
  CHECK(fmas > 0);
}

TEST_CASE("the object's line table has the lines of the loops and the statements") {
  const compiler::Compiled kernel = compiled(layer, "x86-64-v3");
  const ir::LoopsText text = text_of(kernel.stages.loops);
  compiler::Generation generation =
      compiler::Generation::emit(kernel.stages.loops, compiler::parse_target("x86-64-v3").value(),
                                 &text)
          .value();
  CHECK(generation.verify().empty());
  REQUIRE(generation.make_object());
  const std::vector<std::byte> object = generation.object();
  const std::string path =
      (std::filesystem::temp_directory_path() / "volute_lines_test.o").string();
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(object.data()), std::ssize(object));
  // "layer.loops   42   0xf3 ...": what a debugger is told.
  FILE* printed = popen(("objdump --dwarf=decodedline " + path).c_str(), "r");
  REQUIRE(printed);
  std::set<int> told;
  char row[512];
  while (fgets(row, sizeof row, printed))
    if (int line = 0; std::sscanf(row, "layer.loops %d 0x", &line) == 1) told.insert(line);
  REQUIRE(pclose(printed) == 0);
  std::filesystem::remove(path);
  told.erase(0);
  std::set<int> listed;
  for (const Listing::Line& line : kernel.listing->lines)
    if (line.place.line > 0) listed.insert(line.place.line);
  CHECK(std::includes(told.begin(), told.end(), listed.begin(), listed.end()));
  CHECK(listed.size() > 10);
}

// ---- spills -----------------------------------------------------------------------------------

TEST_CASE("a tile of 112 accumulators is told of with what it keeps on the stack") {
  const std::string program = "program @p(%x: f32[n=1, h=56, w=56, c=64],\n"
                              "           %w: f32[o=128, i=64, h=1, w=1]) {\n"
                              "  %y = conv %x, %w\n  return %y\n}\n";
  const auto nest_for = [&](const std::string& schedule) {
    const compiler::Compiled kernel = compiled(program, "x86-64-v4", schedule);
    return std::pair(kernel.report.nests.front(), to_string(kernel.report));
  };
  const auto [fits, fits_text] = nest_for(
      "parallel h, o by 32\nfor w by 14, i\nregisters w 14, o 32 vector 16\npack weight\n");
  REQUIRE(fits.spills);
  CHECK(fits.spills->stores == 0);
  CHECK(fits.spills->reloads == 0);
  CHECK(has(fits_text, fmt::format("{} of 32 in the inner step; no spills in the code",
                                   fits.registers_needed)));

  const auto [spilt, spilt_text] = nest_for(
      "parallel h, o by 128\nfor w by 14, i\nregisters w 14, o 128 vector 16\npack weight\n");
  CHECK(spilt.registers == 112);
  REQUIRE(spilt.spills);
  CHECK(spilt.spills->stores + spilt.spills->reloads >= 112 - 32);
  CHECK(has(spilt_text,
            fmt::format("registers      {} are too many: the inner step has 32; {} stores and {} "
                        "reloads in the innermost loops' code are spills\n",
                        spilt.registers_needed, spilt.spills->stores, spilt.spills->reloads)));
}

TEST_CASE("spills are counted without the data of tables, and the code is the same") {
  // A weight that stands in the code, and one that is read from a table.
  for (const std::string taps : {"w=3", "h=9, w=9"}) {
    const bool is_small = taps == "w=3";
    const std::string image = is_small ? "f32[n=1, c=1, w=80]" : "f32[n=1, h=40, w=40, c=8]";
    std::string numbers = "1, 2, 1";
    for (int i = 0; !is_small && i < 16 * 8 * 81 - 3; ++i) numbers += ", 1";
    const ir::Program program =
        ir::parse(fmt::format("program @p(%x: {}) {{\n  %w = const [{}] : f32[o={}, i={}, {}]\n"
                              "  %y = conv %x, %w\n  return %y\n}}\n",
                              image, numbers, is_small ? 1 : 16, is_small ? 1 : 8, taps))
            .value();
    const compiler::Compiled kernel = compiled(program, "x86-64-v3");
    compiler::CompileRequest request = tests::request_for("x86-64-v3");
    request.spills = true;
    const compiler::Compiled counted = compiler::compile(program, request).value();
    CHECK(counted.assembly.empty());
    CHECK(counted.report.nests.front().spills);
    REQUIRE(counted.listing);
    const auto code = [](const Listing& listing) {
      std::string text;
      for (const Listing::Step& step : listing.steps)
        for (size_t i = step.begin; i < step.end; ++i) text += listing.lines[i].text + '\n';
      return text;
    };
    CHECK(code(*counted.listing) == code(*kernel.listing));
    CHECK(counted.listing->text().size() < 100'000);
  }
}

TEST_CASE("spills are known only where the code was listed") {
  compiler::CompileRequest request = tests::request_for("x86-64-v3");
  const compiler::Compiled kernel = compiler::compile(ir::parse(layer).value(), request).value();
  CHECK_FALSE(kernel.listing);
  CHECK_FALSE(kernel.report.nests.front().spills);
  CHECK(has(to_string(kernel.report), "of 16 in the inner step\n"));
}

// ---- the page ---------------------------------------------------------------------------------

TEST_CASE("the annotated page has every instruction once, with comments only beside") {
  const ir::Program program = ir::parse(layer).value();
  const compiler::Compiled kernel = compiled(program, "x86-64-v3");
  const std::string page = annotated(*kernel.listing, kernel.stages.loops, program);
  std::vector<std::string> shown, listed;
  const auto squeezed = [](const std::string& text) {
    std::istringstream words(text.substr(0, text.find('#')));
    std::string all;
    for (std::string word; words >> word;) all += word + ' ';
    return all;
  };
  for (const std::string& line : lines_of(page))
    if (const std::string code = squeezed(line); !code.empty()) shown.push_back(code);
  for (const std::string& line : lines_of(kernel.assembly))
    if (const std::string code = squeezed(line); !code.empty()) listed.push_back(code);
  CHECK(shown == listed);
  CHECK(has(page, "#     line   3  %0 = conv %x, %w, %b\n"));
  CHECK(has(page, "#     line   5  %y = relu %1\n"));
  CHECK(has(page, "innermost, a trip is "));
  CHECK(has(page, "acc[w_r][o_v] = fma("));
}

TEST_CASE("a program that was built has the lines of its text") {
  ir::Program program = ir::parse(layer).value();
  for (ir::Statement& statement : program.statements) statement.where = {};
  const compiler::Compiled kernel = compiled(program, "x86-64-v3");
  const std::vector<std::string> text = lines_of(to_string(program));
  const auto line = std::find_if(text.begin(), text.end(),
                                 [](const std::string& l) { return l.starts_with("  %y = relu"); });
  CHECK(has(annotated(*kernel.listing, kernel.stages.loops, program),
            fmt::format("line {:>3}  %y = relu %1\n", line - text.begin() + 1)));
}

TEST_CASE("the numbers of a function put no sums on the stack") {
  // 25 sums, 5 weights, an element of the image: one register is left.
  const compiler::Compiled kernel =
      compiled("program @p(%x: f32[n=1, h=7, w=7, c=320],\n"
               "           %w: f32[o=1280, i=320, h=1, w=1], %b: f32[o=1280]) {\n"
               "  %0 = conv %x, %w, %b\n  %y = silu %0\n  return %y\n}\n",
               "znver4",
               "flatten n, h, w\nparallel o by 80, nhw by 5\nfor i\n"
               "registers nhw 5, o 80 vector 16\npack weight\n");
  const compiler::NestReport& nest = kernel.report.nests.front();
  CHECK(nest.registers_needed == 31);
  REQUIRE(nest.spills);
  CHECK(nest.spills->stores + nest.spills->reloads == 0);
}
