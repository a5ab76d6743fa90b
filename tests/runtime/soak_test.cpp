// Much of everything at once and one after the other: what a process that compiles all day holds,
// and threads that compile, call, bind and let go of kernels of one session.
#include "compiler/compile.h"
#include "compiler/image/encode.h"
#include "ir/parse.h"
#include "ir/reference.h"
#include "runtime/session.h"
#include "tests/runtime/memory_map.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"
#include "tests/support/random_program.h"
#include "tests/support/stages.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <thread>

using namespace volute;

namespace {

constexpr int64_t mebibyte = int64_t{1} << 20;

std::string relu(int64_t channels, int64_t width) {
  return fmt::format("program @p(%x: f32[n=1, c={}, w={}]) {{ %y = relu %x return %y }}", channels,
                     width);
}

runtime::Options limited(int64_t bytes) {
  runtime::Options options;
  options.memory_cache_bytes = bytes;
  return options;
}

} // namespace

// VOLUTE_STRESS=N makes it N times as many.
TEST_CASE("20,000 distinct kernels go through a cache of 8 MiB, and the process stays as it was") {
  const char* stress = std::getenv("VOLUTE_STRESS");
  const int kernels = 20'000 * (stress ? std::max(1, std::atoi(stress)) : 1);
  const auto times = [](int number) {
    return ir::parse(fmt::format("program @times(%x: f32[n=1, c=1, w=32]) {{\n"
                                 "  %w = const [{}] : f32[o=1, i=1, w=1]\n"
                                 "  %y = conv %x, %w\n  return %y\n}}",
                                 number))
        .value();
  };
  // One compilation, whose number is another one in each: kernels that compute different things
  // from different bytes, as many compilations would make them in some minutes.
  constexpr int number = 7'654'321;
  compiler::CompileRequest request;
  request.target = compiler::host();
  const compiler::Image image = compiler::compile(times(number), request).value().image;
  std::vector<size_t> places; // of the number
  for (size_t at = 0; at + sizeof(float) <= image.bytes.size(); ++at) {
    float there;
    std::memcpy(&there, image.bytes.data() + at, sizeof there);
    if (there == static_cast<float>(number)) places.push_back(at);
  }
  REQUIRE(!places.empty());
  Session session(
      limited(8 * mebibyte), {}, [&](const ir::Program& program, const CompileOptions&) {
        compiler::Image own = image;
        const auto& constant = std::get<ir::Const>(program.statements.front().operation);
        for (const size_t at : places)
          std::memcpy(own.bytes.data() + at, constant.bytes->data(), sizeof(float));
        return own;
      });
  Tensor x = *Tensor::allocate(times(1).values[0].type);
  Tensor y = *Tensor::allocate(x.type());
  runtime::fill(x, {runtime::Fill::Kind::iota, 0});
  const size_t mappings = tests::mappings().size();
  size_t most_mappings = 0;
  int64_t resident = 0, most_resident = 0;
  int wrong = 0;
  for (int i = 1; i <= kernels; ++i) {
    const Kernel kernel = session.compile(times(i));
    const Status status = kernel(x, y);
    if (!status.ok() || y.as<float>()[31] != 31.0f * static_cast<float>(i)) ++wrong;
    if (i % 1000 != 0) continue;
    most_mappings = std::max(most_mappings, tests::mappings().size());
    if (resident == 0) resident = tests::resident_bytes();
    most_resident = std::max(most_resident, tests::resident_bytes());
  }
  CHECK(wrong == 0);
  const auto counters = session.cache_counters();
  CHECK(counters.compiles == kernels);
  CHECK(counters.evictions == kernels - counters.kernels);
  CHECK(counters.bytes <= 8 * mebibyte);
  // Two mappings a kernel of two pages.
  CHECK(most_mappings < mappings + 2 * 8 * mebibyte / 8192 + 400);
  CHECK(most_resident - resident < 24 * mebibyte);
  session.clear_cache();
  CHECK(tests::mappings().size() < mappings + 100); // what was let go is unmapped
}

TEST_CASE("compiling again and again holds nothing of the compilations before") {
  Session session(limited(0));
  const auto compile = [&](int64_t width) {
    (void)session.compile(ir::parse(relu(3, width)).value());
  };
  for (int64_t width = 1; width <= 40; ++width) compile(width);
  const int64_t resident = tests::resident_bytes();
  const size_t maps = tests::mappings().size();
  for (int64_t width = 41; width <= 240; ++width) compile(width);
  CHECK(tests::resident_bytes() - resident < 16 * mebibyte);
  CHECK(tests::mappings().size() < maps + 50);
}

