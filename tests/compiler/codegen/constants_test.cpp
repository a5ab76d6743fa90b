// Kernels with constant operands against the reference, on whole numbers and every target: random
// convolutions whose weight is in the program, many of their taps 0, by the schedules that put
// numbers into the code, that leave taps out, and that do neither.

#include "compiler/compile.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/every_stage.h"
#include "tests/support/loop_kernel.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

using namespace volute;
using namespace volute::tests;

namespace {

compiler::Compiled compiled(const ir::Program& program, const std::string& target,
                            const std::string& schedule = "auto") {
  return compiler::compile(program, request_for(target, schedule)).value();
}

/// What the kernel gives that the reference does not, if anything.
std::string fault(const std::string& text, const std::string& target, const std::string& schedule,
                  const Closeness& closeness) {
  const ir::Program program = ir::parse(text).value();
  const Tensors inputs = whole_numbers(program, 7);
  Dice dice(7);
  return fault_of_kernel(compiled(program, target, schedule), program, inputs,
                         reference_memory(program, inputs), dice, closeness);
}

/// So many small whole numbers, about half of them 0; whole rows of zeros too.
std::string weights(Dice& dice, int64_t outer, int64_t kh, int64_t kw, bool is_unsigned) {
  std::vector<bool> is_empty;
  for (int64_t k = 0; k < kh * kw; ++k) is_empty.push_back(dice.once_in(3));
  std::vector<int64_t> numbers;
  for (int64_t i = 0; i < outer; ++i)
    for (int64_t k = 0; k < kh * kw; ++k)
      numbers.push_back(is_empty[static_cast<size_t>(k)] || dice.once_in(4) ? 0
                        : is_unsigned                                       ? dice.between(0, 6)
                                                                            : dice.between(-3, 3));
  return fmt::format("{}", fmt::join(numbers, ", "));
}

std::string random_convolution(Dice& dice) {
  const bool transposed = dice.once_in(4);
  const bool channels_last = dice.once_in(3);
  const std::string type =
      dice.one_of<std::string>({"f32", "f32", "f64", "bf16", "f16", "u8", "i8"});
  const bool bytes = type == "u8" || type == "i8";
  const int64_t groups = dice.one_of<int64_t>({1, 1, 1, 2, 3});
  const int64_t in = dice.one_of<int64_t>({1, 1, 2}), out = dice.one_of<int64_t>({1, 1, 2, 9});
  const int64_t kh = dice.between(1, 5), kw = dice.between(1, 5);
  const int64_t h = dice.between(6, 12), w = dice.between(8, 50);
  const std::string x = channels_last ? fmt::format("n=2, h={}, w={}, c={}", h, w, in * groups)
                                      : fmt::format("n=2, c={}, h={}, w={}", in * groups, h, w);
  const std::string k = transposed ? fmt::format("i={}, o={}", in * groups, out)
                                   : fmt::format("o={}, i={}", out * groups, in);
  std::vector<std::string> attributes = {
      fmt::format("groups = {}", groups),
      fmt::format("stride = {}", dice.one_of<int64_t>({1, 1, 2, 3})),
      fmt::format("dilation = {}", dice.once_in(4) ? 2 : 1)};
  // A transposed convolution's padding takes elements away.
  if (!transposed)
    attributes.push_back(fmt::format("pad = [({}, {}), ({}, {})]", dice.between(0, 5),
                                     dice.between(0, 5), dice.between(0, 5), dice.between(4, 5)));
  if (bytes)
    attributes.push_back(fmt::format("x_zero_point = {}, w_zero_point = {}", dice.between(0, 3),
                                     dice.between(0, 2)));
  const std::string w_type = bytes ? dice.one_of<std::string>({"u8", "i8"}) : type;
  return fmt::format("program @p(%x: {}[{}]) {{\n  %k = const [{}] : {}[{}, h={}, w={}]\n"
                     "  %0 = {} %x, %k {{{}}}\n  %y = relu %0\n  return %y\n}}\n",
                     type, x, weights(dice, in * out * groups, kh, kw, w_type == "u8"), w_type, k,
                     kh, kw, transposed ? "conv_transpose" : "conv", fmt::join(attributes, ", "));
}

int64_t multiply_adds(const std::string& text) {
  const ir::Program program = ir::parse(text).value();
  return compiled(program, "x86-64-v4").report.nests.back().executed_multiply_adds;
}

} // namespace

