// What the automatic schedule makes of layers of ResNet-50, counted instead of timed: no arithmetic
// is wasted, and the inner loop is the register tile's multiply-adds and what feeds them.

#include "compiler/compile.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/stages.h"
#include "tests/support/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

using namespace volute;

namespace {

// Of one layer with its borders; an L1 instruction cache has 32 KiB.
constexpr int64_t most_code_bytes = 4096;
constexpr double most_executed_for_one = 1.03; // multiply-adds, for each that was asked for

using Lines = std::vector<std::string>;

Lines lines_of(const std::string& text) {
  Lines lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);)
    lines.push_back(line.substr(0, line.find('#'))); // comments
  return lines;
}

int64_t count(const Lines& lines, const std::string& part) {
  return std::count_if(lines.begin(), lines.end(),
                       [&](const auto& l) { return tests::has(l, part); });
}

/// The loops that hold no other loop: from the label that a jump goes back to, up to the jump.
std::vector<Lines> innermost_loops(const Lines& lines) {
  std::map<std::string, size_t> label_at;
  std::vector<std::pair<size_t, size_t>> loops;
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    if (line.starts_with(".L")) {
      label_at[line.substr(0, line.find(':'))] = i;
    } else if (line.starts_with("\tj")) {
      const size_t target = line.find(".L");
      if (target == std::string::npos) continue;
      std::string label = line.substr(target);
      label.erase(label.find_last_not_of(" \t") + 1);
      if (const auto back = label_at.find(label); back != label_at.end())
        loops.emplace_back(back->second, i);
    }
  }
  std::vector<Lines> result;
  for (const auto& [begin, end] : loops) {
    const bool holds_another =
        std::any_of(loops.begin(), loops.end(), [&, b = begin, e = end](const auto& l) {
          return l != std::pair(b, e) && l.first >= b && l.second <= e;
        });
    if (!holds_another)
      result.emplace_back(lines.begin() + static_cast<long>(begin),
                          lines.begin() + static_cast<long>(end) + 1);
  }
  return result;
}

/// The innermost loop with the most multiply-adds.
Lines hottest_loop(const Lines& lines) {
  Lines hottest;
  for (const Lines& loop : innermost_loops(lines))
    if (count(loop, "\tvfmadd") > count(hottest, "\tvfmadd")) hottest = loop;
  return hottest;
}

struct Layer {
  int64_t inputs, kernel;
};

compiler::Compiled compiled(const Layer& layer, const std::string& layout,
                            const std::string& target) {
  const std::string extents = layout == "NCHW" ? fmt::format("n=1, c={}, h=56, w=56", layer.inputs)
                                               : fmt::format("n=1, h=56, w=56, c={}", layer.inputs);
  const std::string text =
      fmt::format("program @layer(%x: f32[{}], %w: f32[o=64, i={}, h={}, w={}]) {{\n"
                  "  %y = conv %x, %w {{pad = {}}}\n  return %y }}",
                  extents, layer.inputs, layer.kernel, layer.kernel, layer.kernel / 2);
  compiler::CompileRequest request = tests::request_for(target);
  request.assembly = true;
  request.accuracy = 0; // the direct sum
  return compiler::compile(ir::parse(text).value(), request).value();
}

/// Copies of the register tile's update in the body of the innermost loop.
int64_t copies(const compiler::Compiled& layer) {
  const compiler::LoopDirective& innermost = layer.stages.schedules.begin()->second.loops.back();
  if (innermost.unroll != compiler::LoopDirective::full) return innermost.unroll;
  return layer.stages.nests.nests.front().axis(innermost.axis)->extent.number();
}

} // namespace

TEST_CASE("the layers of ResNet-50 run on full registers, without spills, gathers or calls") {
  for (const Layer& layer : {Layer{64, 3}, Layer{256, 1}})
    for (const std::string layout : {"NCHW", "NHWC"})
      for (const std::string target : {"x86-64-v4", "x86-64-v3"}) {
        CAPTURE(layer.inputs, layer.kernel, layout, target);
        const compiler::Compiled kernel = compiled(layer, layout, target);
        const compiler::NestReport& nest = kernel.report.nests.front();
        INFO(nest.schedule);

        CHECK(nest.executed_multiply_adds >= nest.multiply_adds);
        CHECK(static_cast<double>(nest.executed_multiply_adds) <=
              most_executed_for_one * static_cast<double>(nest.multiply_adds));
        CHECK(nest.code_bytes <= most_code_bytes);

        const Lines assembly = lines_of(kernel.assembly);
        CHECK(count(assembly, "\tcall") == 0);
        CHECK(count(assembly, "movabsq\t$.") == 0); // an address in an instruction
        CHECK(count(assembly, ".quad\t.") == 0);    // an address as data
        const bool wide = target == "x86-64-v4";
        CHECK((count(assembly, "%zmm") > 0) == wide);

        const Lines loop = hottest_loop(assembly);
        const int64_t multiply_adds = nest.registers * copies(kernel);
        CHECK(count(loop, "\tvfmadd") == multiply_adds);
        CHECK(count(loop, wide ? "%zmm" : "%ymm") >= multiply_adds);
        CHECK(count(loop, "(%rsp") == 0);
        CHECK(count(loop, "gather") == 0);
        CHECK(count(loop, "\tvmovs") == 0); // lane by lane
        // Two FMA units of latency 4 wait for no accumulator.
        CHECK(nest.registers >= 8);
      }
}

