#include "bench/bench.h"
#include "bench/problem.h"
#include "ir/parse.h"
#include "tests/support/catch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

using namespace volute;
using namespace volute::bench;
using Catch::Matchers::ContainsSubstring;

namespace {

const char* const conv = "program @p(%x: f32[n=1, c=4, h=6, w=6], %w: f32[o=4, i=4, h=3, w=3]) {\n"
                         "  %y = conv %x, %w {pad = 1}\n  return %y\n}";

/// Gives the right results by the naive loops, and then changes one of them.
class Mistaken : public Peer {
public:
  explicit Mistaken(double by) : by_(by) {}
  std::string_view name() const override { return "mistaken"; }
  Expected<Ways> ways(const ir::Program& program, const Tensors& tensors,
                      int threads) const override {
    Expected<Ways> right = (*find_peer("naive"))->ways(program, tensors, threads);
    if (!right) return right.failure();
    Ways ways;
    ways.push_back(std::make_unique<Way>(std::move(right->front()), tensors.at("y"), by_));
    return ways;
  }

private:
  class Way : public PreparedPeer {
  public:
    Way(std::unique_ptr<PreparedPeer> right, std::span<std::byte> y, double by)
        : right_(std::move(right)), y_(y), by_(by) {}
    void run() override {
      right_->run();
      float last = 0;
      std::memcpy(&last, y_.data() + y_.size() - 4, 4);
      last += static_cast<float>(by_);
      std::memcpy(y_.data() + y_.size() - 4, &last, 4);
    }

  private:
    std::unique_ptr<PreparedPeer> right_;
    std::span<std::byte> y_;
    double by_;
  };
  double by_;
};

BenchOptions quickly() {
  BenchOptions options;
  options.seconds = 0.01;
  return options;
}

Contender of_mistaken(const Benchmark& b) {
  for (const Contender& c : b.contenders)
    if (c.name == "mistaken") return c;
  FAIL("it took no part at all");
  return {};
}

} // namespace

TEST_CASE("a peer that gives a wrong answer is refused, and the others are timed", "[bench]") {
  const Mistaken wrong(0.5), right(0);
  BenchOptions options = quickly();
  options.against = {"cpp"};
  options.more_peers = {&wrong};
  const auto found = benchmark(*ir::parse(conv), options);
  REQUIRE(found);
  const Contender c = of_mistaken(*found);
  CHECK_THAT(c.refused,
             ContainsSubstring("computes something else: %y: 1 of 144 elements differ, the "
                               "first at [n=0, c=3, h=5, w=5]: "));
  CHECK(c.timing.samples.empty());
  CHECK(found->contenders[1].timing.samples.size() >= 5);
  CHECK_THAT(found->verification, ContainsSubstring("equal to the reference: volute, cpp"));

  options.more_peers = {&right};
  CHECK(of_mistaken(*benchmark(*ir::parse(conv), options)).refused == "");
}

TEST_CASE("without a reference, whoever is alone is wrong", "[bench]") {
  const Mistaken wrong(0.5);
  BenchOptions options = quickly();
  options.reference_steps = 10;
  options.against = {"cpp"};
  options.more_peers = {&wrong};
  const auto found = benchmark(*ir::parse(conv), options);
  REQUIRE(found);
  CHECK_THAT(of_mistaken(*found).refused, ContainsSubstring("computes something else"));
  CHECK_THAT(found->verification, ContainsSubstring("the reference evaluation takes too long"));
  // With nobody else, it may be Volute who is wrong.
  options.against = {};
  const auto neither = benchmark(*ir::parse(conv), options);
  REQUIRE_FALSE(neither);
  CHECK_THAT(to_string(neither.diagnostics()[0]),
             ContainsSubstring("mistaken computes something else than volute"));
}