TEST_CASE("convolutions with constant weights are the reference's on every target") {
  Dice dice(11);
  int compared = 0;
  for (int round = 0; round < 60; ++round) {
    const std::string text = random_convolution(dice);
    const auto program = ir::parse(text);
    if (!program) continue; // a window larger than the padded image
    ++compared;
    for (const std::string& target : runnable_targets()) {
      INFO(target << "\n" << text);
      CHECK(fault(text, target, "auto", {Closeness::Kind::values, 0}) == "");
    }
  }
  CHECK(compared > 40);
}

TEST_CASE("schedules by hand put numbers into the code, whatever their tiles") {
  Dice dice(5);
  const char* const schedules[] = {
      "parallel n, o, h; for w by 16, i unroll, kh unroll, kw unroll; registers w 16 vector 8",
      "parallel n, h; for o by 2, w by 8, kh unroll, i unroll, kw unroll; registers o 2, w 8 "
      "vector 8",
      "parallel h, n, o by 3; for w by 24, i unroll, kw unroll, kh unroll; registers o 3, w 24 "
      "vector 8",
      "parallel n, o; for h by 2, w, kh unroll, kw unroll, i unroll; registers h 2",
      "parallel n, o by 4; for h, w by 8, i, kh, kw; registers o 4, w 8 vector 8; pack weight",
      "parallel n, h; for w by 4, o by 8, kh, i, kw; registers w 4, o 8 vector 8; pack weight"};
  for (const char* schedule : schedules)
    for (int round = 0; round < 6; ++round) {
      const std::string text = fmt::format(
          "program @p(%x: f32[n=2, c=2, h=9, w=37]) {{\n"
          "  %k = const [{}] : f32[o=5, i=2, h=3, w=4]\n"
          "  %y = conv %x, %k {{pad = [({}, {}), ({}, {})], stride = [{}, {}]}}\n"
          "  return %y\n}}\n",
          weights(dice, 10, 3, 4, false), dice.between(0, 3), dice.between(0, 3),
          dice.between(0, 4), dice.between(0, 4), dice.between(1, 2), dice.between(1, 2));
      INFO(schedule << "\n" << text);
      CHECK(fault(text, "native", schedule, {Closeness::Kind::values, 0}) == "");
    }
}

TEST_CASE("an edge filter takes five multiply-adds a pixel") {
  const auto edges = [](const std::string& x, const std::string& k, const std::string& attributes) {
    return "program @p(%x: " + x + ") {\n  %k = const [0, -1, 0, -1, 4, -1, 0, -1, 0] : " + k +
           "\n  %y = conv %x, %k {" + attributes + "}\n  return %y\n}\n";
  };
  const std::string plain = "f32[o=1, i=1, h=3, w=3]";
  CHECK(multiply_adds(edges("f32[n=1, c=1, h=34, w=66]", plain, "")) == 5 * 32 * 64);
  CHECK(multiply_adds(edges("f32[n=1, h=34, w=66, c=1]", plain, "")) == 5 * 32 * 64);
  // The first and the last row have no neighbour on one side.
  CHECK(multiply_adds(edges("f32[n=1, c=1, h=32, w=64]", plain, "pad = 1")) == (5 * 32 - 2) * 64);
  // What counts is the weight less its zero point.
  CHECK(multiply_adds("program @p(%x: u8[n=1, c=1, h=34, w=66]) {\n"
                      "  %k = const [7, 6, 7, 6, 11, 6, 7, 6, 7] : u8[o=1, i=1, h=3, w=3]\n"
                      "  %y = conv %x, %k {w_zero_point = 7}\n  return %y\n}\n") == 5 * 32 * 64);
}

TEST_CASE("taps that are 0 for all channels of a large filter are left out") {
  const auto count = [](bool cross) {
    std::string taps;
    for (int64_t channel = 0; channel < 16 * 16; ++channel)
      for (int64_t k = 0; k < 9; ++k)
        taps +=
            fmt::format("{}{}", taps.empty() ? "" : ", ", cross && k % 2 == 0 && k != 4 ? 0 : 2);
    return multiply_adds("program @p(%x: f32[n=1, h=16, w=16, c=16]) {\n  %k = const [" + taps +
                         "] : f32[o=16, i=16, h=3, w=3]\n  %y = conv %x, %k\n  return %y\n}\n");
  };
  CHECK(9 * count(true) == 5 * count(false));
}

