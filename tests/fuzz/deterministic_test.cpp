// Deterministic kernels: whatever the schedule, the batch and the CPU (of those that multiply and
// add in one instruction), random programs give the same bits on numbers that no sum is exact for.
//
//     VOLUTE_FUZZ_SECONDS=600 VOLUTE_FUZZ_SEED=7 ctest -R fuzz/deterministic
//
// runs longer, and from another seed.
#include "compiler/pipeline.h"
#include "ir/number.h"
#include "ir/parse.h"
#include "tests/support/catch.h"
#include "tests/support/every_stage.h"
#include "tests/support/random_program.h"
#include "tests/support/random_schedule.h"
#include "tests/support/stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <string>

using namespace volute;
using namespace volute::tests;

namespace {

/// What the loops of a program compute, as they are made under a schedule for a target; nothing
/// where the schedule is refused.
std::optional<ir::Memory> computed(const ir::Program& program, const std::string& schedule,
                                   const std::string& target, const Tensors& inputs,
                                   bool deterministic) {
  compiler::CompileRequest request = tests::request_for(target, schedule);
  request.deterministic = deterministic;
  const Expected<compiler::Stages> stages = compiler::specialise_program(program, request);
  if (!stages) return std::nullopt;
  return evaluate_loops(stages->loops, program, inputs);
}

/// Which output differs and how; the sign of a zero is no difference (padding may add one).
std::string differs(const ir::Program& program, const ir::Memory& found, const ir::Memory& wanted) {
  return difference(program, found, wanted, {Closeness::Kind::values, 0});
}

/// Whether results are numbers: of others a product with a 0 of the filter or with padding may be
/// made or left out (docs/semantics.md).
bool is_finite(const ir::Program& program, const ir::Memory& computed) {
  for (size_t i = 0; i < program.outputs.size(); ++i) {
    const ir::TensorType& type = program.type(program.outputs[i]);
    if (!ir::is_float(type.element)) continue;
    const std::byte* at = computed[program.inputs.size() + i].data();
    for (int64_t element = 0; element < type.elements(); ++element)
      if (!std::isfinite(ir::read_real(at + element * ir::size_of(type.element), type.element)))
        return false;
  }
  return true;
}

const char* const with_fma[] = {"haswell", "znver4", "sapphirerapids"};

std::string drawn_schedule(Dice& dice, const ir::Program& program, const std::string& target) {
  compiler::CompileRequest request = tests::request_for(target);
  request.deterministic = true;
  const compiler::Schedules schedules = random_schedules(dice, program, request);
  return schedules.empty() ? "auto" : to_string(schedules);
}

} // namespace

TEST_CASE("a deterministic kernel has the same bits under every schedule and on every CPU") {
  const uint64_t seconds = number_from("VOLUTE_FUZZ_SECONDS", 0);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  uint64_t seed = number_from("VOLUTE_FUZZ_SEED", 1) * 1'000'000;
  int compared = 0, drawn = 0, otherwise_different = 0;
  for (int round = 0; round < 150 || std::chrono::steady_clock::now() < end; ++round, ++seed) {
    Dice dice(seed);
    const RandomProgram random = random_program(dice);
    const ir::Program program = ir::parse(random.text()).value();
    const Tensors inputs = arbitrary_numbers(program, dice, 0);
    const auto plain = computed(program, "naive", "haswell", inputs, true);
    INFO(seed << "\n" << random.text());
    REQUIRE(plain);
    if (!is_finite(program, *plain)) continue;
    for (const std::string target : with_fma) {
      const auto chosen = computed(program, "auto", target, inputs, true);
      REQUIRE(chosen);
      INFO(target);
      CHECK(differs(program, *chosen, *plain) == "");
      ++compared;
      for (int draw = 0; draw < 2; ++draw) {
        const std::string schedule = drawn_schedule(dice, program, target);
        const auto by_hand = computed(program, schedule, target, inputs, true);
        if (!by_hand) continue; // its order is another
        INFO(schedule);
        CHECK(differs(program, *by_hand, *plain) == "");
        ++drawn;
      }
    }
    // What all this is for: else they differ.
    const auto free = computed(program, "auto", "znver4", inputs, false);
    REQUIRE(free);
    otherwise_different += differs(program, *free, *plain) != "";
  }
  CHECK(compared >= 400);
  CHECK(drawn > compared / 3);
  CHECK(otherwise_different > 10);
}

