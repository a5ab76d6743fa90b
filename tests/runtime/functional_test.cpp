// Each function against the program text that says the same: the same numbers as its reference, or
// the same words when the compiler does not take it.
#include "ir/parse.h"
#include "ir/reference.h"
#include "runtime/functional.h"
#include "runtime/volute.hpp"
#include "tests/support/catch.h"
#include "tests/support/tensors.h"

#include <cstring>
#include <functional>
#include <map>

using namespace volute;
namespace F = volute::functional;

namespace {

Session& session() {
  static Session one;
  return one;
}

ir::TensorType type(const std::string& text) {
  return ir::parse("program @t(%x: " + text + ") { return %x }").value().values[0].type;
}

Tensor random(const std::string& text, uint64_t stream = 0) {
  return tests::random_tensor(type(text), stream);
}

using Operands = std::vector<std::pair<std::string, const Tensor*>>;

ir::Program program_of(const Operands& operands, const std::string& statement) {
  std::string text = "program @p(";
  for (const auto& [name, tensor] : operands)
    text += (text.back() == '(' ? "%" : ", %") + name + ": " + ir::to_string(tensor->type());
  return ir::parse(text + ") { " + statement + " }").value();
}

/// What was refused, without the place in the text that only a parsed program has.
std::string words(std::vector<Diagnostic> diagnostics) {
  for (Diagnostic& diagnostic : diagnostics) diagnostic.where = {};
  return Error(std::move(diagnostics)).what();
}

std::string words_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return words(error.diagnostics());
  }
  return "";
}

std::string compile_words(const ir::Program& program) {
  const auto kernel = session().try_compile(program);
  return kernel ? "" : words(kernel.diagnostics());
}

/// `call` gives what the statement %y = ... gives.
void check(const Operands& operands, const std::string& operation,
           const std::function<Tensor()>& call) {
  CAPTURE(operation);
  const ir::Program program = program_of(operands, "%y = " + operation + " return %y");
  if (const std::string refusal = compile_words(program); !refusal.empty()) {
    CHECK(words_of([&] { (void)call(); }) == refusal);
    return;
  }
  std::map<std::string, ir::TensorData> data;
  std::map<std::string, const ir::TensorData*> views;
  for (const auto& [name, tensor] : operands) {
    data[name] = {tensor->type(), {tensor->data(), tensor->data() + tensor->bytes()}};
    views[name] = &data[name];
  }
  const ir::TensorData expected = ir::evaluate(program, views).value().at("y");
  const Tensor found = call();
  REQUIRE(found.type() == expected.type);
  const std::vector<double> numbers = ir::elements_of(expected);
  const std::vector<double> others =
      ir::elements_of({found.type(), {found.data(), found.data() + found.bytes()}});
  for (size_t i = 0; i < numbers.size(); ++i) CHECK(others[i] == Approx(numbers[i]).margin(1e-5));
}

} // namespace

TEST_CASE("convolutions take PyTorch's arguments, with and without a bias") {
  const Tensor x = random("f32[n=2, c=4, h=9, w=8]"), w = random("f32[o=6, i=4, h=3, w=2]", 1),
               b = random("f32[o=6]", 2), grouped = random("f32[o=6, i=2, h=3, w=2]", 3);
  check({{"x", &x}, {"w", &w}}, "conv %x, %w", [&] { return conv2d(session(), x, w); });
  check({{"x", &x}, {"w", &w}}, "conv %x, %w {stride = [2, 1], pad = [1, 0]}", [&] {
    return conv2d(session(), x, w, {.stride = {2, 1}, .padding = {1, 0}});
  });
  check({{"x", &x}, {"w", &w}, {"b", &b}}, "conv %x, %w, %b {dilation = 2}",
        [&] { return conv2d(session(), x, w, b, {.dilation = 2}); });
  check({{"x", &x}, {"w", &grouped}}, "conv %x, %w {groups = 2}",
        [&] { return conv2d(session(), x, grouped, {.groups = 2}); });
  const Tensor back = random("f32[i=4, o=5, h=3, w=3]", 4);
  check({{"x", &x}, {"w", &back}}, "conv_transpose %x, %w {stride = 2, output_padding = 1}",
        [&] { return conv_transpose2d(session(), x, back, {.stride = 2, .output_padding = 1}); });
}