TEST_CASE("the taps of a border are not executed for elements that miss them") {
  const compiler::Compiled kernel = compiled({64, 3}, "NHWC", "x86-64-v4");
  const compiler::NestReport& nest = kernel.report.nests.front();
  CHECK(nest.multiply_adds == int64_t{64} * 64 * (3 * 56 - 2) * (3 * 56 - 2));
  CHECK(nest.executed_multiply_adds == nest.multiply_adds);
}

TEST_CASE("two compiles of one program give the same bytes") {
  const compiler::Compiled first = compiled({64, 3}, "NCHW", "x86-64-v3");
  const compiler::Compiled second = compiled({64, 3}, "NCHW", "x86-64-v3");
  CHECK(first.image.bytes == second.image.bytes);
}

TEST_CASE("what is made of a tile's sums is not written out for each of its registers") {
  const std::string gelu = "program @y(%x: f32[n=1, c=768, h=7, w=7],\n"
                           "    %w: f32[o=3072, i=768, h=1, w=1], %b: f32[o=3072]) {\n"
                           "  %0 = conv %x, %w, %b\n  %y = gelu %0\n  return %y\n}\n";
  const std::string lane_by_lane = "program @y(%x: f32[n=1, c=128, h=16, w=16],\n"
                                   "    %w: f32[i=128, o=64, h=4, w=4]) {\n"
                                   "  %0 = conv_transpose %x, %w {stride = 2, pad = 1}\n"
                                   "  %y = relu %0\n  return %y\n}\n";
  for (const std::string& text : {gelu, lane_by_lane}) {
    compiler::CompileRequest request;
    request.target = compiler::parse_target("znver4").value();
    const compiler::Compiled kernel = compiler::compile(ir::parse(text).value(), request).value();
    CHECK(kernel.report.text_bytes <= 3 * most_code_bytes);
  }
}

TEST_CASE("copies for taps at a border are no more than they are worth") {
  // 128 taps over 49 elements: every tile meets both ends of the image, for some taps in part.
  compiler::CompileRequest request;
  request.target = compiler::parse_target("znver4").value();
  const char* text = "program @y(%x: f32[n=1, c=768, w=49], %w: f32[o=768, i=48, w=128],\n"
                     "    %b: f32[o=768]) {\n"
                     "  %0 = conv %x, %w, %b {pad = 64, groups = 16}\n"
                     "  %y = gelu %0\n  return %y\n}\n";
  const compiler::Compiled kernel = compiler::compile(ir::parse(text).value(), request).value();
  CHECK(kernel.report.text_bytes <= 4 * most_code_bytes);
}

TEST_CASE("a function's numbers take no register from a tile that needs them all") {
  for (const auto& [function, type] :
       {std::pair("gelu", "f32"), std::pair("silu", "f32"), std::pair("silu", "f64")}) {
    const std::string text =
        fmt::format("program @y(%x: {1}[n=1, h=7, w=7, c=320],\n"
                    "    %w: {1}[o=1280, i=320, h=1, w=1], %b: {1}[o=1280]) {{\n"
                    "  %0 = conv %x, %w, %b\n  %y = {0} %0\n"
                    "  return %y\n}}\n",
                    function, type);
    compiler::CompileRequest request = tests::request_for("znver4");
    request.assembly = true;
    const compiler::Compiled kernel = compiler::compile(ir::parse(text).value(), request).value();
    CAPTURE(function, type, kernel.report.nests.front().schedule);
    REQUIRE(kernel.report.nests.front().registers >= 24);
    if (type == std::string("f32")) CHECK(kernel.report.text_bytes <= 2 * most_code_bytes);
    const Lines code = hottest_loop(lines_of(kernel.assembly));
    CHECK(std::none_of(code.begin(), code.end(), [](const std::string& line) {
      return tests::has(line, "%zmm") && tests::has(line, "(%rsp)");
    }));
  }
}

TEST_CASE("a requantized vector is clamped once, and looked at for no NaN") {
  for (const std::string zero_point : {"", ", zero_point = 3"}) {
    const std::string text =
        "program @y(%x: u8[n=1, h=8, w=8, c=64], %w: i8[o=64, i=64, h=1, w=1],\n"
        "    %b: i32[o=64]) {\n  %0 = conv %x, %w, %b\n"
        "  %y = requantize %0 {scale = 0.01" +
        zero_point + "} : u8[n=1, h=8, w=8, c=64]\n  return %y\n}\n";
    compiler::CompileRequest request = tests::request_for("znver4");
    request.assembly = true;
    const Lines code = lines_of(compiler::compile(ir::parse(text).value(), request)->assembly);
    const int64_t vectors = count(code, "\tvcvtdq2ps");
    CHECK(vectors > 0);
    CHECK(count(code, "\tvmaxps") == vectors);
    CHECK(count(code, "\tvminps") == vectors);
    CHECK(count(code, "\tvcvtps2dq") == vectors);
    CHECK(count(code, "\tvpmovdb") == vectors);
    CHECK(count(code, "\tvcmp") == 0);
    CHECK(count(code, "\tvrndscale") == 0);
    CHECK(count(code, "\tvaddps") == 0);
  }
}
