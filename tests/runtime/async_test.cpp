// Kernels that nobody waits for: compiled by other threads, given up, and taken when they are
// ready.
#include "ir/parse.h"
#include "runtime/background.h"
#include "runtime/volute.hpp"
#include "tests/runtime/failure_text.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

using namespace volute;
using runtime::PendingKernel;
using volute::tests::failure_text;

namespace {

ir::Program layer(int64_t width) {
  return *ir::parse("program @layer(%x: f32[n=1, c=8, h=6, w=" + std::to_string(width) +
                    "], %w: f32[o=16, i=8, h=3, w=3]) {\n"
                    "  %y = conv %x, %w\n  return %y\n}");
}

/// Whole numbers, so that every order of summation gives the same.
struct Data {
  explicit Data(const ir::Program& program)
      : x(*Tensor::allocate(program.values[0].type)), w(*Tensor::allocate(program.values[1].type)),
        y(*Tensor::allocate(program.type(program.outputs[0]))),
        expected(*Tensor::allocate(y.type())) {
    runtime::fill(x, {runtime::Fill::Kind::random, 1});
    runtime::fill(w, {runtime::Fill::Kind::random, 2});
    CompileOptions plain;
    plain.schedule = "naive";
    Session session(runtime::Options{});
    session.compile(program, plain)(x, w, expected).check();
  }
  bool is_right(const Tensor& result) const {
    return std::equal(result.data(), result.data() + result.bytes(), expected.data());
  }
  Tensor x, w, y, expected;
};

} // namespace

TEST_CASE("kernels are compiled by other threads, several at a time, and are the session's") {
  Session session(runtime::Options{});
  std::vector<PendingKernel> pending;
  for (int64_t width = 5; width < 25; ++width)
    pending.push_back(session.compile_async(layer(width)));
  for (int64_t width = 5; width < 25; ++width) {
    const Expected<Kernel> kernel = pending[static_cast<size_t>(width - 5)].get();
    REQUIRE(kernel);
    CHECK(pending[static_cast<size_t>(width - 5)].is_ready());
    CHECK(kernel->type("x").extents.back().size == width);
  }
  CHECK(session.cache_counters().compiles == 20);
  (void)session.compile(layer(7));
  CHECK(session.cache_counters().compiles == 20);
  CHECK(session.cache_counters().hits == 1);
  // A refusal is told by get().
  CompileOptions wrong;
  wrong.schedule = "for nowhere";
  CHECK(failure_text(session.compile_async(layer(7), wrong).get()) ==
        failure_text(session.try_compile(layer(7), wrong)));
}

TEST_CASE("what has not begun can be given up") {
  Session session(runtime::Options{});
  const int threads = runtime::available_threads();
  // Theirs as well: they may still be looking at it when the test has ended.
  const auto are_busy = std::make_shared<std::latch>(threads);
  const auto may_go_on = std::make_shared<std::latch>(1);
  for (int i = 0; i < threads; ++i)
    runtime::in_background(
        [are_busy, may_go_on] {
          are_busy->count_down();
          may_go_on->wait();
        },
        threads);
  are_busy->wait();
  const PendingKernel given_up = session.compile_async(layer(9)),
                      kept = session.compile_async(layer(9));
  given_up.cancel();
  CHECK(!given_up.is_ready());
  may_go_on->count_down();
  CHECK(failure_text(given_up.get()) == "layer: its compilation was cancelled");
  CHECK(kept.get());
  CHECK(session.cache_counters().compiles == 1);
  kept.cancel(); // too late
  CHECK(kept.get());
}

TEST_CASE("who asks for the same kernel gets it, whoever gives up") {
  for (int round = 0; round < 40; ++round) {
    Session session(runtime::Options{});
    const PendingKernel given_up = session.compile_async(layer(11));
    std::thread canceller([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(100 * round));
      given_up.cancel();
    });
    CHECK(session.try_compile(layer(11)));
    canceller.join();
    const Expected<Kernel> one = given_up.get();
    if (!one) CHECK(failure_text(one) == "layer: its compilation was cancelled");
  }
}