TEST_CASE("a batch_norm in the weight, two passes and folded tables are the reference's") {
  const char* const programs[] = {
      "program @p(%x: f32[n=2, c=4, h=9, w=11]) { %w = const [1, 2, 3, 4, 5, 6, 7, 8, 1, 0, -1, 2] "
      ": "
      "f32[o=6, i=2, h=1, w=1] %b = const [1, 2, 3, 4, 5, 6] : f32[o=6] "
      "%0 = conv %x, %w, %b {groups = 2} %s = const [2, 4, 6, 8, 2, 4] : f32[c=6] "
      "%t = const [1, 1, 2, 2, 3, 3] : f32[c=6] %m = const [1, 2, 3, 4, 5, 6] : f32[c=6] "
      "%v = const [4, 16, 4, 1, 4, 4] : f32[c=6] "
      "%y = batch_norm %0, %s, %t, %m, %v {epsilon = 0} return %y }",
      "program @p(%x: f32[n=2, c=4, h=5, w=6]) { %w = const [1, 2, 3, 4, 5, 6, 7, 8, 1, 0, -1, 2] "
      ": "
      "f32[i=4, o=3, h=1, w=1] %0 = conv_transpose %x, %w {groups = 2, stride = 2} "
      "%s = const [2, 4, 6, 8, 2, 4] : f32[c=6] "
      "%t = const [1, 1, 2, 2, 3, 3] : f32[c=6] %m = const [1, 2, 3, 4, 5, 6] : f32[c=6] "
      "%v = const [4, 16, 4, 1, 4, 4] : f32[c=6] "
      "%y = batch_norm %0, %s, %t, %m, %v {epsilon = 0} return %y }",
      // A constant image, of which one lane meets a tap: its number is not that of all lanes.
      "program @p(%x: f32[n=1, c=1, w=4]) { %i = const [1, 2] : f32[n=1, c=1, w=2] "
      "%w = const [1, 10, 100] : f32[i=1, o=1, w=3] "
      "%0 = conv_transpose %i, %w {stride = 2, pad = [(0, 1)]} %y = add %0, %x return %y }",
      "program @p() { %i = const [1, 2] : f32[n=1, c=1, w=2] "
      "%w = const [1, 10, 100] : f32[o=1, i=1, w=3] %y = conv %i, %w {pad = 2} return %y }",
      // Nothing to fold into: one multiply-add.
      "program @p(%x: f32[n=2, c=2, h=5, w=6]) { %s = const [2, 4] : f32[c=2] "
      "%t = const [1, 3] : f32[c=2] %m = const [1, 2] : f32[c=2] %v = const [4, 16] : f32[c=2] "
      "%y = batch_norm %x, %s, %t, %m, %v {epsilon = 0} return %y }",
      "program @p(%x: f64[n=1, c=1, h=12, w=23]) { %k = const [1, 2, 3, 2, 1, 2, 4, 6, 4, 2, 3, 6, "
      "9, "
      "6, 3, 2, 4, 6, 4, 2, 1, 2, 3, 2, 1] : f64[o=1, i=1, h=5, w=5] %b = const [3] : f64[o=1] "
      "%y = conv %x, %k, %b {pad = [(2, 1), (3, 0)], stride = [2, 1], dilation = [1, 2]} return %y "
      "}",
      // Sums of the weight for the zero points.
      "program @p(%x: u8[n=1, h=5, w=6, c=4]) { %k = const [1, 2, 3, 4, 5, 6, 7, 8] : "
      "i8[o=2, i=4, h=1, w=1] %y = conv %x, %k {x_zero_point = 3, w_zero_point = [1, 2]} return %y "
      "}"};
  for (const char* text : programs)
    for (const std::string& target : runnable_targets()) {
      INFO(target << "\n" << text);
      CHECK(fault(text, target, "auto", {Closeness::Kind::values, 0}) == "");
    }
}

TEST_CASE("nests that read only tables do not run") {
  const ir::Program program =
      ir::parse("program @p(%x: u8[n=1, h=5, w=6, c=4]) { %k = const [1, 2, 3, 4, 5, 6, 7, 8] : "
                "i8[o=2, i=4, h=1, w=1] %y = conv %x, %k {x_zero_point = 3} return %y }")
          .value();
  const compiler::Compiled kernel = compiled(program, "x86-64-v4");
  CHECK(kernel.stages.loops.steps.size() == 1);
  CHECK(kernel.image.steps.size() == 1);
}

