#include "bench/checked_call.h"
#include "bench/made_up.h"
#include "ir/number.h"
#include "ir/parse.h"
#include "runtime/made_up.h"
#include "runtime/session.h"
#include "tests/support/catch.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <string>

using namespace volute;
using namespace volute::bench;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;

namespace {

constexpr int layers = 50;

/// Fifty convolutions, their weights in the program, a residual around each tenth: as deep as
/// networks are. `mistake` may change what is written of a layer.
std::string network(const std::function<std::string(int, std::string)>& mistake =
                        [](int, std::string layer) { return layer; }) {
  std::string text = "program @deep(%x: f32[n=1, c=4, h=6, w=6]) {\n";
  std::string before = "x", residual = "x";
  for (int i = 0; i < layers; ++i) {
    std::string weight;
    for (int at = 0; at < 4 * 4 * 9; ++at)
      weight += fmt::format("{}{}", at == 0 ? "" : ", ", ((at * 37 + i * 11) % 19 - 9) / 40.0);
    std::string layer = fmt::format("%w{0} = const [{1}] : f32[o=4, i=4, h=3, w=3]\n"
                                    "%c{0} = conv %{2}, %w{0} {{pad = 1}}\n"
                                    "%r{0} = relu %c{0}\n",
                                    i, weight, before);
    text += mistake(i, std::move(layer));
    before = fmt::format("r{}", i);
    if (i % 10 == 9) {
      text += fmt::format("%s{0} = add %r{0}, %{1}\n", i, residual);
      before = residual = fmt::format("s{}", i);
    }
  }
  return text + "return %" + before + "\n}";
}

/// What is put in the place of a part of a text, which is there.
std::string replaced(std::string text, const std::string& part, const std::string& by) {
  const size_t at = text.find(part);
  REQUIRE(at != std::string::npos);
  return text.replace(at, part.size(), by);
}

using Fill = std::function<void(const ir::Program&, size_t, Tensor&)>;
void whole_numbers(const ir::Program& program, size_t input, Tensor& tensor) {
  runtime::make_up(tensor, program, program.inputs[input], {runtime::Fill::Kind::random, 0}, input);
}
void normal(const ir::Program& program, size_t input, Tensor& tensor) {
  make_up(program, input, tensor);
}

/// A program that is compiled.
struct Made {
  ir::Program program;
  runtime::Kernel kernel;

  explicit Made(const std::string& text, const char* schedule = "auto")
      : program(ir::parse(text).value()), kernel([&] {
          runtime::Session session{runtime::Options{}};
          runtime::CompileOptions options;
          options.schedule = schedule;
          return session.compile(program, options);
        }()) {}
};

/// Runs what was compiled, and checks the call as one of the program that was meant.
CheckedCall checked(const Made& made, const std::string& meant, const Fill& fill) {
  const ir::Program& program = made.program;
  std::vector<Tensor> tensors;
  std::vector<runtime::TensorRef> arguments;
  tensors.reserve(program.inputs.size() + program.outputs.size());
  Values inputs, outputs, kept;
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    tensors.push_back(*Tensor::allocate(program.type(program.inputs[i])));
    fill(program, i, tensors.back());
    inputs[program.name_of(program.inputs[i])] = data_of(tensors.back());
    arguments.emplace_back(std::as_const(tensors.back()));
  }
  for (const ir::ValueId id : program.outputs) {
    tensors.push_back(*Tensor::allocate(program.type(id)));
    arguments.emplace_back(tensors.back());
  }
  std::vector<runtime::KeptValue> values;
  REQUIRE(made.kernel.call_keeping(arguments, values).message() == "");
  for (const runtime::KeptValue& value : values) kept[value.name] = data_of(value.value);
  for (size_t i = 0; i < program.outputs.size(); ++i)
    outputs[program.name_of(program.outputs[i])] = data_of(tensors[program.inputs.size() + i]);
  return check_call(ir::parse(meant).value(), inputs, outputs, kept).value();
}

std::vector<std::string> wrong_ones(const CheckedCall& call) {
  std::vector<std::string> names;
  for (const auto* list : {&call.on_the_way, &call.outputs})
    for (const Agreement& found : *list)
      if (!found.agrees()) names.push_back(found.name);
  return names;
}

} // namespace

TEST_CASE("the values of fifty layers are near their bounds, whatever lies before them",
          "[checked_call]") {
  const CheckedCall call = checked(Made(network()), network(), normal);
  CHECK(call.agrees());
  CHECK(call.is_bounded());
  CHECK(call.on_the_way.size() >= layers / 2 - 1);
  for (const Agreement& found : call.on_the_way) {
    CAPTURE(found.name);
    CHECK(found.largest_difference < 1e-5);
    CHECK(found.largest_share < 1);
  }
  CHECK_FALSE(call.outputs[0].from.empty());
  CHECK_THAT(summary_on_the_way(call), ContainsSubstring("values on the way, each against"));
}

TEST_CASE("a wrong layer of fifty is caught, wherever it lies", "[checked_call]") {
  struct Mistake {
    const char* what;
    std::function<std::string(int, std::string)> in;
  };
  const Mistake mistakes[] = {
      {"one weight of 144 is off by a thousandth",
       [](int i, std::string layer) {
         const double first = (i * 11 % 19 - 9) / 40.0;
         return replaced(layer, fmt::format("[{},", first), fmt::format("[{},", first + 0.001));
       }},
      {"the padding is a reflection",
       [](int, std::string layer) {
         return replaced(layer, "pad = 1", "pad = 1, padding_mode = reflect");
       }},
      {"the relu leaks",
       [](int, std::string layer) { return replaced(layer, "relu", "leaky_relu"); }},
  };
  for (const Mistake& mistake : mistakes)
    for (int planted : {0, 9, 19, 29, 39, layers - 1}) {
      const Made wrong(network([&](int i, std::string layer) {
        return i == planted ? mistake.in(i, std::move(layer)) : layer;
      }));
      for (const Fill& fill : {Fill(normal), Fill(whole_numbers)}) {
        const std::vector<std::string> found = wrong_ones(checked(wrong, network(), fill));
        CAPTURE(mistake.what, planted, found);
        REQUIRE(found.size() == 1); // and no other, which would hide the place
        // Itself, or the one whose step it is computed in.
        const int place = std::stoi(found[0].substr(1));
        CHECK((place == planted || place == planted + 1));
      }
    }
}

TEST_CASE("values that share memory are kept before it is taken", "[checked_call]") {
  const std::string text = network();
  for (const char* schedule : {"auto", "naive"}) {
    const Made made(text, schedule);
    CHECK(made.kernel.values_on_the_way().size() >= layers / 2 - 1);
    CHECK(made.kernel.workspace_bytes() < 20 * 4 * 36 * 4);
    CHECK(checked(made, text, whole_numbers).agrees());
  }
}
