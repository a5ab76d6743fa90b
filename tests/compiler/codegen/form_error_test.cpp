// The stated error of every form, measured: kernels of each on this machine, on normally
// distributed data, against the same program in double.

#include "compiler/compile.h"
#include "compiler/rewrites/form.h"
#include "ir/number.h"
#include "ir/parse.h"
#include "ir/reference.h"
#include "ir/tensor_data.h"
#include "tests/support/catch.h"
#include "tests/support/kernel_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <regex>
#include <string>
#include <vector>

using namespace volute;
using volute::tests::Dice;

namespace {

using Numbers = std::vector<double>;

Numbers normal(Dice& dice, ir::ElementType type, int64_t count) {
  Numbers numbers;
  for (int64_t i = 0; i < count; ++i) numbers.push_back(ir::round_to(type, dice.normal()));
  return numbers;
}

/// The result of the program with every float in double.
Numbers in_double(const std::string& text, const std::map<std::string, Numbers>& inputs) {
  const ir::Program program =
      ir::parse(std::regex_replace(text, std::regex("\\bb?f(32|16)\\["), "f64[")).value();
  std::map<std::string, ir::TensorData> tensors;
  std::map<std::string, const ir::TensorData*> views;
  for (const auto& [name, numbers] : inputs)
    tensors[name] = ir::tensor_of(program.type(program.find(name).value()), numbers);
  for (const auto& [name, tensor] : tensors) views[name] = &tensor;
  return ir::elements_of(ir::evaluate(program, views).value().at("y"));
}

/// The largest error of a form's kernel.
double largest_error(const std::string& text, std::string_view form,
                     const std::map<std::string, Numbers>& inputs, const Numbers& exact) {
  const ir::Program program = ir::parse(text).value();
  compiler::CompileRequest request;
  request.accuracy = 1e6;
  request.schedule = fmt::format("form conv_y {}", form);
  const compiler::Compiled compiled = compiler::compile(program, request).value();
  tests::Tensors tensors;
  for (const auto& [name, numbers] : inputs)
    tensors[name] = ir::tensor_of(program.type(program.find(name).value()), numbers);
  const auto run =
      tests::KernelRun(compiled).run(program, tensors, tests::GuardedBuffer::Wall::at_end);
  REQUIRE(run.fault == "");
  const ir::ValueId y = program.outputs[0];
  const Numbers found = ir::elements_of({program.type(y), run.buffers[program.inputs.size()]});
  REQUIRE(found.size() == exact.size());
  double largest = 0;
  for (size_t i = 0; i < found.size(); ++i)
    largest = std::max(largest, std::abs(found[i] - exact[i]));
  return largest;
}

/// What a form states of a program's one convolution; nothing where it does not apply to it.
std::optional<double> stated(const std::string& text, const compiler::Form& form) {
  const ir::Program program = ir::parse(text).value();
  const ir::Statement& conv = *program.definition(*program.find("y"));
  if (form.obstacle(program, conv, compiler::host())) return std::nullopt;
  return form.error(program, conv);
}

/// A layer with new numbers for every seed.
struct Layer {
  std::string text;
  std::map<std::string, Numbers> inputs;
};

/// Over a few seeds, the error of the form in multiples of the direct form's; 0 where it never
/// applies. What is stated must hold for the largest.
template <class Make>
double measured(const std::string& what, std::string_view name, Make make) {
  const compiler::Form& form = *compiler::find_form(name);
  double of_form = 0, of_direct = 0, bound = 0;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    Dice dice(seed);
    const Layer layer = make(dice);
    const std::optional<double> claim = stated(layer.text, form);
    if (!claim) continue;
    bound = *claim;
    const Numbers exact = in_double(layer.text, layer.inputs);
    of_form = std::max(of_form, largest_error(layer.text, name, layer.inputs, exact));
    of_direct = std::max(of_direct, largest_error(layer.text, "direct", layer.inputs, exact));
  }
  if (of_direct == 0) return 0;
  const double ratio = of_form / of_direct;
  INFO(name << ", " << what);
  CHECK(ratio <= bound);
  return ratio;
}

enum class Taps { whole, any };

