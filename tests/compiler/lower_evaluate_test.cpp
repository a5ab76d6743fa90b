// reference(program) == evaluate(nests): exactly, on whole numbers, over the whole space of what is
// compiled; within rounding for the functions that round.

#include "compiler/lower.h"
#include "ir/parse.h"
#include "ir/reference.h"
#include "tests/support/catch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

using namespace volute;

namespace {

using Tensors = std::map<std::string, ir::TensorData>;

Tensors evaluate_nests(const ir::Program& program, const Tensors& inputs) {
  const ir::NestProgram nests = compiler::lower(program).value();
  for (const Diagnostic& finding : ir::verify(nests)) FAIL_CHECK(to_string(finding));
  ir::Memory memory = ir::allocate(nests.buffers);
  for (size_t i = 0; i < program.inputs.size(); ++i)
    memory[i] = inputs.at(program.name_of(program.inputs[i])).bytes;
  ir::evaluate(nests, memory);
  Tensors outputs;
  for (size_t i = 0; i < program.outputs.size(); ++i)
    outputs[program.name_of(program.outputs[i])] = {program.type(program.outputs[i]),
                                                    memory[program.inputs.size() + i]};
  return outputs;
}

Tensors evaluate_reference(const ir::Program& program, const Tensors& inputs) {
  std::map<std::string, const ir::TensorData*> views;
  for (const auto& [name, tensor] : inputs) views[name] = &tensor;
  return ir::evaluate(program, views).value();
}

// ---- random programs --------------------------------------------------------------------------

class Dice {
public:
  explicit Dice(uint32_t seed) : engine_(seed) {}
  int64_t between(int64_t least, int64_t most) {
    return least + static_cast<int64_t>(engine_() % static_cast<uint32_t>(most - least + 1));
  }
  bool chance(int64_t one_in) { return between(1, one_in) == 1; }
  template <class T>
  T one_of(std::vector<T> values) {
    return values[static_cast<size_t>(between(0, std::ssize(values) - 1))];
  }
  std::string list(size_t count, int64_t least, int64_t most) {
    std::vector<int64_t> values;
    for (size_t i = 0; i < count; ++i) values.push_back(between(least, most));
    return fmt::format("[{}]", fmt::join(values, ", "));
  }
  std::string type(std::vector<std::string> extents) {
    if (!chance(3))
      for (size_t i = extents.size(); i > 1; --i)
        std::swap(extents[i - 1],
                  extents[static_cast<size_t>(between(0, std::ssize(extents) - 1)) % i]);
    return fmt::format("f32[{}]", fmt::join(extents, ", "));
  }

private:
  std::mt19937 engine_;
};

const std::vector<std::string> space[] = {{}, {"w"}, {"h", "w"}, {"d", "h", "w"}};

std::string pads(Dice& dice, size_t rank) {
  if (dice.chance(5)) return dice.one_of<std::string>({"same_upper", "same_lower", "valid"});
  std::vector<std::string> sides;
  for (size_t i = 0; i < rank; ++i)
    sides.push_back(fmt::format("({}, {})", dice.between(0, 3), dice.between(0, 3)));
  return fmt::format("[{}]", fmt::join(sides, ", "));
}

std::vector<std::string> activation_extents(Dice& dice, size_t rank, int64_t channels) {
  std::vector<std::string> extents = {fmt::format("n={}", dice.between(1, 2)),
                                      fmt::format("c={}", channels)};
  for (const std::string& axis : space[rank])
    extents.push_back(fmt::format("{}={}", axis, dice.one_of<int64_t>({1, 3, 5, 7, 11})));
  return extents;
}

/// A statement whose result is %0, and the parameters that it needs.
struct Head {
  std::string parameters, statement;
  int64_t channels;
};

Head conv(Dice& dice, size_t rank) {
  const auto groups = dice.one_of<int64_t>({1, 1, 2, 3, 5});
  const int64_t inputs = dice.one_of<int64_t>({1, 1, 2, 3});
  const int64_t outputs = dice.one_of<int64_t>({1, 2, 3});
  std::vector<std::string> weight = {fmt::format("o={}", groups * outputs),
                                     fmt::format("i={}", inputs)};
  for (const std::string& axis : space[rank])
    weight.push_back(fmt::format("{}={}", axis, dice.between(1, 3)));
  const bool biased = dice.chance(2);
  return {fmt::format("%x: {}, %w: {}{}",
                      dice.type(activation_extents(dice, rank, groups * inputs)), dice.type(weight),
                      biased ? fmt::format(", %bias: f32[o={}]", groups * outputs) : ""),
          fmt::format("%0 = conv %x, %w{} {{groups = {}, stride = {}, dilation = {}, pad = {}}}",
                      biased ? ", %bias" : "", groups, dice.list(rank, 1, 3), dice.list(rank, 1, 3),
                      pads(dice, rank)),
          groups * outputs};
}

Head pool(Dice& dice, size_t rank) {
  const int64_t channels = dice.between(1, 5);
  std::string attributes = fmt::format(
      "kernel = {}, stride = {}, dilation = {}, pad = {}, ceil_mode = {}", dice.list(rank, 1, 4),
      dice.list(rank, 1, 3), dice.list(rank, 1, 2), pads(dice, rank), dice.chance(2));
  const bool average = dice.chance(2);
  if (average) {
    attributes += fmt::format(", count_include_pad = {}", dice.chance(2));
    if (dice.chance(4))
      attributes += fmt::format(", divisor = {}", dice.one_of<int64_t>({-3, 2, 7}));
  }
  return {"%x: " + dice.type(activation_extents(dice, rank, channels)),
          fmt::format("%0 = {} %x {{{}}}", average ? "avg_pool" : "max_pool", attributes),
          channels};
}

Head other(Dice& dice, size_t rank) {
  const int64_t channels = dice.between(1, 5);
  const std::string x = "%x: " + dice.type(activation_extents(dice, rank, channels));
  std::vector<std::string> sides;
  for (size_t i = 0; i < rank; ++i)
    sides.push_back(fmt::format("({}, {})", dice.between(-2, 3), dice.between(-2, 3)));
  return {x,
          dice.one_of<std::string>({"%0 = global_max_pool %x", "%0 = global_avg_pool %x",
                                    "%0 = relu %x", "%0 = mul %x, %x",
                                    fmt::format("%0 = pad %x {{pad = [{}], value = {}}}",
                                                fmt::join(sides, ", "), dice.between(-3, 3))}),
          channels};
}

// Statements on %A whose result does not depend on whether %A is rounded before or after, and
// others. Clamps are on both sides of most data.
const std::vector<std::string> choosing = {"relu %A",
                                           "relu6 %A",
                                           "clamp %A {min = -3}",
                                           "clamp %A {min = -2, max = 5}",
                                           "clamp %A {max = 4}",
                                           "abs %A",
                                           "neg %A",
                                           "max %A, %r",
                                           "min %A, %v",
                                           "reorder %A"};
const std::vector<std::string> computing = {"leaky_relu %A {slope = 0.5}",
                                            "prelu %A, %v",
                                            "prelu %A, %one",
                                            "add %A, %r",
                                            "sub %A, %r",
                                            "sub %r, %A",
                                            "mul %A, %v",
                                            "add %A, %A",
                                            "hardsigmoid %A",
                                            "batch_norm %A, %s, %v, %v, %var {epsilon = 0.25}"};

/// A program of a head and a chain after it, or nothing when the language refuses the head (a
/// window that does not fit, say).
std::optional<ir::Program> random_program(Dice& dice, std::string& text) {
  const auto rank = static_cast<size_t>(dice.between(1, 3));
  const Head head = dice.one_of<Head>({conv(dice, rank), pool(dice, rank), other(dice, rank)});
  const auto bare =
      ir::parse(fmt::format("program @p({}) {{ {} return %0 }}", head.parameters, head.statement));
  if (!bare) return std::nullopt;

  // Operands of the chain, one of the result's shape in a memory order of its own.
  std::vector<std::string> extents;
  for (const ir::Extent& extent : bare->type(bare->outputs[0]).extents)
    extents.push_back(fmt::format("{}={}", ir::to_char(extent.axis), extent.size));
  const std::string c = fmt::format("f32[c={}]", head.channels);
  text = fmt::format("program @p({}, %r: {}, %v: {}, %s: {}, %one: f32[c=1], %var: {}) {{\n  {}\n",
                     head.parameters, dice.type(extents), c, c, c, head.statement);
  const int64_t length = dice.between(0, 4);
  // An average is rounded in f32 and not in the reference, and so must not be computed with.
  const bool is_average = head.statement.find("avg") != std::string::npos;
  for (int64_t i = 0; i < length; ++i) {
    const bool only_choose = is_average || !dice.chance(2);
    const std::string statement = dice.one_of(only_choose ? choosing : computing);
    std::string filled = statement;
    for (size_t at; (at = filled.find("%A")) != std::string::npos;)
      filled.replace(at, 2, fmt::format("%{}", i));
    // A hardsigmoid is rounded too.
    const bool last = i + 1 == length;
    if (statement == "hardsigmoid %A" && !last) filled = fmt::format("abs %{}", i);
    if (dice.chance(3) || statement == "reorder %A") filled += " : " + dice.type(extents);
    text += fmt::format("  %{} = {}\n", i + 1, filled);
  }
  text += fmt::format("  return %{}{}\n}}\n", length,
                      length > 0 && dice.chance(4) ? fmt::format(", %{}", length - 1) : "");
  return ir::parse(text).value();
}

ir::TensorData whole_numbers(Dice& dice, const std::string& name, const ir::TensorType& type) {
  std::vector<double> elements;
  for (int64_t i = 0; i < type.elements(); ++i)
    elements.push_back(name == "var" ? dice.one_of<double>({0.75, 3.75, 15.75})
                                     : static_cast<double>(dice.between(-4, 4)));
  return ir::tensor_of(type, elements);
}

/// Equal as numbers, NaN equal to NaN.
bool same(const std::vector<double>& a, const std::vector<double>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

} // namespace

TEST_CASE("nests compute exactly what the reference does, on whole numbers") {
  int programs = 0;
  std::map<std::string, int> heads;
  for (uint32_t seed = 1; programs < 400; ++seed) {
    REQUIRE(seed < 4000);
    Dice dice(seed);
    std::string text;
    const std::optional<ir::Program> program = random_program(dice, text);
    if (!program) continue;
    INFO("seed " << seed << "\n" << text);
    Tensors inputs;
    for (ir::ValueId id : program->inputs)
      inputs[program->name_of(id)] = whole_numbers(dice, program->name_of(id), program->type(id));
    const Tensors wanted = evaluate_reference(*program, inputs);
    const Tensors found = evaluate_nests(*program, inputs);
    REQUIRE(wanted.size() == found.size());
    for (const auto& [name, tensor] : wanted)
      if (!same(ir::elements_of(tensor), ir::elements_of(found.at(name)))) {
        CAPTURE(name, ir::elements_of(tensor), ir::elements_of(found.at(name)));
        FAIL_CHECK("the nests differ from the reference");
      }
    ++programs;
    ++heads[std::string(ir::name(program->statements[0].operation))];
  }
  for (const char* word : {"conv", "max_pool", "avg_pool", "global_avg_pool", "pad", "relu"})
    CHECK(heads[word] >= 10);
}

TEST_CASE("a max_pool keeps NaN wherever it stands in the window") {
  const ir::Program program = ir::parse(R"(program @p(%x: f32[n=1, c=1, w=5]) {
    %y = max_pool %x {kernel = 3, stride = 1, pad = 1}
    return %y })")
                                  .value();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensors inputs = {{"x", ir::tensor_of(program.type(0), {1, nan, 3, 4, 2})}};
  const std::vector<double> y = ir::elements_of(evaluate_nests(program, inputs).at("y"));
  CHECK(same(y, {nan, nan, nan, 4, 4}));
}

