// f32 as sums of bf16 at every stage: the reference, the nests and the loops on their evaluators,
// and kernels between walls. Whole numbers of more digits than a bf16 has, so that every one of the
// products counts; then numbers at the ends of the range, within what semantics.md states.

#include "compiler/compile.h"
#include "compiler/nests/weight_expression.h"
#include "compiler/rewrites/form.h"
#include "ir/number.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/every_stage.h"
#include "tests/support/stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace volute;
using namespace volute::tests;
using Catch::Matchers::ContainsSubstring;

namespace {

using Numbers = std::vector<double>;

compiler::CompileRequest request_for_form(const std::string& form,
                                          const std::string& target = "native",
                                          int64_t l2_bytes = 0, const std::string& schedule = "") {
  compiler::CompileRequest request = request_for(target, "form conv_y " + form + "; " + schedule);
  if (l2_bytes) request.target.l2_bytes = l2_bytes;
  request.accuracy = 1e6;
  return request;
}

struct Layer {
  std::string x, w, attributes = "{}", operation = "conv", element = "f32";
  std::string text() const {
    return fmt::format("program @p(%x: {4}[{0}], %w: {4}[{1}]) {{\n"
                       "  %y = {2} %x, %w {3}\n  return %y\n}}\n",
                       x, w, operation, attributes, element);
  }
};

/// Whole numbers of so many, at most.
Numbers whole(Dice& dice, int64_t count, int64_t most) {
  Numbers numbers;
  for (int64_t i = 0; i < count; ++i)
    numbers.push_back(static_cast<double>(dice.between(-most, most)));
  return numbers;
}

Tensors tensors_of(const ir::Program& program, const Numbers& x, const Numbers& w) {
  return {{"x", ir::tensor_of(program.type(*program.find("x")), x)},
          {"w", ir::tensor_of(program.type(*program.find("w")), w)}};
}

/// Every stage, on whole numbers up to some of the image and of the weight; the stages.
compiler::Stages check(const Layer& layer, int64_t most_x, int64_t most_w,
                       const std::string& form = "bf16x6", const std::string& target = "native",
                       int64_t l2_bytes = 0) {
  const ir::Program program = ir::parse(layer.text()).value();
  Dice dice(5);
  const Tensors inputs =
      tensors_of(program, whole(dice, program.type(program.inputs[0]).elements(), most_x),
                 whole(dice, program.type(program.inputs[1]).elements(), most_w));
  compiler::CompileRequest request = request_for_form(form, target, l2_bytes);
  if (layer.operation != "conv") request.schedule = "form conv_transpose_y " + form;
  const compiler::Compiled compiled = compiler::compile(program, request).value();
  INFO(layer.text() << form << " for " << target << ", L2 " << l2_bytes);
  Chain chain;
  chain.kernel = {Closeness::Kind::values, 0}; // the instruction rounds in its own way
  CHECK(fault_of_stages(compiled, program, inputs, dice, chain) == "");
  return compiled.stages;
}

const Layer last = {"n=2, h=6, w=7, c=4", "o=5, i=4, h=3, w=3", "{pad = 1}"};

/// A layer of one result whose taps are all channels: a sum as it is written.
Layer sum_of(int64_t taps) {
  return {fmt::format("n=1, h=1, w=1, c={}", taps), fmt::format("o=2, i={}, h=1, w=1", taps)};
}

struct Sum {
  float found = 0, direct = 0;
  double exact = 0, magnitude = 0; // the magnitudes of all products
};

/// x0 w0 + x1 w1 + ..., by a form and directly.
Sum sum(const std::string& form, Numbers x, const Numbers& w,
        const std::string& target = "native") {
  const ir::Program program = ir::parse(sum_of(std::ssize(x)).text()).value();
  Numbers both = w;
  both.insert(both.end(), w.begin(), w.end()); // of two output channels
  const Tensors inputs = tensors_of(program, x, both);
  const auto run = [&](const std::string& of) {
    const compiler::Compiled compiled =
        compiler::compile(program, request_for_form(of, target)).value();
    const auto made = KernelRun(compiled).run(program, inputs, GuardedBuffer::Wall::at_end);
    REQUIRE(made.fault == "");
    const ir::ValueId y = program.outputs[0];
    return static_cast<float>(
        ir::elements_of({program.type(y), made.buffers[program.inputs.size()]}).front());
  };
  Sum result{run(form), run("direct")};
  for (size_t i = 0; i < x.size(); ++i) {
    const double a = ir::round_to(ir::ElementType::f32, x[i]);
    const double b = ir::round_to(ir::ElementType::f32, w[i]);
    result.exact += a * b, result.magnitude += std::abs(a * b);
  }
  return result;
}

/// What semantics.md states for finite numbers whose products' magnitudes do not overflow.
double bound(const std::string& form, const Numbers& x, const Numbers& w, double magnitude) {
  const auto taps = static_cast<double>(x.size());
  const auto largest = [](const Numbers& all) {
    double most = 0;
    for (const double number : all) most = std::max(most, std::abs(number));
    return most;
  };
  const double left_out = form == "bf16x3" ? 0x1.8p-15 : 0x1.01p-23;
  return (left_out + 0x1p-24 * (1.1 * taps + 10)) * magnitude +
         taps * (0x1p-122 + 0x1p-125 * (largest(x) + largest(w)));
}

} // namespace