TEST_CASE("one and three spatial axes have functions of their own") {
  const Tensor line = random("f32[n=2, c=3, w=20]"), taps = random("f32[o=4, i=3, w=5]", 1);
  check({{"x", &line}, {"w", &taps}}, "conv %x, %w {pad = 2}",
        [&] { return conv1d(session(), line, taps, {.padding = 2}); });
  check({{"x", &line}}, "max_pool %x {kernel = 3}", [&] { return max_pool1d(session(), line, 3); });
  const Tensor volume = random("f32[n=1, c=2, d=5, h=6, w=7]"),
               cube = random("f32[o=3, i=2, d=3, h=3, w=3]", 1);
  check({{"x", &volume}, {"w", &cube}}, "conv %x, %w {pad = [1, 0, 1]}", [&] {
    return conv3d(session(), volume, cube, {.padding = {1, 0, 1}});
  });
  check({{"x", &volume}}, "avg_pool %x {kernel = 2, stride = 1}",
        [&] { return avg_pool3d(session(), volume, 2, {.stride = 1}); });
  CHECK(words_of([&] { (void)conv2d(session(), line, taps); }) ==
        "conv2d: x is f32[n=2, c=3, w=20], with 1 spatial axis; conv2d takes 2");
  CHECK(words_of([&] { (void)max_pool1d(session(), volume, 2); }) ==
        "max_pool1d: x is f32[n=1, c=2, d=5, h=6, w=7], with 3 spatial axes; max_pool1d takes 1");
}

TEST_CASE("pools take PyTorch's arguments") {
  const Tensor x = random("f32[n=2, c=3, h=9, w=8]");
  const Operands operands = {{"x", &x}};
  check(operands, "max_pool %x {kernel = 3, stride = 2, pad = 1}",
        [&] { return max_pool2d(session(), x, 3, {.stride = 2, .padding = 1}); });
  check(operands, "max_pool %x {kernel = [3, 2], ceil_mode = true}", [&] {
    return max_pool2d(session(), x, {3, 2}, {.ceil_mode = true});
  });
  check(operands, "avg_pool %x {kernel = 3, pad = 1, count_include_pad = false}",
        [&] { return avg_pool2d(session(), x, 3, {.padding = 1, .count_include_pad = false}); });
  check(operands, "lp_pool %x {kernel = 2, p = 2}", [&] { return lp_pool2d(session(), x, 2, 2); });
  check(operands, "adaptive_avg_pool %x {output = [3, 5]}", [&] {
    return adaptive_avg_pool2d(session(), x, {3, 5});
  });
  check(operands, "adaptive_max_pool %x {output = 2}",
        [&] { return adaptive_max_pool2d(session(), x, 2); });
}

TEST_CASE("an adaptive pool's indices are the places of its values") {
  const Tensor x = random("f32[n=2, c=3, h=9, w=8]");
  const auto [values, places] = adaptive_max_pool2d_with_indices(session(), x, {4, 5});
  REQUIRE(places.type() == type("i64[n=2, c=3, h=4, w=5]"));
  REQUIRE(values.type() == type("f32[n=2, c=3, h=4, w=5]"));
  for (int64_t i = 0; i < places.type().elements(); ++i) {
    const int64_t plane = i / 20, at = places.as<int64_t>()[i];
    REQUIRE((at >= 0 && at < 72));
    CHECK(x.as<float>()[plane * 72 + at] == values.as<float>()[i]);
    // Inside of its cell: [floor(i L / O), ceil((i + 1) L / O)).
    const int64_t row = i % 20 / 5, column = i % 5;
    CHECK((at / 8 >= row * 9 / 4 && at / 8 < ((row + 1) * 9 + 3) / 4));
    CHECK((at % 8 >= column * 8 / 5 && at % 8 < ((column + 1) * 8 + 4) / 5));
  }
}

TEST_CASE("a max pool's indices lead back to the places of its values") {
  const Tensor x = random("f32[n=1, c=2, h=6, w=8]");
  const ir::Program program =
      program_of({{"x", &x}}, "%y, %i = max_pool %x {kernel = 2} return %y, %i");
  if (!compile_words(program).empty()) {
    CHECK_THROWS_AS(max_pool2d_with_indices(session(), x, 2), Error);
    return;
  }
  const auto [values, indices] = max_pool2d_with_indices(session(), x, 2);
  REQUIRE(indices.type() == type("i64[n=1, c=2, h=3, w=4]"));
  for (int64_t i = 0; i < 24; ++i)
    CHECK(values.as<float>()[i] == x.as<float>()[i / 12 * 48 + indices.as<int64_t>()[i]]);
  check({{"x", &values}, {"i", &indices}}, "max_unpool %x, %i {kernel = 2}",
        [&, &v = values, &at = indices] { return max_unpool2d(session(), v, at, 2); });
}