Layer separable_layer(Dice& dice, int64_t rows, int64_t columns, Taps taps) {
  Numbers column, row, filter;
  const auto draw = [&] {
    if (taps == Taps::any) return ir::round_to(ir::ElementType::f32, dice.normal());
    const double number = std::round(100 * dice.normal());
    return number == 0 ? 1 : number;
  };
  for (int64_t r = 0; r < rows; ++r) column.push_back(draw());
  for (int64_t c = 0; c < columns; ++c) row.push_back(draw());
  for (const double a : column)
    for (const double b : row) filter.push_back(ir::round_to(ir::ElementType::f32, a * b));
  const int64_t h = 64 + rows, w = 64 + columns;
  return {fmt::format("program @p(%x: f32[n=1, c=1, h={}, w={}]) {{\n"
                      "  %k = const [{}] : f32[o=1, i=1, h={}, w={}]\n"
                      "  %y = conv %x, %k\n  return %y\n}}\n",
                      h, w, fmt::join(filter, ", "), rows, columns),
          {{"x", normal(dice, ir::ElementType::f32, h * w)}}};
}

Layer narrow_layer(Dice& dice, int64_t channels, int64_t kernel) {
  const int64_t size = 12, outputs = 32;
  return {fmt::format("program @p(%x: bf16[n=1, h={0}, w={0}, c={1}], "
                      "%k: bf16[o={3}, i={1}, h={2}, w={2}]) {{\n"
                      "  %y = conv %x, %k : f32[n=1, h={4}, w={4}, c={3}]\n  return %y\n}}\n",
                      size, channels, kernel, outputs, size - kernel + 1),
          {{"x", normal(dice, ir::ElementType::bf16, size * size * channels)},
           {"k", normal(dice, ir::ElementType::bf16, outputs * channels * kernel * kernel)}}};
}

/// Some 13,000 results, and with many channels fewer.
Layer dense_layer(Dice& dice, int64_t channels, const std::vector<int64_t>& taps) {
  const int64_t outputs = channels >= 256 ? 8 : 32;
  const int64_t size = taps.size() == 1 ? 400 : taps.size() == 2 ? 14 : 10;
  std::string image, filter;
  int64_t elements = channels, numbers = outputs * channels;
  for (size_t i = 0; i < taps.size(); ++i) {
    const char axis = "dhw"[3 - taps.size() + i];
    image += fmt::format(", {}={}", axis, size), filter += fmt::format(", {}={}", axis, taps[i]);
    elements *= size, numbers *= taps[i];
  }
  return {fmt::format("program @p(%x: f32[n=1{0}, c={1}], %k: f32[o={2}, i={1}{3}]) {{\n"
                      "  %y = conv %x, %k\n  return %y\n}}\n",
                      image, channels, outputs, filter),
          {{"x", normal(dice, ir::ElementType::f32, elements)},
           {"k", normal(dice, ir::ElementType::f32, numbers)}}};
}

/// Results that are sums of so many products each, of 3x3 taps where those divide them.
Layer sums_of(Dice& dice, int64_t products, double scale_x, double scale_w,
              ir::ElementType element = ir::ElementType::f32) {
  const int64_t kernel = products % 9 == 0 && products > 64 ? 3 : 1;
  const int64_t channels = products / (kernel * kernel), outputs = 32;
  const int64_t size = (products >= 2304 ? 4 : 8) + kernel - 1, made = size - kernel + 1;
  const auto scaled = [&](int64_t count, double scale) {
    Numbers numbers;
    for (int64_t i = 0; i < count; ++i)
      numbers.push_back(ir::round_to(element, scale * dice.normal()));
    return numbers;
  };
  return {fmt::format("program @p(%x: {5}[n=1, h={0}, w={0}, c={1}], "
                      "%k: {5}[o={2}, i={1}, h={3}, w={3}]) {{\n"
                      "  %y = conv %x, %k : f32[n=1, h={4}, w={4}, c={2}]\n  return %y\n}}\n",
                      size, channels, outputs, kernel, made, to_string(element)),
          {{"x", scaled(size * size * channels, scale_x)},
           {"k", scaled(outputs * channels * kernel * kernel, scale_w)}}};
}

} // namespace

TEST_CASE("two passes of a separable filter err no more than is stated") {
  double largest = 0;
  for (const auto& [rows, columns] : {std::pair(2, 2),
                                      {2, 9},
                                      {9, 2},
                                      {3, 3},
                                      {3, 15},
                                      {5, 5},
                                      {7, 7},
                                      {11, 11},
                                      {15, 3},
                                      {21, 21}})
    for (const Taps taps : {Taps::whole, Taps::any})
      largest = std::max(largest,
                         measured(fmt::format("{} x {}, {}", rows, columns,
                                              taps == Taps::whole ? "exact factors" : "to an ulp"),
                                  "separable", [&, r = rows, c = columns](Dice& dice) {
                                    return separable_layer(dice, r, c, taps);
                                  }));
  CHECK(largest > 0);
}