TEST_CASE("numbers of ten digits need two parts each, numbers of seventeen three") {
  for (const char* target : {"native", "x86-64-v3", "sapphirerapids"}) {
    check(last, 600, 600, "bf16x6", target);
    check(last, 100000, 4, "bf16x6", target);
    check(last, 4, 100000, "bf16x6", target);
    check(last, 256, 256, "bf16x3", target);
    check(last, 60000, 4, "bf16x3", target);
    check(last, 4, 60000, "bf16x3", target);
  }
}

TEST_CASE("convolutions of every kind, in both layouts") {
  const std::vector<Layer> layers = {
      {"n=2, c=4, h=6, w=7", "o=5, i=4, h=3, w=3", "{pad = 1}"},
      {"n=1, c=3, h=9, w=9", "o=17, i=3, h=3, w=3", "{stride = 2, pad = 1}"},
      {"n=1, h=9, w=11, c=3", "o=17, i=3, h=3, w=3", "{stride = [2, 3], pad = [(1, 0), (2, 2)]}"},
      {"n=1, h=9, w=9, c=6", "o=4, i=6, h=3, w=2", "{dilation = 2, pad = 2}"},
      {"n=1, h=5, w=6, c=8", "o=12, i=4, h=3, w=3", "{groups = 2, pad = 1}"},
      {"n=1, c=8, h=5, w=6", "o=12, i=2, h=1, w=3", "{groups = 4, pad = 1}"},
      {"n=3, w=20, c=5", "o=6, i=5, w=4", "{pad = 2}"},
      {"n=1, c=4, d=4, h=5, w=6", "o=3, i=4, d=2, h=3, w=3", "{pad = 1}"},
      {"n=1, h=4, w=5, c=40", "o=33, i=40, h=1, w=1"},
      // Of a kernel of one tap, every second or third place and no others are split.
      {"n=2, h=9, w=8, c=40", "o=5, i=40, h=1, w=1", "{stride = 2}"},
      {"n=1, c=6, h=7, w=11", "o=5, i=6, h=1, w=1", "{stride = [3, 2], pad = [1, 0]}"},
      {"n=1, h=9, w=10, c=4", "o=5, i=4, h=1, w=3", "{stride = 2, pad = [(0, 2), (1, 1)]}"},
      {"n=1, h=5, w=5, c=6", "h=3, w=3, i=6, o=9", "{pad = same}"},
      {"n=1, h=5, w=6, c=6", "i=6, o=5, h=4, w=4", "{stride = 2, pad = 1}", "conv_transpose"},
      {"n=1, c=4, h=4, w=5", "i=4, o=3, h=3, w=3", "{stride = 3, pad = 1}", "conv_transpose"},
      {"n=1, c=8, w=9", "i=8, o=2, w=3", "{groups = 2, dilation = 2}", "conv_transpose"},
  };
  for (Layer layer : layers) {
    const compiler::Stages stages = check(layer, 500, 300);
    check(layer, 20000, 4, "bf16x3");
    layer.element = "f16";
    check(layer, 4, 2047, "bf16x4"); // of eleven digits, as many as there are
    check(layer, 2047, 4, "bf16x4");
    check(layer, 100, 100, "bf16x3");
    for (const ir::Nest& nest : stages.nests.nests) {
      const bool adds = nest.kind == ir::NestKind::compute && compiler::weight_of(nest) >= 0;
      CHECK(nest.form == (adds ? "bf16x6" : ""));
    }
  }
}