TEST_CASE("a tiered kernel answers at once, and by the good one when that is ready") {
  const ir::Program program = layer(29);
  Data data(program);
  Session session(runtime::Options{});
  const TieredKernel kernel = session.compile_tiered(program);
  const TieredKernel bound = kernel.bind("w", data.w); // before or after: both are right
  CHECK(kernel(data.x, data.w, data.y).ok());
  CHECK(data.is_right(data.y));
  std::atomic<bool> is_over{false};
  std::atomic<int> wrong{0}, calls{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      Tensor y = *Tensor::allocate(data.y.type());
      while (!is_over.load()) {
        if (!bound(data.x, y).ok() || !data.is_right(y)) ++wrong;
        ++calls;
      }
    });
  const Expected<Kernel> good = kernel.wait();
  REQUIRE(good);
  REQUIRE(bound.wait());
  while (!kernel.is_final() || !bound.is_final()) std::this_thread::yield();
  const int before = calls.load();
  while (calls.load() < before + 10) std::this_thread::yield();
  is_over.store(true);
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong.load() == 0);
  CHECK(kernel(data.x, data.w, data.y).ok());
  CHECK(data.is_right(data.y));
  CHECK(kernel.now().steps() == good->steps());
  // It is the session's now: the next one is good from the beginning.
  CHECK(session.compile_tiered(program).is_final());
  CHECK(session.compile_tiered(program).bind("w", data.w).is_final());
}

TEST_CASE("both tiers of a deterministic kernel give the same bits") {
  // One that Winograd, or sums in another order, would compute otherwise.
  const ir::Program program =
      *ir::parse("program @layer(%x: f32[n=1, h=30, w=30, c=64], %w: f32[o=64, i=64, h=3, w=3]) {\n"
                 "  %0 = conv %x, %w {pad = 1}\n  %y = sigmoid %0\n  return %y\n}");
  Tensor x = *Tensor::allocate(program.values[0].type),
         w = *Tensor::allocate(program.values[1].type);
  uint64_t seed = 1;
  for (Tensor* t : {&x, &w}) { // tenths: sums of their products are rounded, in any order otherwise
    runtime::fill(*t, {runtime::Fill::Kind::random, seed++});
    auto* element = reinterpret_cast<float*>(t->data());
    for (size_t i = 0; i < t->bytes() / sizeof(float); ++i) element[i] *= 0.1F;
  }
  const auto result_of = [&](const Kernel& kernel) {
    Tensor y = *Tensor::allocate(program.type(program.outputs[0]));
    kernel(x, w, y).check();
    return std::vector<std::byte>(y.data(), y.data() + y.bytes());
  };
  Session session(runtime::Options{});
  CompileOptions options, plain;
  options.deterministic = plain.deterministic = true;
  plain.schedule = "naive";
  const TieredKernel kernel = session.compile_tiered(program, options);
  const std::vector<std::byte> at_once = result_of(kernel.now());
  CHECK(result_of(session.compile(program, plain)) == at_once); // which the tier began with
  const Expected<Kernel> good = kernel.wait();
  REQUIRE(good);
  CHECK(good->steps() != session.compile(program, plain).steps());
  CHECK(result_of(*good) == at_once);
  CHECK(result_of(session.compile(program)) != at_once); // as this is not
}

TEST_CASE("a tiered kernel that nobody keeps, and refusals of one") {
  Session session(runtime::Options{});
  for (int64_t width = 30; width < 40; ++width) {
    Data data(layer(width));
    (void)session.compile_tiered(layer(width)).bind("w", data.w); // both go before they are ready
  }
  CompileOptions wrong;
  wrong.schedule = "for nowhere";
  const auto kernel = session.try_compile_tiered(layer(7), wrong);
  // What needs no schedule serves, and what was asked for is refused by wait().
  REQUIRE(kernel);
  CHECK(failure_text(kernel->wait()) == failure_text(session.try_compile(layer(7), wrong)));
  const TieredKernel good = session.compile_tiered(layer(8));
  CHECK(!good.try_bind("nothing", *Tensor::allocate(layer(8).values[1].type)));
}
