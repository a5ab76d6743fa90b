#include "bench/problem.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

using namespace volute;
using bench::Problem;

namespace {

Problem problem(const std::string& text) {
  return bench::problem_of(ir::parse(text).value()).value();
}

std::string refusal(const std::string& text) {
  const auto p = bench::problem_of(ir::parse(text).value());
  REQUIRE_FALSE(p);
  return to_string(p.diagnostics().front());
}

const std::string rule =
    "a peer computes one convolution or pooling and element-wise steps on its result";

} // namespace

TEST_CASE("a convolution with its steps is a problem", "[problem]") {
  const Problem p = problem(R"(
    program @stem(%x: f32[n=2, h=9, w=8, c=6], %w: f32[o=8, i=3, h=3, w=2], %b: f32[o=8],
                  %r: f32[n=2, h=5, w=7, c=8]) {
      %0 = conv %x, %w, %b {stride = [2, 1], pad = [1, 0], groups = 2}
      %1 = sub %r, %0
      %y = leaky_relu %1 {slope = 0.5}
      return %y
    })");
  CHECK(p.kind == Problem::Kind::conv);
  CHECK(p.batch == 2);
  CHECK(p.groups == 2);
  CHECK(p.inputs_per_group == 3);
  CHECK(p.outputs_per_group == 4);
  CHECK(p.output_channels() == 8);
  REQUIRE(p.windows.size() == 2);
  CHECK(p.windows[0] == ir::Window{9, 3, 2, 1, 1, 1, 5});
  CHECK(p.windows[1] == ir::Window{8, 2, 1, 1, 0, 0, 7});
  CHECK(p.x.name == "x");
  CHECK(p.w->name == "w");
  CHECK(p.b->name == "b");
  CHECK(p.y == "y");
  REQUIRE(p.steps.size() == 2);
  CHECK(std::get<ir::Binary>(p.steps[0].operation).kind == ir::BinaryKind::sub);
  CHECK(p.steps[0].other->name == "r");
  CHECK(p.steps[0].other_is_first);
  CHECK(std::get<ir::Unary>(p.steps[1].operation).a == 0.5);
  // 2 * n * channels * oh * ow * channels in a group * taps
  CHECK(p.operations() == 2.0 * 2 * 8 * 5 * 7 * 3 * 6);
}

TEST_CASE("a constant weight comes with its bytes", "[problem]") {
  const Problem p = problem(R"(
    program @edges(%x: f32[n=1, c=1, h=4, w=4]) {
      %k = const [1, 2, 3, 4] : f32[o=1, i=1, h=2, w=2]
      %y = conv %x, %k
      return %y
    })");
  REQUIRE(p.w->constant);
  CHECK(p.w->constant->size() == 16);
  CHECK_FALSE(p.x.constant);
  CHECK_FALSE(p.b);
}

TEST_CASE("pools are problems with a group for every channel", "[problem]") {
  const Problem p = problem(R"(
    program @p(%x: f32[n=1, c=5, w=10]) {
      %y = avg_pool %x {kernel = 3, stride = 2, count_include_pad = false, divisor = 7}
      return %y
    })");
  CHECK(p.kind == Problem::Kind::average_pool);
  CHECK(p.groups == 5);
  CHECK(p.output_channels() == 5);
  CHECK(p.windows.size() == 1);
  CHECK_FALSE(p.count_include_pad);
  CHECK(p.divisor == 7);
  CHECK(p.operations() == 0);
  const Problem global = problem(
      "program @p(%x: f32[n=1, c=5, h=4, w=6]) {\n  %y = global_max_pool %x\n  return %y\n}");
  CHECK(global.kind == Problem::Kind::max_pool);
  CHECK(global.windows[1].kernel == 6);
  CHECK(global.windows[1].output == 1);
}

TEST_CASE("a transposed convolution has its weight's axes, and its taps are the input's",
          "[problem]") {
  const Problem p =
      problem("program @p(%x: f32[n=2, c=4, h=5, w=5], %w: f32[i=4, o=3, h=4, w=4]) {\n"
              "  %y = conv_transpose %x, %w {stride = 2, pad = 1, groups = 2}\n  return %y\n}");
  CHECK(p.kind == Problem::Kind::conv_transpose);
  CHECK(p.inputs_per_group == 2);
  CHECK(p.outputs_per_group == 3);
  CHECK(p.output_channels() == 6);
  CHECK(p.windows[0].output == 10);
  CHECK(p.operations() == 2.0 * 2 * 25 * 16 * 2 * 6);
}

TEST_CASE("what is more than one operator and its steps is refused", "[problem]") {
  const std::string x = "program @p(%x: f32[n=1, c=2, h=6, w=6], %w: f32[o=2, i=2, h=3, w=3]) {\n";
  CHECK(refusal(x + "  %y = lp_pool %x {kernel = 2}\n  return %y\n}") == "lp_pool: " + rule);
  CHECK(refusal(x + "  %y = relu %x\n  return %y\n}") == "relu: " + rule);
  CHECK(refusal(x + "  %0 = conv %x, %w\n  %y = conv %0, %w\n  return %y\n}") == "conv: " + rule);
  CHECK(refusal(x + "  %0 = conv %x, %w\n  %y = add %0, %0\n  return %y\n}") ==
        "add: %0 is computed, and " + rule);
  CHECK(refusal(x + "  %0 = conv %x, %w\n  %1 = relu %0\n  %y = add %1, %0\n  return %y\n}") ==
        "relu: %0 is not read once, by the next step: " + rule);
  CHECK(refusal(x + "  %0 = conv %x, %w\n  %y = relu %x\n  return %y\n}") ==
        "relu: %0 is not read once, by the next step: " + rule);
  CHECK(refusal(x + "  %y, %i = max_pool %x {kernel = 2}\n  return %y, %i\n}") ==
        "max_pool: a peer gives the maximum without its index");
  CHECK(refusal(x + "  %0 = conv %x, %w\n  %y = relu %0\n  return %0, %y\n}") ==
        "relu: %0 is not read once, by the next step: " + rule);
  CHECK(refusal(x + "  %y = conv %x, %w\n  return %y, %x\n}") ==
        "program: the results are not %y alone, and " + rule);
  CHECK(refusal("program @p(%x: f32[n=1, c=2, w=6]) {\n  return %x\n}") ==
        "program: nothing is computed, and " + rule);
}