TEST_CASE("the image is split a band of rows at a time, in scratch, where it would leave L2") {
  for (const char* axes : {"n=2, h=16, w=14, c=8", "n=2, c=8, h=16, w=14"}) {
    const compiler::Stages stages =
        check({axes, "o=12, i=8, h=3, w=3", "{pad = 1}"}, 600, 600, "bf16x6", "native", 64 * 1024);
    CHECK(stages.loops.steps.size() == 3); // the weight is split and packed by steps of their own
    bool in_scratch = false;
    for (const ir::Buffer& buffer : stages.pieces.buffers)
      in_scratch |= buffer.name == "x_parts" && buffer.role == ir::Buffer::Role::scratch;
    CHECK(in_scratch);
  }
}

TEST_CASE("a constant weight is split when compiling") {
  Numbers numbers;
  for (int i = 0; i < 180; ++i) numbers.push_back(301 * (i % 7 - 3));
  const ir::Program program = ir::parse(with_constant(last.text(), "w", numbers)).value();
  const compiler::Compiled compiled =
      compiler::compile(program, request_for_form("bf16x6")).value();
  for (const ir::Step& step : compiled.stages.loops.steps)
    CHECK((step.name == "split_x" || step.name == "conv_y"));
  Dice dice(7);
  Chain chain;
  chain.kernel = {Closeness::Kind::values, 0};
  CHECK(fault_of_stages(compiled, program, whole_numbers(program, 3), dice, chain) == "");
}

TEST_CASE("sums of numbers of any size are within what is stated") {
  for (const char* form : {"bf16x6", "bf16x3"})
    for (const char* target : {"native", "x86-64-v3"}) {
      Dice dice(11);
      const auto normal = [&](int64_t count, double scale) {
        Numbers all;
        for (int64_t i = 0; i < count; ++i) all.push_back(scale * dice.normal());
        return all;
      };
      const auto within = [&](const std::string& what, const Numbers& x, const Numbers& w) {
        const Sum s = sum(form, x, w, target);
        INFO(form << " for " << target << ", " << what);
        CHECK(std::abs(static_cast<double>(s.found) - s.exact) <= bound(form, x, w, s.magnitude));
      };
      constexpr int64_t taps = 97;
      for (const double scale : {1e-30, 1e-20, 1e-10, 1.0, 1e10, 1e30}) {
        within(fmt::format("an image of {}", scale), normal(taps, scale), normal(taps, 1));
        within(fmt::format("a weight of {}", scale), normal(taps, 1), normal(taps, scale));
        within(fmt::format("{} by its inverse", scale), normal(taps, scale),
               normal(taps, 1 / scale));
      }
      for (const double scale : {1e-45, 1e-40, 1e-38, 1e-37, 1e-35, 1e-33}) {
        within(fmt::format("an image at the denormal numbers, {}", scale), normal(taps, scale),
               normal(taps, 1));
        within(fmt::format("a weight of {}", scale), normal(taps, 1), normal(taps, scale));
        within(fmt::format("{} by 1e20", scale), normal(taps, scale), normal(taps, 1e20));
      }
      Numbers mixed = normal(taps, 1), others = normal(taps, 1);
      for (double& number : mixed)
        number = std::ldexp(number, static_cast<int>(dice.between(-60, 60)));
      for (double& number : others)
        number = std::ldexp(number, static_cast<int>(dice.between(-60, 60)));
      within("mixed magnitudes", mixed, others);
      Numbers twice = normal(taps, 1), weight = normal(taps, 1);
      for (int64_t i = 0; i < taps; ++i) twice.push_back(-twice[static_cast<size_t>(i)]);
      weight.insert(weight.end(), weight.begin(), weight.begin() + taps);
      twice.push_back(1e-5), weight.push_back(1); // what is left of it
      within("cancellation", twice, weight);
      // Each part is as large as it can be, and what is left out has one sign.
      within("parts of half an ulp", Numbers(taps, 1 + 0x1p-8 + 0x1p-16),
             Numbers(taps, 1 + 0x1p-8));
      within("and their like", Numbers(taps, 1 + 0x1p-8 - 0x1p-17),
             Numbers(taps, 1 + 0x1p-8 - 0x1p-17));
      within("an image whose first digits are cut", Numbers(taps, 1 + 0x1p-7 - 0x1p-15 - 0x1p-16),
             Numbers(taps, 1 + 0x1p-8 - 0x1p-17));
      // x1 would round to infinity beyond 2^128 - 2^119.
      const double most = std::numeric_limits<float>::max();
      within("the largest number", {most, most, -most}, {0x1p-20, 0x1.8p-40, 0x1.abcdefp-20});
      within("of the weight", {0x1p-20, 0x1.8p-40, 0x1.abcdefp-20}, {-most, most, most});
      within("where a bf16 ends", {0x1.fep127, 0x1.ff0002p127, 0x1.fefffep127, -0x1.ffp127},
             {0x1p-9, 0x1p-10, 0x1.fp-11, 0x1p-12});
    }
}