TEST_CASE("16 threads compile, find, bind and call at once, and every result is right") {
  Session session(limited(64 << 10)); // a few kernels: others go while they are in use
  const auto text = [](int64_t outputs) {
    return fmt::format("program @p(%x: f32[n=1, c=3, h=6, w=7], %w: f32[o={}, i=3, h=3, w=3]) {{"
                       " %0 = conv %x, %w {{pad = 1}} %y = relu %0 return %y }}",
                       outputs);
  };
  constexpr int64_t programs = 12;
  std::vector<ir::Program> all;
  std::vector<Tensor> weights;
  std::vector<std::vector<std::byte>> expected;
  Tensor x = *Tensor::allocate(ir::parse(text(1))->values[0].type);
  runtime::fill(x, {runtime::Fill::Kind::random, 1});
  const ir::TensorData xd{x.type(), {x.data(), x.data() + x.bytes()}};
  for (int64_t p = 0; p < programs; ++p) {
    all.push_back(ir::parse(text(p + 1)).value());
    weights.push_back(*Tensor::allocate(all.back().type(all.back().inputs[1])));
    runtime::fill(weights.back(), {runtime::Fill::Kind::random, 2}, p);
    const Tensor& w = weights.back();
    const ir::TensorData wd{w.type(), {w.data(), w.data() + w.bytes()}};
    expected.push_back(ir::evaluate(all.back(), {{"x", &xd}, {"w", &wd}})->at("y").bytes);
  }
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int64_t t = 0; t < 16; ++t)
    threads.emplace_back([&, t] {
      for (int64_t turn = 0; turn < 6; ++turn) {
        const auto p = static_cast<size_t>((5 * t + 7 * turn) % programs);
        const Expected<Kernel> kernel = session.try_compile(all[p]);
        if (!kernel) {
          ++wrong;
          continue;
        }
        Tensor y = *Tensor::allocate(kernel->type("y"));
        const auto check = [&](const Status& status) {
          const bool same = std::memcmp(y.data(), expected[p].data(), expected[p].size()) == 0;
          if (!status.ok() || !same) ++wrong;
          runtime::fill(y, {});
        };
        check((*kernel)(x, weights[p], y));
        check(kernel->bind("w", weights[p])(x, y));
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

// VOLUTE_STRESS=N makes them N times as many.
TEST_CASE("16 threads compile any programs for any CPU at once, each as one thread alone does") {
  const auto count = static_cast<int64_t>(12 * tests::number_from("VOLUTE_STRESS", 1));
  const std::array<std::string, 4> cpus = {"x86-64", "haswell", "znver4", "sapphirerapids"};
  std::vector<ir::Program> programs;
  tests::Dice dice(1);
  for (int64_t p = 0; p < count; ++p)
    programs.push_back(ir::parse(tests::random_program(dice).text()).value());
  const auto image = [&](int64_t p) { // as bytes; empty: refused
    const std::string& cpu = cpus[static_cast<size_t>(p) % cpus.size()];
    const auto made = compiler::compile(programs[static_cast<size_t>(p)], tests::request_for(cpu));
    return made ? compiler::encode(made->image) : std::vector<std::byte>();
  };
  // Threads first: what is found out once in a process is found out by all of them at once.
  std::vector<std::vector<std::vector<std::byte>>> found(16);
  std::vector<std::thread> threads;
  for (int64_t t = 0; t < 16; ++t)
    threads.emplace_back([&, t] {
      auto& mine = found[static_cast<size_t>(t)];
      mine.resize(programs.size());
      for (int64_t i = 0; i < count; ++i) // each begins elsewhere, and two by two with the same
        mine[static_cast<size_t>((i + t / 2) % count)] = image((i + t / 2) % count);
    });
  for (std::thread& thread : threads) thread.join();
  for (int64_t p = 0; p < count; ++p) {
    CAPTURE(p);
    const std::vector<std::byte> alone = image(p);
    CHECK(!alone.empty());
    for (const auto& of_thread : found) CHECK(of_thread[static_cast<size_t>(p)] == alone);
  }
}
