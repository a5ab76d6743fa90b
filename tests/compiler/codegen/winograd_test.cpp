// Winograd's algorithm at every stage: the reference, the nests and the loops on their evaluators,
// and kernels between walls. Whole numbers, so that a result that is off by one is wrong: what
// rounding does to them is far less than that.

#include "compiler/compile.h"
#include "compiler/rewrites/form.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/every_stage.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace volute;
using namespace volute::tests;

namespace {

struct Layer {
  int64_t images = 1, inputs = 3, outputs = 5;
  std::vector<int64_t> image = {9, 9}, taps = {3, 3}; // along each axis of space
  std::string attributes = "pad = 1";
  bool channels_last = true;
  std::string then = "relu %0";
  std::string extra = ""; // an input that what follows reads

  std::string text() const {
    const auto along_axes = [](const std::vector<int64_t>& extents) {
      std::string text;
      for (size_t i = 0; i < extents.size(); ++i)
        text += fmt::format(", {}={}", std::string_view("dhw")[3 - extents.size() + i], extents[i]);
      return text;
    };
    const std::string channels = fmt::format(", c={}", inputs), space = along_axes(image);
    return fmt::format("program @p(%x: f32[n={}{}], %w: f32[o={}, i={}{}], %b: f32[o={}]{}) {{\n"
                       "  %0 = conv %x, %w, %b {{{}}}\n  %y = {}\n  return %y\n}}\n",
                       images, channels_last ? space + channels : channels + space, outputs, inputs,
                       along_axes(taps), outputs, extra, attributes, then);
  }
};

compiler::CompileRequest request_for_form(const std::string& form,
                                          const std::string& target = "native",
                                          int64_t l2_bytes = 0) {
  compiler::CompileRequest request = request_for(target, "form conv_y " + form);
  if (l2_bytes) request.target.l2_bytes = l2_bytes;
  request.accuracy = 1000;
  return request;
}

/// In how many nests the steps of a layer are: bands make one of several.
size_t check(const Layer& layer, const std::string& form, const std::string& target = "native",
             int64_t l2_bytes = 0) {
  const ir::Program program = ir::parse(layer.text()).value();
  const compiler::CompileRequest request = request_for_form(form, target, l2_bytes);
  const compiler::Compiled compiled = compiler::compile(program, request).value();
  INFO(layer.text() << form << " for " << target << ", L2 " << l2_bytes);
  const bool is_exact = compiler::find_form(form)->keeps_whole_numbers;
  Chain chain;
  chain.nests = chain.loops = {Closeness::Kind::near, is_exact ? 1e-30 : 0.1};
  Dice dice(7);
  CHECK(fault_of_stages(compiled, program, whole_numbers(program, 3), dice, chain) == "");
  return compiled.stages.loops.steps.size();
}

const std::vector<std::string> all_forms = {"winograd2x2", "winograd2x4", "winograd4x4"};

} // namespace

TEST_CASE("images of every size modulo the tile, in both layouts") {
  for (const std::string& form : all_forms)
    for (const bool channels_last : {true, false})
      for (const auto& [height, width] :
           {std::pair(8, 9), {9, 10}, {10, 7}, {11, 8}, {3, 3}, {1, 5}, {13, 2}}) {
        Layer layer;
        layer.image = {height, width}, layer.channels_last = channels_last;
        check(layer, form);
      }
}

TEST_CASE("any padding, or none") {
  for (const std::string& form : all_forms)
    for (const char* pad : {"0", "2", "[(0, 1), (1, 0)]", "[(2, 0), (0, 2)]", "[(1, 3), (5, 1)]"}) {
      Layer layer;
      layer.attributes = fmt::format("pad = {}", pad), layer.image = {6, 7};
      check(layer, form);
      layer.channels_last = false;
      check(layer, form);
    }
}

TEST_CASE("channels of every number, and several images") {
  for (const std::string& form : all_forms)
    for (const auto& [inputs, outputs] : {std::pair(1, 1), {2, 17}, {16, 16}, {33, 8}, {19, 40}})
      for (const bool channels_last : {true, false}) {
        Layer layer;
        layer.images = 2, layer.inputs = inputs, layer.outputs = outputs, layer.image = {9, 13};
        layer.channels_last = channels_last;
        check(layer, form);
      }
}