TEST_CASE("what is infinite or no number in a direct sum is so in this one") {
  const double inf = std::numeric_limits<double>::infinity(),
               nan = std::numeric_limits<double>::quiet_NaN(),
               full = std::bit_cast<double>(~uint64_t{0} >> 1); // a NaN of all bits
  const std::vector<std::pair<Numbers, Numbers>> all = {
      {{inf, 1, 1}, {1, 2, 3}},         {{1, 2, -inf}, {1, 2, 3.5}},  {{1, nan, 2}, {1, 2, 3}},
      {{1, 2, 3}, {inf, 1, 1}},         {{1, 2, 3}, {1, nan, 1}},     {{inf, -inf, 1}, {1, 1, 1}},
      {{inf, 1, 1}, {0, 1, 1}},         {{inf, 1, 1}, {1e-40, 1, 1}}, {{3e38, 3e38, 1}, {2, 2, 1}},
      {{3e38, 1, 3e38}, {3e38, 1, -1}}, {{0, 1, 1}, {inf, 1, 1}},     {{1, full, 2}, {1, 2, 3}},
      {{1, 2, 3}, {1, full, 1}},        {{1, -full, 2}, {1, 2, 3}},   {{1, 2, 3}, {1, -full, 1}},
  };
  for (const char* form : {"bf16x6", "bf16x3"})
    for (const char* target : {"native", "x86-64-v3"})
      for (const auto& [x, w] : all) {
        const Sum s = sum(form, x, w, target);
        INFO(form << " for " << target << ": " << x[0] << " * " << w[0] << " + " << x[1] << " * "
                  << w[1] << " + " << x[2] << " * " << w[2]);
        CHECK(!std::isfinite(s.direct));
        CHECK(!std::isfinite(s.found));
      }
}

TEST_CASE("the products of small parts come first, whatever the schedule") {
  const ir::Program program = ir::parse(last.text()).value();
  const auto refusal = [&](const std::string& schedule) {
    const auto made = compiler::specialise_program(
        program, request_for_form("bf16x6", "znver4", 0, "nest conv_y: " + schedule));
    return made ? "" : to_string(made.diagnostics().front());
  };
  const std::string tile = "i dot 2; registers w 3, o 16 vector 16; pack weight";
  CHECK(refusal("for n, h, w by 3, wp, xp, kh, kw, " + tile) == "");
  CHECK(refusal("for n, h, w by 3, xp, wp, kh, kw, " + tile) == "");
  CHECK_THAT(refusal("for n, h, w by 3, kh, wp, xp, kw, " + tile),
             ContainsSubstring("nest conv_y: for wp inside kh: the products of small parts are "
                               "added up first (put wp outside of all that is summed over)"));
}