TEST_CASE("products of bf16 that are added in pairs err no more than is stated") {
  if (!compiler::host().has("avx512bf16")) return; // the form has no other meaning
  for (const auto& [channels, kernel] : {std::pair(8, 3), {16, 1}, {64, 3}, {512, 1}, {256, 3}})
    CHECK(measured(fmt::format("{} channels, {} x {}", channels, kernel, kernel), "dot",
                   [&, c = channels, k = kernel](Dice& dice) { return narrow_layer(dice, c, k); }) >
          0);
}

TEST_CASE("Winograd's algorithm errs no more than is stated, and at 64 channels within 2") {
  const std::vector<std::pair<const char*, std::vector<int64_t>>> layers = {
      {"winograd2x2", {3, 3}},      {"winograd2x4", {3, 3}},      {"winograd4x4", {3, 3}},
      {"winograd4x1", {3, 1}},      {"winograd1x4", {1, 3}},      {"winograd4", {3}},
      {"winograd4x1x1", {3, 1, 1}}, {"winograd1x2x2", {3, 3, 3}}, {"winograd1x4x4", {3, 3, 3}},
      {"winograd1x4x4", {1, 3, 3}}, {"winograd2x2", {5, 5}},      {"winograd2x4", {5, 5}},
      {"winograd4x4", {5, 5}},      {"winograd4x4", {2, 2}},      {"winograd2x2", {4, 4}},
      {"winograd4x4", {4, 4}},      {"winograd2x2", {6, 6}},      {"winograd4", {4}},
      {"winograd2x2", {2, 2}},      {"winograd2x4", {4, 4}},      {"winograd4", {2}},
      {"winograd4x1", {2, 3}},      {"winograd2x2", {7, 7}},      {"winograd4", {5}}};
  for (const auto& [form, taps] : layers)
    for (const int64_t channels : {1, 3, 16, 32, 67, 64, 128, 256, 512}) {
      const double ratio =
          measured(fmt::format("{} channels", channels), form,
                   [&, &t = taps](Dice& dice) { return dense_layer(dice, channels, t); });
      INFO(form << " of " << fmt::format("{}", fmt::join(taps, "x")) << " taps and " << channels
                << " channels: " << ratio);
      CHECK(ratio > 0);
      const auto is_three = [](int64_t taps) { return taps == 1 || taps == 3; };
      if (channels >= 64 && channels % 2 == 0 && std::all_of(taps.begin(), taps.end(), is_three))
        CHECK(ratio <= 2);
    }
}

// The table of semantics.md. A kernel for this machine, and one that widens what it multiplies.
TEST_CASE(
    "sums of three and of two bf16 err no more than is stated, and three no more than direct") {
  for (const char* form : {"bf16x6", "bf16x3"}) {
    double worst = 0;
    for (const int64_t products : {2, 4, 16, 64, 256, 512, 576, 2304, 4608}) {
      const double ratio = measured(fmt::format("{} products a sum", products), form,
                                    [&](Dice& dice) { return sums_of(dice, products, 1, 1); });
      UNSCOPED_INFO(form << ", " << products << " products: " << ratio);
      CHECK(ratio > 0);
      worst = std::max(worst, ratio);
    }
    CHECK(worst < (form == std::string("bf16x6") ? 1.5 : 300));
  }
}

TEST_CASE(
    "f16 as sums of two bf16 err no more than direct by four products, and as stated by three") {
  for (const char* form : {"bf16x4", "bf16x3"})
    for (const int64_t products : {2, 4, 16, 64, 256, 512, 576, 2304, 4608}) {
      const double ratio =
          measured(fmt::format("{} products a sum of f16", products), form,
                   [&](Dice& dice) { return sums_of(dice, products, 1, 1, ir::ElementType::f16); });
      UNSCOPED_INFO(form << " of f16, " << products << " products: " << ratio);
      CHECK((ratio > 0 || products == 2)); // a direct sum of two may be exact
    }
}

TEST_CASE("they do so for images and filters of any size that keeps parts among normal numbers") {
  for (const char* form : {"bf16x6", "bf16x3"})
    for (const double scale : {1e-30, 1e-20, 1e-10, 1e10, 1e20, 1e30})
      for (const bool both : {false, true})
        CHECK(measured(
                  fmt::format("images of {}, weights of {}", scale, both ? 1 / scale : 1.0), form,
                  [&](Dice& dice) { return sums_of(dice, 576, scale, both ? 1 / scale : 1); }) > 0);
}