TEST_CASE("nothing is timed unverified: plain loops stand in for a reference that takes too long",
          "[bench]") {
  BenchOptions options = quickly();
  options.reference_steps = 10;
  const auto alone = benchmark(*ir::parse(conv), options);
  REQUIRE(alone);
  CHECK_THAT(alone->verification, ContainsSubstring("volute: the naive loops (the reference"));
  CHECK(alone->contenders.size() == 1);
  const auto layers = benchmark(
      *ir::parse("program @p(%x: f32[n=1, c=4, h=6, w=6], %w: f32[o=4, i=4, h=3, w=3]) {\n"
                 "  %0 = conv %x, %w {pad = 1}\n  %1 = conv %0, %w {pad = 1}\n"
                 "  %y = conv %1, %w {pad = 1}\n  return %y\n}"),
      options);
  REQUIRE(layers);
  CHECK_THAT(layers->verification, ContainsSubstring("volute: the naive schedule"));
}

TEST_CASE("sixty layers are verified to the last element, though whole numbers overflow on the way",
          "[bench]") {
  std::string text = "program @p(%x: f32[n=1, c=4, h=6, w=6], %w: f32[o=4, i=4, h=3, w=3]) {\n"
                     "  %0 = conv %x, %w {pad = 1}\n";
  for (int i = 1; i < 60; ++i) text += fmt::format("  %{} = conv %{}, %w {{pad = 1}}\n", i, i - 1);
  BenchOptions options = quickly();
  options.against = {"naive"};
  const auto found = benchmark(*ir::parse(text + "  return %59\n}"), options);
  REQUIRE(found);
  CHECK_THAT(found->verification,
             Catch::Matchers::StartsWith("within the tolerance of the reference: volute (") &&
                 ContainsSubstring("naive (") && ContainsSubstring("(whole numbers overflow)") &&
                 !ContainsSubstring("finite bound"));
}

TEST_CASE("another schedule is a contender of its own, and cold calls are measured one by one",
          "[bench]") {
  BenchOptions options = quickly();
  runtime::CompileOptions naive;
  naive.schedule = "naive";
  options.variants = {{"volute naive", options.session, naive}};
  options.is_cold = true;
  const auto found = benchmark(*ir::parse(conv), options);
  REQUIRE(found);
  REQUIRE(found->contenders.size() == 2);
  CHECK(found->is_cold);
  for (const Contender& c : found->contenders) {
    CHECK(c.is_volute);
    CHECK(c.timing.repetitions == 1);
    CHECK(c.timing.samples.size() >= 15);
  }
  CHECK(found->contenders[1].volute_is_faster > 0);
  CHECK(found->contenders[1].faster_low <= found->contenders[1].faster_high);
}

TEST_CASE("the bound is that of the ceilings, by the clock of the rounds", "[bench]") {
  BenchOptions options = quickly();
  options.ceilings = Ceilings{100e9, 200e9, 400e9, {{"memory", 0, 20e9, 10e9}}, "a", "b", "c"};
  const auto found = benchmark(*ir::parse(conv), options);
  REQUIRE(found);
  CHECK(found->bound.operations == 2.0 * 4 * 4 * 16 * 16);
  CHECK(found->bound.peak == Approx(found->peak_flops));
  CHECK(found->predicted > 0);
  CHECK(found->bound.traffic == Approx((4 * 36 + 144) * 4 / 20e9));
}