TEST_CASE("an image holds a constant weight once, in the form in which it is read") {
  const struct {
    const char *x, *operation, *type, *weight;
    int64_t weights;
    const char* attributes = "";
  } layers[] = {
      {"f32[n=1, c=32, h=9, w=9]", "conv", "f32", "o=48, i=32, h=3, w=3", 48 * 32 * 9},
      {"f32[n=1, h=9, w=9, c=32]", "conv", "f32", "o=48, i=32, h=3, w=3", 48 * 32 * 9},
      {"f32[n=1, c=2, h=9, w=9, c=16]", "conv", "f32", "h=3, w=3, i=32, o=48", 48 * 32 * 9},
      {"bf16[n=1, h=9, w=9, c=32]", "conv", "bf16", "o=48, i=32, h=3, w=3", 48 * 32 * 9},
      {"u8[n=1, h=9, w=9, c=32]", "conv", "i8", "o=48, i=32, h=3, w=3", 48 * 32 * 9,
       "{x_zero_point = 3}"},
      {"f32[n=1, h=9, w=9, c=32]", "conv_transpose", "f32", "i=32, o=48, h=3, w=3", 48 * 32 * 9,
       "{stride = 2}"},
      {"f32[n=1, c=32, h=9, w=9]", "conv_transpose", "f32", "i=32, o=48, h=4, w=4", 48 * 32 * 16,
       "{stride = 2, pad = 1}"},
  };
  for (const auto& layer : layers)
    for (const char* target : {"haswell", "sapphirerapids"})
      for (const char* schedule : {"auto", "naive"}) {
        Dice dice(9);
        std::vector<int64_t> numbers; // no tap is left out
        for (int64_t i = 0; i < layer.weights; ++i) numbers.push_back(dice.between(1, 3));
        const std::string text = fmt::format(
            "program @p(%x: {}) {{ %w = const [{}] : {}[{}] %y = {} %x, %w {} return %y }}",
            layer.x, fmt::join(numbers, ", "), layer.type, layer.weight, layer.operation,
            layer.attributes);
        const compiler::Compiled kernel = compiled(ir::parse(text).value(), target, schedule);
        const compiler::Image& image = kernel.image;
        const auto bytes = static_cast<int64_t>(image.bytes.size() - image.text_bytes);
        // Without an instruction that takes pairs of bf16, they are packed as the f32 they become.
        const int64_t once = layer.weights * ir::size_of(*ir::element_type_from(layer.type));
        int64_t widened = std::string(layer.type) == "bf16" ? 2 * once : once;
        for (const compiler::StatementForms& form : kernel.report.forms)
          if (form.parts > 0) // as so many bf16 each, of 48 output channels rounded up to 64
            widened = form.parts * 2 * layer.weights / 48 * 64;
        CAPTURE(layer.x, layer.operation, target, schedule);
        CHECK(bytes >= once);
        CHECK(bytes < widened + widened / 4 + 8192); // a sum a channel, numbers of arithmetic
      }
}

TEST_CASE("a constant weight that two steps read in two forms is there in both") {
  std::vector<int64_t> numbers(64 * 64);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int64_t>(i % 7) - 3;
  const std::string text = fmt::format(
      "program @p(%x: f32[n=1, h=4, w=64, c=64]) {{ %w = const [{}] : f32[o=64, i=64, h=1, w=1] "
      "%0 = conv %x, %w %1 = max_pool %0 {{kernel = 1}} %y = conv %1, %w return %y }}",
      fmt::join(numbers, ", "));
  const std::string packed =
      "parallel h, o by 16\nfor w by 4, i\nregisters w 4, o 16 vector 8\npack weight\n";
  const std::string plain = "parallel h, w, o\nfor i\n";
  const auto constants = [&](const std::string& schedule) {
    const compiler::Image image = compiled(ir::parse(text).value(), "haswell", schedule).image;
    return static_cast<int64_t>(image.bytes.size() - image.text_bytes);
  };
  constexpr int64_t once = 4 * 64 * 64;
  CHECK(constants("nest conv_0:\n" + packed + "nest conv_y:\n" + plain) >= 2 * once);
  CHECK(constants("nest conv_0:\n" + plain + "nest conv_y:\n" + plain) < once + 4096);
}