TEST_CASE("a window without taps is -inf, or NaN when its average counts no padding") {
  const ir::Program program = ir::parse(R"(program @p(%x: f32[n=1, c=1, w=1]) {
    %y = max_pool %x {kernel = 2, dilation = 2, stride = 1, pad = 1}
    %z = avg_pool %x {kernel = 2, dilation = 2, stride = 1, pad = 1, count_include_pad = false}
    return %y, %z })")
                                  .value();
  const Tensors inputs = {{"x", ir::tensor_of(program.type(0), {7})}};
  const Tensors found = evaluate_nests(program, inputs);
  CHECK(ir::elements_of(found.at("y"))[0] == -std::numeric_limits<double>::infinity());
  CHECK(std::isnan(ir::elements_of(found.at("z"))[0]));
}

TEST_CASE("max and min of two tensors are NaN where either is") {
  const ir::Program program =
      ir::parse(R"(program @p(%a: f32[n=1, c=1, w=4], %b: f32[n=1, c=1, w=4]) {
    %y = max %a, %b
    %z = min %a, %b
    return %y, %z })")
          .value();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensors inputs = {{"a", ir::tensor_of(program.type(0), {nan, 1, nan, 2})},
                          {"b", ir::tensor_of(program.type(1), {1, nan, nan, 3})}};
  const Tensors found = evaluate_nests(program, inputs);
  CHECK(same(ir::elements_of(found.at("y")), {nan, nan, nan, 3}));
  CHECK(same(ir::elements_of(found.at("z")), {nan, nan, nan, 2}));
}