TEST_CASE("batch_norm has PyTorch's order: statistics first") {
  const Tensor x = random("f32[n=2, c=3, w=8]"), mean = random("f32[c=3]", 1),
               weight = random("f32[c=3]", 2), bias = random("f32[c=3]", 3);
  Tensor var = Tensor::allocate(type("f32[c=3]")).value();
  for (int i = 0; i < 3; ++i) var.as<float>()[i] = static_cast<float>(i) + 0.5F;
  const Operands operands = {{"x", &x}, {"s", &weight}, {"b", &bias}, {"m", &mean}, {"v", &var}};
  check(operands, "batch_norm %x, %s, %b, %m, %v {epsilon = 0.01}",
        [&] { return batch_norm(session(), x, mean, var, weight, bias, 0.01); });
  Tensor one = Tensor::allocate(type("f32[c=3]")).value();
  runtime::fill(one, {runtime::Fill::Kind::ones});
  const Tensor zero = Tensor::allocate(type("f32[c=3]")).value();
  check({{"x", &x}, {"s", &one}, {"b", &zero}, {"m", &mean}, {"v", &var}},
        "batch_norm %x, %s, %b, %m, %v", [&] { return batch_norm(session(), x, mean, var); });
}

TEST_CASE("element-wise functions give the operators' numbers") {
  const Tensor x = random("f32[n=2, c=3, w=8]"), y = random("f32[n=2, c=3, w=8]", 1),
               slope = random("f32[c=3]", 2);
  const Operands operands = {{"x", &x}};
  for (const F::Activation& function :
       {F::relu, F::relu6, F::sigmoid, F::tanh, F::silu, F::hardsigmoid, F::hardswish, F::mish,
        F::softplus, F::abs, F::neg, F::exp})
    check(operands, std::string(function.name) + " %x", [&] { return function(session(), x); });
  check(operands, "leaky_relu %x {slope = 0.5}", [&] { return F::leaky_relu(session(), x, 0.5); });
  check(operands, "elu %x {alpha = 2}", [&] { return F::elu(session(), x, 2); });
  check(operands, "gelu %x", [&] { return F::gelu(session(), x); });
  check(operands, "gelu %x {approximate = tanh}", [&] { return F::gelu(session(), x, "tanh"); });
  check(operands, "clamp %x {min = -1}", [&] { return F::clamp(session(), x, -1); });
  check({{"x", &x}, {"s", &slope}}, "prelu %x, %s", [&] { return F::prelu(session(), x, slope); });
  const Operands two = {{"x", &x}, {"y", &y}};
  check({{"x", &x}, {"b", &y}}, "sub %x, %b", [&] { return F::sub(session(), x, y); });
  check({{"x", &x}, {"b", &y}}, "max %x, %b", [&] { return F::maximum(session(), x, y); });
  check({{"x", &x}, {"b", &slope}}, "mul %x, %b", [&] { return F::mul(session(), x, slope); });
}

TEST_CASE("a configuration is compiled when it is first met") {
  Session own;
  const Tensor x = random("f32[n=1, c=3, w=9]"), other = random("f32[n=1, c=3, w=10]");
  (void)F::relu(own, x);
  (void)F::relu(own, x);
  CHECK(own.cache_counters().compiles == 1);
  (void)F::relu(own, other);
  CHECK(own.cache_counters().compiles == 2);
}

TEST_CASE("what does not fit is refused with the program's words") {
  const Tensor x = random("f32[n=1, c=3, h=5, w=5]"), w = random("f32[o=2, i=3, h=3, w=3]");
  CHECK(words_of([&] { (void)conv2d(session(), x, w, {.groups = 2}); }) ==
        "conv: groups = 2 does not divide the input's 3 channels (the nearest valid value is "
        "1)");
  CHECK(words_of([&] { (void)conv2d(session(), x, w, {.stride = {1, 2, 3}}); }) != "");
  CHECK(words_of([&] { (void)F::gelu(session(), x, "sort of"); }) != "");
  CHECK(words_of([&] { (void)F::clamp(session(), x, 2, 1); }) != "");
  TensorRef nonsense = x;
  nonsense.rank = -2;
  CHECK(words_of([&] { (void)F::relu(session(), nonsense); }) == "this is a tensor of rank -2");
  nonsense = x;
  nonsense.extents = nullptr;
  CHECK(words_of([&] { (void)conv2d(session(), x, nonsense); }) ==
        "this is a tensor whose extents are a null pointer");
  nonsense = x;
  nonsense.element = static_cast<ir::ElementType>(99);
  CHECK(words_of([&] { (void)conv2d(session(), nonsense, w); }) ==
        "this is a tensor of element type 99, of which there is none");
  CHECK(words_of([&] { (void)F::relu(session(), TensorView(x.type(), nullptr)); }) ==
        "relu: %x is a null pointer");
}