TEST_CASE("convolutions that have no parts are refused with the reason") {
  const auto refusal = [](const std::string& program, const std::string& form = "bf16x6",
                          const std::string& target = "znver4") {
    compiler::CompileRequest request = tests::request_for(target, "form conv_y " + form);
    const auto compiled = compiler::specialise_program(ir::parse(program).value(), request);
    return compiled ? "" : compiled.diagnostics().front().message;
  };
  const auto conv = [&](const std::string& x, const std::string& w, const std::string& attributes,
                        const std::string& form = "bf16x6") {
    return refusal(fmt::format("program @p(%x: {}, %w: {}) {{ %y = conv %x, %w {} return %y }}", x,
                               w, attributes),
                   form);
  };
  const auto constant = [&](const std::string& numbers) {
    return refusal(fmt::format("program @p(%x: f32[n=1, w=3, c=2]) {{ %w = const [{}] : "
                               "f32[o=2, i=2, w=1] %y = conv %x, %w return %y }}",
                               numbers));
  };
  const std::string x = "f32[n=1, h=9, w=9, c=6]", w = "f32[o=4, i=6, h=3, w=3]";
  CHECK(conv(x, w, "") == "");
  CHECK(conv("f64[n=1, h=9, w=9, c=6]", "f64[o=4, i=6, h=3, w=3]", "") ==
        "form conv_y bf16x6: its elements are f64, not f32");
  CHECK(conv("f32[n=1, h=9, w=9, c=1]", "f32[o=4, i=1, h=3, w=3]", "") ==
        "form conv_y bf16x6: it adds one input channel, so there are no groups");
  CHECK(conv(x, "f32[o=2, i=3, h=3, w=3]", "{groups = 2}") ==
        "form conv_y bf16x6: it has one output channel a group, and vectors run along them");
  CHECK(conv(x, "f32[o=4, i=3, h=3, w=3]", "{groups = 2}") ==
        "form conv_y bf16x6: its groups have 3 input channels, an odd number");
  CHECK(conv("f32[n=1, c=3, h=9, w=9, c=2]", w, "") ==
        "form conv_y bf16x6: its image has split axes");
  CHECK_THAT(conv(x, w, "", "bf16x3"), ContainsSubstring("times that of a direct sum, and 2 is"));
  CHECK(refusal(last.text(), "bf16x6", "x86-64-v2") ==
        "form conv_y bf16x6: the target has no fused multiply-add");
  CHECK(constant("1, 2, 3, 4") == "");
  CHECK(constant("0, 0, 3, 4") == "");
  CHECK(constant("1, inf, 3, 4") == "form conv_y bf16x6: a number of its weight is not finite");
  CHECK(constant("1e-30, 1e-35, 3, 4") ==
        "form conv_y bf16x6: the weights of an output channel are at most 1e-30, and parts of them "
        "would be denormal");
}

TEST_CASE("where floats are multiplied faster than their parts, auto takes and tells of none") {
  compiler::CompileRequest request = request_for_form("bf16x6", "znver4");
  request.schedule = "auto";
  const ir::Program program = ir::parse(last.text()).value();
  for (const char* target : {"znver4", "cooperlake", "sapphirerapids-amx-tile", "haswell"}) {
    request.target = compiler::parse_target(target).value();
    const compiler::Stages stages = compiler::specialise_program(program, request).value();
    for (const compiler::FormReport& form : stages.report.forms.at(0).forms)
      CHECK(compiler::find_form(form.name)->parts == 0);
    CHECK(compiler::find_form(stages.report.forms[0].chosen)->parts == 0);
  }
}

TEST_CASE("on a matrix unit they are products of matrices, chosen where their error allows it") {
  const auto chosen = [](const std::string& attributes, double accuracy) {
    const Layer layer = {"n=1, h=56, w=56, c=64", "o=64, i=64, h=3, w=3", attributes};
    compiler::CompileRequest request = request_for_form("direct", "sapphirerapids");
    request.schedule = "auto", request.accuracy = accuracy;
    const auto stages =
        compiler::specialise_program(ir::parse(layer.text()).value(), request).value();
    const std::string& form = stages.report.forms.at(0).chosen;
    if (compiler::find_form(form)->parts > 0)
      CHECK_THAT(to_string(stages.schedules.at("conv_y")), ContainsSubstring("i tile 32"));
    return form;
  };
  // The last one takes Winograd's algorithm, until three products are allowed.
  for (const char* attributes : {"{pad = 2, dilation = 2}", "{pad = 1, stride = 2}", "{pad = 1}"}) {
    INFO(attributes);
    const bool is_plain = std::string(attributes) == "{pad = 1}";
    const std::string without = is_plain ? "winograd4x4" : "bf16x6";
    CHECK(chosen(attributes, 0) == "direct");
    CHECK(chosen(attributes, 2) == without);
    CHECK(chosen(attributes, 9) == without); // of 576 taps bf16x3 states 9.86
    CHECK(chosen(attributes, 10) == "bf16x3");
  }
}