TEST_CASE("every activation agrees with the reference, at NaN and infinities too") {
  const double inf = std::numeric_limits<double>::infinity();
  std::vector<double> x = {std::numeric_limits<double>::quiet_NaN(),
                           inf,
                           -inf,
                           0.0,
                           -0.0,
                           1e-30,
                           -1e-30,
                           3e38,
                           -3e38,
                           21,
                           -21,
                           90,
                           -90,
                           104,
                           -104};
  for (int i = -200; i <= 200; ++i) x.push_back(i / 16.0);
  for (const char* word : {"relu", "relu6", "leaky_relu", "elu", "elu", "sigmoid", "tanh", "silu",
                           "hardsigmoid", "hardswish", "mish", "gelu", "softplus", "abs", "neg",
                           "sqrt", "exp", "clamp", "gelu_tanh"}) {
    const std::string name = word;
    const std::string statement = name == "clamp"       ? "clamp %x {min = -1.5, max = 2.5}"
                                  : name == "gelu_tanh" ? "gelu %x {approximate = tanh}"
                                                        : name + " %x";
    const ir::Program program =
        ir::parse(fmt::format("program @p(%x: f32[n=1, c=1, w={}]) {{ %y = {} return %y }}",
                              x.size(), statement))
            .value();
    const Tensors inputs = {{"x", ir::tensor_of(program.type(0), x)}};
    const auto wanted = ir::elements_of(evaluate_reference(program, inputs).at("y"));
    const auto found = ir::elements_of(evaluate_nests(program, inputs).at("y"));
    for (size_t i = 0; i < x.size(); ++i) {
      INFO(statement << " of " << x[i] << ": " << found[i] << ", not " << wanted[i]);
      // gelu cancels below 0, as torch's does in f32, and gelu_tanh does so in the reference; what
      // is left of it has the rounding of a large exponent. All others keep their digits, down to
      // the denormals and to sigmoids of which 1 + e^-x has overflowed.
      const double relative = name == "gelu_tanh" ? 1e-5 : 1e-6;
      const double absolute = name == "gelu"        ? 1e-7 * std::fabs(x[i])
                              : name == "gelu_tanh" ? 1e-15 * std::fabs(x[i])
                                                    : 1e-36;
      const double slack = relative * std::fabs(wanted[i]) + absolute;
      if (std::isnan(wanted[i]))
        CHECK(std::isnan(found[i]));
      else if (std::isinf(wanted[i]))
        CHECK(found[i] == wanted[i]);
      else
        CHECK(std::fabs(found[i] - wanted[i]) <= slack);
    }
  }
}
