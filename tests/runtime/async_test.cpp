// Kernels that other threads compile, and that may be given up.
#include "ir/parse.h"
#include "runtime/background.h"
#include "runtime/volute.hpp"
#include "tests/runtime/failure_text.h"
#include "tests/runtime/small_layer.h"
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
using volute::tests::small_layer;

TEST_CASE("kernels are compiled by other threads, several at a time, and are the session's") {
  Session session(runtime::Options{});
  std::vector<PendingKernel> pending;
  for (int64_t width = 5; width < 25; ++width)
    pending.push_back(session.compile_async(small_layer(width)));
  for (int64_t width = 5; width < 25; ++width) {
    const Expected<Kernel> kernel = pending[static_cast<size_t>(width - 5)].get();
    REQUIRE(kernel);
    CHECK(pending[static_cast<size_t>(width - 5)].is_ready());
    CHECK(kernel->type("x").extents.back().size == width);
  }
  CHECK(session.cache_counters().compiles == 20);
  (void)session.compile(small_layer(7));
  CHECK(session.cache_counters().compiles == 20);
  CHECK(session.cache_counters().hits == 1);
  // A refusal is told by get().
  CompileOptions wrong;
  wrong.schedule = "for nowhere";
  CHECK(failure_text(session.compile_async(small_layer(7), wrong).get()) ==
        failure_text(session.try_compile(small_layer(7), wrong)));
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
  const PendingKernel given_up = session.compile_async(small_layer(9)),
                      kept = session.compile_async(small_layer(9));
  CHECK(!given_up.is_ready());
  given_up.cancel(); // all threads are busy: nobody has begun, and nobody is waited for
  CHECK(given_up.is_ready());
  CHECK(failure_text(given_up.get()) == "layer: its compilation was cancelled");
  may_go_on->count_down();
  CHECK(kept.get());
  CHECK(session.cache_counters().compiles == 1);
  kept.cancel(); // too late
  CHECK(kept.get());
}

TEST_CASE("who asks for the same kernel gets it, whoever gives up") {
  for (int round = 0; round < 40; ++round) {
    Session session(runtime::Options{});
    const PendingKernel given_up = session.compile_async(small_layer(11));
    std::thread canceller([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(100 * round));
      given_up.cancel();
    });
    CHECK(session.try_compile(small_layer(11)));
    canceller.join();
    const Expected<Kernel> one = given_up.get();
    if (!one) CHECK(failure_text(one) == "layer: its compilation was cancelled");
  }
}