TEST_CASE("rows of tiles in bands of every size are one step, with the same numbers") {
  for (const bool channels_last : {true, false})
    for (const int64_t height : {16, 19, 23})
      for (const int64_t kib : {8, 20, 40}) {
        Layer layer;
        layer.images = 2, layer.inputs = 8, layer.outputs = 12;
        layer.image = {height, 14}, layer.channels_last = channels_last;
        for (const std::string& form : all_forms) {
          INFO(form << ", " << kib << " KiB");
          // The filter is transformed and packed by steps of their own.
          CHECK(check(layer, form, "native", kib * 1024) == 3);
        }
      }
}

namespace {

/// Forms by how many axes of space they are of, with taps that they compute.
struct Other {
  std::string form;
  std::vector<int64_t> taps;
};
const std::vector<Other> other_ranks = {
    {"winograd4", {3}},           {"winograd4", {5}},           {"winograd4x1", {3, 1}},
    {"winograd4x1", {3, 3}},      {"winograd4x1", {4, 2}},      {"winograd1x4", {1, 3}},
    {"winograd1x4", {2, 3}},      {"winograd4x1x1", {3, 1, 1}}, {"winograd4x1x1", {3, 2, 1}},
    {"winograd1x2x2", {3, 3, 3}}, {"winograd1x2x2", {1, 3, 3}}, {"winograd1x4x4", {3, 3, 3}},
    {"winograd1x4x4", {1, 3, 3}}};

std::vector<int64_t> some_extents(Dice& dice, size_t axes) {
  std::vector<int64_t> extents;
  for (size_t i = 0; i < axes; ++i) extents.push_back(dice.between(4, 11));
  return extents;
}

} // namespace

TEST_CASE("in one and three dimensions, and along one axis of two") {
  Dice dice(5);
  for (const Other& other : other_ranks)
    for (const bool channels_last : {true, false})
      for (const char* attributes : {"pad = 1", "pad = 0"}) {
        Layer layer;
        layer.images = dice.between(1, 2), layer.inputs = dice.between(1, 20);
        layer.outputs = dice.between(1, 20), layer.channels_last = channels_last;
        layer.image = some_extents(dice, other.taps.size()), layer.taps = other.taps;
        for (int64_t& extent : layer.image) extent = std::max<int64_t>(extent, 5);
        layer.attributes = attributes;
        check(layer, other.form);
      }
}

TEST_CASE("an axis that is summed directly takes any stride, dilation and padding") {
  Layer layer;
  for (const char* attributes :
       {"pad = [2, 1, 1], stride = [2, 1, 1]",
        "pad = [(0, 3), (0, 0), (0, 0)], dilation = [2, 1, 1]",
        "pad = [(3, 1), (2, 0), (0, 2)], stride = [3, 1, 1], dilation = [2, 1, 1]"})
    for (const char* form : {"winograd1x2x2", "winograd1x4x4"})
      for (const bool channels_last : {true, false}) {
        layer.image = {7, 9, 10}, layer.taps = {3, 3, 3}, layer.attributes = attributes;
        layer.channels_last = channels_last;
        check(layer, form);
      }
  layer.image = {11, 12}, layer.taps = {3, 3},
  layer.attributes = "pad = [(1, 1), (0, 2)], stride = [1, 3]";
  check(layer, "winograd4x1");
  layer.attributes = "pad = [(2, 2), (1, 1)], stride = [2, 1], dilation = [3, 1]";
  check(layer, "winograd1x4");
}

TEST_CASE("bands are cut along an axis where they compute nothing twice") {
  for (const bool channels_last : {true, false})
    for (const auto& [form, taps] :
         {std::pair<std::string, std::vector<int64_t>>{"winograd1x4x4", {3, 3, 3}},
          {"winograd1x2x2", {1, 3, 3}},
          {"winograd4x1x1", {3, 1, 1}}}) {
      Layer layer;
      layer.inputs = 8, layer.outputs = 12, layer.image = {9, 14, 11}, layer.taps = taps;
      layer.channels_last = channels_last;
      INFO(form);
      CHECK(check(layer, form, "native", 20 * 1024) == 3);
    }
}