TEST_CASE("a deterministic kernel gives an image the same bits whatever else is in the batch") {
  struct Layer {
    const char *x, *weight, *options;
  };
  const Layer layers[] = {
      {"c=24, h=13, w=17", "o=40, i=24, h=3, w=3", "pad = 1"},
      {"h=29, w=29, c=64", "o=64, i=64, h=3, w=3", "pad = 1"}, // Winograd, where it may be
      {"h=9, w=9, c=130", "o=20, i=130, h=1, w=1", ""},
      {"c=24, h=15, w=15", "o=24, i=1, h=5, w=5", "pad = 2, groups = 24, stride = 2"},
      {"h=15, w=15, c=32", "o=32, i=4, h=3, w=3", "pad = 1, groups = 8, dilation = 2"},
  };
  for (const Layer& layer : layers) {
    const auto of_batch = [&](int64_t n) {
      return ir::parse(fmt::format("program @p(%x: f32[n={}, {}], %w: f32[{}]) {{\n"
                                   "  %0 = conv %x, %w {{{}}}\n  %y = gelu %0\n  return %y\n}}",
                                   n, layer.x, layer.weight, layer.options))
          .value();
    };
    const ir::Program one = of_batch(1), three = of_batch(3);
    Dice dice(5);
    const Tensors inputs = arbitrary_numbers(three, dice, 0);
    const auto together = computed(three, "auto", "znver4", inputs, true);
    REQUIRE(together);
    const std::vector<std::byte>& results = together->at(2);
    const size_t image = inputs.at("x").bytes.size() / 3, result = results.size() / 3;
    for (size_t n = 0; n < 3; ++n) {
      Tensors alone = inputs;
      const auto from = inputs.at("x").bytes.begin() + static_cast<std::ptrdiff_t>(n * image);
      alone.at("x") = {one.type(one.inputs[0]), {from, from + static_cast<std::ptrdiff_t>(image)}};
      const auto computed_alone = computed(one, "auto", "haswell", alone, true);
      REQUIRE(computed_alone);
      INFO(layer.weight << " image " << n);
      CHECK(std::equal(computed_alone->at(2).begin(), computed_alone->at(2).end(),
                       results.begin() + static_cast<std::ptrdiff_t>(n * result)));
    }
  }
}

TEST_CASE("a deterministic kernel has the same bits in every memory order") {
  const auto inside = [](const char* image, const char* weight) {
    return ir::parse(
               fmt::format(
                   "program @p(%x: f32[n=1, c=24, h=11, w=13], %w: f32[o=32, i=24, h=3, w=3]) {{\n"
                   "  %0 = reorder %x : f32[{}]\n  %1 = reorder %w : f32[{}]\n"
                   "  %2 = conv %0, %1 {{pad = 1}}\n"
                   "  %y = reorder %2 : f32[n=1, c=32, h=11, w=13]\n  return %y\n}}",
                   image, weight))
        .value();
  };
  const ir::Program first = inside("n=1, c=24, h=11, w=13", "o=32, i=24, h=3, w=3");
  Dice dice(8);
  const Tensors inputs = arbitrary_numbers(first, dice, 0);
  const auto wanted = computed(first, "auto", "znver4", inputs, true);
  REQUIRE(wanted);
  for (const auto& [image, weight] :
       {std::pair("n=1, h=11, w=13, c=24", "h=3, w=3, i=24, o=32"),
        std::pair("n=1, c=3, h=11, w=13, c=8", "o=2, i=24, h=3, w=3, o=16"),
        std::pair("n=1, c=24, w=13, h=11", "o=32, h=3, w=3, i=24")}) {
    INFO(image);
    const ir::Program other = inside(image, weight);
    const auto found = computed(other, "auto", "haswell", inputs, true);
    REQUIRE(found);
    CHECK(differs(first, *found, *wanted) == "");
  }
}

TEST_CASE("what a deterministic kernel may not be is refused, in words") {
  const ir::Program program = ir::parse("program @p(%x: f32[n=1, h=30, w=30, c=64],\n"
                                        "           %w: f32[o=64, i=64, h=3, w=3]) {\n"
                                        "  %y = conv %x, %w {pad = 1}\n  return %y\n}")
                                  .value();
  const auto refused = [&](const std::string& schedule) -> std::string {
    compiler::CompileRequest request = tests::request_for("znver4", schedule);
    request.deterministic = true;
    const auto stages = compiler::specialise_program(program, request);
    return stages ? "" : stages.diagnostics().front().message;
  };
  CHECK(refused("for h, w, o, kh, kw, i") == "");
  CHECK(refused("for h, w, o, i, kh, kw") ==
        "nest conv_y: for kh inside i: a deterministic kernel adds up one product after the other, "
        "in the order of kh, kw, i");
  CHECK(refused("for o, h, w, kh, kw, i; registers i 16 vector 16; pack weight") ==
        "nest conv_y: registers i 16 vector 16: a deterministic kernel adds up one product after "
        "the other, in the order of kh, kw, i");
  CHECK(refused("form conv_y winograd4x4") ==
        "form conv_y winograd4x4: a deterministic kernel is a direct sum");
}