TEST_CASE("a deterministic kernel is a direct sum") {
  compiler::CompileRequest request = request_for_form("bf16x6", "znver4");
  request.deterministic = true;
  const auto made = compiler::specialise_program(ir::parse(last.text()).value(), request);
  REQUIRE(!made);
  CHECK(made.diagnostics().front().message ==
        "form conv_y bf16x6: a deterministic kernel is a direct sum");
}

TEST_CASE("a step of a matrix unit loads the parts of an operand where they change") {
  const auto lines = [](const std::string& form, const std::string& with) {
    const ir::Program program =
        ir::parse(Layer{"n=1, h=14, w=14, c=64", "o=32, i=64, h=1, w=1"}.text()).value();
    const compiler::Compiled compiled =
        compiler::compile(program, request_for_form(form, "sapphirerapids")).value();
    const std::string text = to_string(compiled.stages.loops);
    int count = 0;
    // Of whole tiles: what is left of an axis is written once more.
    const std::string whole = text.substr(0, text.find("the last, smaller tile"));
    for (size_t at = 0; (at = whole.find(with, at)) != std::string::npos; ++at) ++count;
    return count;
  };
  // Six products, each with one operand of the one before: seven loads, and not twelve.
  CHECK(lines("bf16x6", "+= x_parts_[") == 6);
  CHECK(lines("bf16x6", "= load x_parts[") + lines("bf16x6", "= load w_parts_packed[") == 7);
  CHECK(lines("bf16x3", "= load x_parts[") + lines("bf16x3", "= load w_parts_packed[") == 4);
}

TEST_CASE(
    "an image in parts is stored by whole vectors, and comes from L1 for all taps of a step") {
  const auto loops = [](const char* size) {
    const ir::Program program = ir::parse(Layer{fmt::format("n=1, h={0}, w={0}, c=256", size),
                                                "o=256, i=256, h=3, w=3", "{pad = 1}"}
                                              .text())
                                    .value();
    return to_string(
        compiler::specialise_program(program, request_for_form("bf16x6", "sapphirerapids"))
            .value()
            .loops);
  };
  // Two vectors of f32 at a time become three of bf16, of 64 bytes each.
  const std::string text = loops("14");
  CHECK(text.find("store x_parts[0, 2, h, w, 32*c_v] x32 = bf16_cut(bits_as_f32(bits_as_i32("
                  "acc[c_v]) & -65536))") != std::string::npos);
  CHECK(text.find("bf16_flushed") == std::string::npos);
  // 32 channels of the image at a time, for all nine taps; their weights follow in this order.
  const size_t channels = text.find("for i_t in 0..8:"),
               taps = text.find("for kh in 0..3:", channels);
  CHECK(channels < taps);
  CHECK(text.find("load w_parts_packed[o_t, i_t, kh, kw, 2, ") != std::string::npos);
  // 32 lines of each part are asked for by 7 tiles, 5 by each, and once, though one is taken twice.
  int asked = 0;
  for (size_t at = 0; (at = text.find("prefetch w_parts_packed", at)) != std::string::npos; ++at)
    ++asked;
  CHECK(asked == 3 * 5);
}

TEST_CASE("of an image that is read at every second place no others are split") {
  const auto elements = [](const std::string& attributes) {
    const Layer layer{"n=1, h=16, w=16, c=32", "o=16, i=32, h=1, w=1", attributes};
    const ir::Program program = ir::parse(layer.text()).value();
    const compiler::Compiled compiled =
        compiler::compile(program, request_for_form("bf16x6", "sapphirerapids")).value();
    int64_t points = 0;
    for (const ir::Nest& nest : compiled.stages.nests.nests)
      if (nest.name == "split_x") points = nest.points();
    return points;
  };
  CHECK(elements("{}") == 16 * 16 * 32);
  CHECK(elements("{stride = 2}") == 8 * 8 * 32);
  CHECK(elements("{stride = [1, 4]}") == 16 * 4 * 32);
}