TEST_CASE("for other targets") {
  for (const char* target : {"x86-64-v3", "x86-64-v2", "sapphirerapids"})
    for (const bool channels_last : {true, false}) {
      Layer layer;
      layer.inputs = 16, layer.outputs = 24, layer.image = {10, 9},
      layer.channels_last = channels_last;
      check(layer, "winograd2x2", target);
      check(layer, "winograd4x4", target, 16 * 1024);
    }
}

TEST_CASE("what is folded into the result is, whatever it reads") {
  for (const bool channels_last : {true, false}) {
    Layer layer;
    layer.channels_last = channels_last;
    layer.then = "add %0, %r";
    layer.extra = channels_last ? ", %r: f32[n=1, h=9, w=9, c=5]" : ", %r: f32[n=1, c=5, h=9, w=9]";
    check(layer, "winograd4x4");
    layer.then = "mul %0, %v";
    layer.extra = ", %v: f32[c=5]";
    check(layer, "winograd4x4");
  }
}

TEST_CASE("a filter that is a constant is transformed when compiling") {
  std::vector<double> numbers;
  for (int i = 0; i < 135; ++i) numbers.push_back(i % 7 - 3);
  const ir::Program program = ir::parse(with_constant(Layer().text(), "w", numbers)).value();
  const compiler::Compiled compiled =
      compiler::compile(program, request_for_form("winograd2x2")).value();
  for (const ir::Step& step : compiled.stages.loops.steps)
    CHECK((step.name != "transform_w" && !step.name.starts_with("pack")));
  Dice dice(7);
  CHECK(fault_of_stages(compiled, program, whole_numbers(program, 3), dice) == "");
}

TEST_CASE("convolutions that it does not compute are refused with the reason") {
  const auto refusal = [](const std::string& program, const std::string& form = "winograd2x2") {
    compiler::CompileRequest request;
    request.schedule = "form conv_y " + form;
    const auto compiled = compiler::compile(ir::parse(program).value(), request);
    return compiled ? "" : compiled.diagnostics().front().message;
  };
  const auto conv = [&](const std::string& x, const std::string& w, const std::string& attributes,
                        const std::string& form = "winograd2x2") {
    return refusal(fmt::format("program @p(%x: {}, %w: {}) {{ %y = conv %x, %w {} return %y }}", x,
                               w, attributes),
                   form);
  };
  const std::string x = "f32[n=1, h=9, w=9, c=4]", w = "f32[o=4, i=4, h=3, w=3]";
  CHECK(conv(x, w, "") == "");
  CHECK(conv(x, w, "{stride = 2}") == "form conv_y winograd2x2: its stride is 2");
  CHECK(conv(x, w, "{dilation = 2}") == "form conv_y winograd2x2: its dilation is 2");
  CHECK(conv(x, "f32[o=4, i=2, h=3, w=3]", "{groups = 2}") ==
        "form conv_y winograd2x2: it has 2 groups");
  CHECK(conv(x, "f32[o=4, i=4, h=1, w=3]", "") ==
        "form conv_y winograd2x2: its filter has one tap along h");
  CHECK(conv("f64[n=1, h=9, w=9, c=4]", "f64[o=4, i=4, h=3, w=3]", "") ==
        "form conv_y winograd2x2: its elements are f64, not f32");
  CHECK(conv("f32[n=1, w=9, c=4]", "f32[o=4, i=4, w=3]", "") ==
        "form conv_y winograd2x2: its image has 1 axes of space, and tiles have 2");
  CHECK(conv(x, "f32[o=4, i=4, h=7, w=3]", "{pad = 3}", "winograd4x4") ==
        "form conv_y winograd4x4: tiles of 4 outputs of 7 taps have 10 points, more than 8");
  CHECK(conv(x, w, "", "winograd4x4") ==
        "form conv_y winograd4x4: its error is up to 7 times that of a direct sum, and 2 is "
        "asked for");
}