// Each library that this build has, over the layouts and operators that suites have.
TEST_CASE("every peer that is here computes what the reference does, or says why not", "[bench]") {
  struct Case {
    const char* text;
    std::vector<std::string> by; // who must be able to
  };
  const Case cases[] = {
      {"program @conv(%x: f32[n=2, c=8, h=9, w=7], %w: f32[o=16, i=8, h=3, w=3], %b: f32[o=16]) {\n"
       "  %0 = conv %x, %w, %b {stride = 2, pad = 1}\n  %y = relu %0\n  return %y\n}",
       {"onednn", "im2col", "xnnpack", "opencv", "onnxruntime", "halide"}},
      {"program @last(%x: f32[n=2, h=9, w=7, c=8], %w: f32[o=16, i=8, h=3, w=3], %b: f32[o=16]) {\n"
       "  %0 = conv %x, %w, %b {pad = 1}\n  %y = relu6 %0\n  return %y\n}",
       {"onednn", "im2col", "xnnpack", "opencv", "onnxruntime", "halide"}},
      {"program @point(%x: f32[n=1, h=4, w=5, c=6], %w: f32[o=8, i=6, h=1, w=1]) {\n"
       "  %0 = conv %x, %w\n  %y = silu %0\n  return %y\n}",
       {"onednn", "im2col", "onnxruntime", "halide"}},
      {"program @grouped(%x: f32[n=1, c=8, h=6, w=6], %w: f32[o=16, i=2, h=3, w=3]) {\n"
       "  %y = conv %x, %w {pad = 1, groups = 4}\n  return %y\n}",
       {"onednn", "im2col", "onnxruntime"}},
      {"program @depthwise(%x: f32[n=1, h=6, w=6, c=16], %w: f32[o=16, i=1, h=3, w=3],"
       " %b: f32[o=16]) {\n  %y = conv %x, %w, %b {pad = 1, groups = 16}\n  return %y\n}",
       {"onednn", "im2col", "xnnpack", "onnxruntime", "halide"}},
      {"program @picture(%x: f32[n=2, c=16, h=9, w=9], %w: f32[o=16, h=3, w=3, i=1],"
       " %b: f32[o=16]) {\n  %0 = conv %x, %w, %b {pad = 1, stride = 2, groups = 16}\n"
       "  %y = relu6 %0\n  return %y\n}",
       {"onednn", "im2col", "xnnpack", "opencv", "onnxruntime", "halide"}},
      {"program @line(%x: f32[n=1, c=5, w=20], %w: f32[o=7, i=5, w=3]) {\n"
       "  %y = conv %x, %w {pad = [(4, 0)], dilation = 2}\n  return %y\n}",
       {"onednn", "im2col", "onnxruntime", "halide"}},
      {"program @solid(%x: f32[n=1, c=3, d=4, h=5, w=6], %w: f32[o=4, i=3, d=3, h=3, w=3]) {\n"
       "  %y = conv %x, %w {pad = 1}\n  return %y\n}",
       {"onednn", "onnxruntime"}},
      {"program @up(%x: f32[n=1, h=4, w=4, c=6], %w: f32[i=6, o=5, h=4, w=4], %b: f32[o=5]) {\n"
       "  %0 = conv_transpose %x, %w, %b {stride = 2, pad = 1}\n  %y = relu %0\n  return %y\n}",
       {"onednn", "xnnpack", "onnxruntime"}},
      {"program @max(%x: f32[n=1, h=8, w=8, c=16]) {\n"
       "  %y = max_pool %x {kernel = 3, stride = 2, pad = 1}\n  return %y\n}",
       {"onednn", "xnnpack", "opencv", "onnxruntime", "halide"}},
      {"program @average(%x: f32[n=1, c=16, h=8, w=8]) {\n"
       "  %y = avg_pool %x {kernel = 3, stride = 1, pad = 1, count_include_pad = false}\n"
       "  return %y\n}",
       {"onednn", "xnnpack", "onnxruntime", "halide"}},
      {"program @global(%x: f32[n=1, c=20, h=7, w=7]) {\n"
       "  %y = global_avg_pool %x\n  return %y\n}",
       {"onednn", "xnnpack", "onnxruntime", "halide"}},
      {"program @bytes(%x: u8[n=1, h=6, w=6, c=8], %w: i8[o=16, i=8, h=3, w=3]) {\n"
       "  %y = conv %x, %w {pad = 1}\n  return %y\n}",
       {"onnxruntime"}},
      {"program @halves(%x: bf16[n=1, h=6, w=6, c=16], %w: bf16[o=16, i=16, h=3, w=3]) {\n"
       "  %y = conv %x, %w {pad = 1}\n  return %y\n}",
       {}},
  };
  for (const Case& one : cases) {
    const ir::Program program = *ir::parse(one.text);
    CAPTURE(program.name);
    BenchOptions options = quickly();
    options.against = built_contenders();
    const auto found = benchmark(program, options);
    REQUIRE(found);
    for (const Contender& c : found->contenders) {
      CAPTURE(c.name, c.refused);
      CHECK(c.refused.find("something else") == std::string::npos);
      const bool must = std::find(one.by.begin(), one.by.end(), c.name) != one.by.end();
      if (must) CHECK(c.refused == "");
      CHECK(c.refused.empty() == !c.timing.samples.empty());
    }
  }
}
