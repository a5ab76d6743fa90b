// Much of everything at once and one after the other: what a process that compiles all day holds,
// and threads that compile, call, bind and let go of kernels of one session.
#include "compiler/compile.h"
#include "ir/parse.h"
#include "ir/reference.h"
#include "runtime/session.h"
#include "tests/runtime/memory_map.h"
#include "tests/support/catch.h"

#include <fmt/format.h>

#include <algorithm>
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
TEST_CASE("5,000 kernels go through a cache of 8 MiB, and the process stays as large as it was") {
  const char* stress = std::getenv("VOLUTE_STRESS");
  const int kernels = 5000 * (stress ? std::max(1, std::atoi(stress)) : 1);
  // One compilation, mapped, called and let go of under as many keys, as many kernels would be.
  compiler::CompileRequest request;
  request.target = compiler::host();
  const compiler::Image image =
      compiler::compile(ir::parse(relu(4, 33)).value(), request).value().image;
  Session session(limited(8 * mebibyte), {},
                  [&](const ir::Program&, const CompileOptions&) { return image; });
  Tensor x = *Tensor::allocate(ir::parse(relu(4, 33))->values[0].type);
  Tensor y = *Tensor::allocate(x.type());
  runtime::fill(x, {runtime::Fill::Kind::iota, 0});
  size_t most_mappings = 0;
  int64_t resident = 0, most_resident = 0;
  int wrong = 0;
  const size_t before = tests::mappings().size(); // a sanitizer has hundreds
  for (int i = 0; i < kernels; ++i) {
    const Kernel kernel = session.compile(ir::parse(relu(1, i + 1)).value());
    const Status status = kernel(x, y);
    if (!status.ok() || y.as<float>()[131] != 131) ++wrong;
    if (i % 250 != 249) continue;
    most_mappings = std::max(most_mappings, tests::mappings().size());
    if (resident == 0) resident = tests::resident_bytes();
    most_resident = std::max(most_resident, tests::resident_bytes());
  }
  CHECK(wrong == 0);
  CHECK(session.cache_counters().compiles == kernels);
  CHECK(session.cache_counters().bytes <= 8 * mebibyte);
  // Two mappings a kernel of two pages.
  CHECK(most_mappings < before + 2 * 8 * mebibyte / 8192 + 100);
  CHECK(most_resident - resident < 24 * mebibyte);
  session.clear_cache();
  CHECK(tests::mappings().size() < before + 100);
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
