#include "runtime/memory_cache.h"
#include "tests/runtime/failure_text.h"
#include "tests/runtime/hand_assembled.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <atomic>
#include <random>
#include <stdexcept>
#include <thread>

using namespace volute;
using runtime::MemoryCache;
using volute::tests::failure_text;
using volute::tests::twice_image;

namespace {

// A compile that counts itself; `width` tells kernels apart.
MemoryCache::Compile compiling(std::atomic<int>& compiles, int64_t width) {
  return [&compiles, width] {
    ++compiles;
    return Kernel::load(twice_image(width));
  };
}

/// What one of them takes: two pages, text and constants, and what describes it.
const int64_t kernel_bytes = [] {
  MemoryCache cache(1 << 20);
  std::atomic<int> compiles{0};
  (void)cache.get_or_compile("a", compiling(compiles, 1));
  return cache.counters().bytes;
}();

int64_t width_of(const Kernel& kernel) { return kernel.type("x").extents.back().size; }

} // namespace

TEST_CASE("a key is compiled once and found after") {
  MemoryCache cache(1 << 20);
  std::atomic<int> compiles{0};
  CHECK(width_of(*cache.get_or_compile("a", compiling(compiles, 1))) == 1);
  CHECK(width_of(*cache.get_or_compile("a", compiling(compiles, 9))) == 1);
  CHECK(width_of(*cache.get_or_compile("b", compiling(compiles, 2))) == 2);
  CHECK(compiles == 2);
  const MemoryCache::Counters counters = cache.counters();
  CHECK(counters.hits == 1);
  CHECK(counters.compiles == 2);
  CHECK(counters.kernels == 2);
  CHECK(counters.bytes == 2 * kernel_bytes);
  CHECK(counters.evictions == 0);
  CHECK(counters.failures == 0);
}

TEST_CASE("a kernel that came otherwise is kept, and waits for nobody who makes the same") {
  MemoryCache cache(1 << 20);
  const Kernel given = *Kernel::load(twice_image(1)), other = *Kernel::load(twice_image(2));
  CHECK(width_of(cache.keep("a", given)) == 1);
  CHECK(width_of(cache.keep("a", other)) == 1); // that was there first
  CHECK(width_of(*cache.find("a")) == 1);
  CHECK(cache.counters().compiles == 0);
  CHECK(cache.counters().bytes == kernel_bytes);
  std::atomic<bool> is_compiling{false}, may_end{false};
  std::thread maker([&] {
    (void)cache.get_or_compile("b", [&] {
      is_compiling = true;
      while (!may_end) std::this_thread::yield();
      return Expected<Kernel>(other);
    });
  });
  while (!is_compiling) std::this_thread::yield();
  CHECK(width_of(cache.keep("b", given)) == 1);
  CHECK(cache.counters().kernels == 1);
  may_end = true;
  maker.join();
  CHECK(width_of(*cache.find("b")) == 2);
  CHECK(cache.counters().kernels == 2);
  CHECK(cache.counters().bytes == 2 * kernel_bytes);
}

TEST_CASE("the kernel used longest ago goes first") {
  MemoryCache cache(2 * kernel_bytes);
  std::atomic<int> compiles{0};
  (void)cache.get_or_compile("a", compiling(compiles, 1));
  (void)cache.get_or_compile("b", compiling(compiles, 2));
  (void)cache.get_or_compile("a", compiling(compiles, 1)); // now b is the older one
  (void)cache.get_or_compile("c", compiling(compiles, 3));
  CHECK(cache.counters().evictions == 1);
  CHECK(cache.counters().kernels == 2);
  CHECK(cache.counters().bytes == 2 * kernel_bytes);
  compiles = 0;
  (void)cache.get_or_compile("a", compiling(compiles, 1));
  (void)cache.get_or_compile("c", compiling(compiles, 3));
  CHECK(compiles == 0);
  (void)cache.get_or_compile("b", compiling(compiles, 2));
  CHECK(compiles == 1);
}

TEST_CASE("an evicted kernel is found again as long as somebody holds it, and then no more") {
  MemoryCache cache(kernel_bytes);
  std::atomic<int> compiles{0};
  std::optional<Kernel> held = *cache.get_or_compile("a", compiling(compiles, 1));
  const runtime::WeakKernel weak(*held);
  (void)cache.get_or_compile("b", compiling(compiles, 2)); // evicts a
  CHECK(!weak.expired());
  CHECK(width_of(*cache.get_or_compile("a", compiling(compiles, 1))) == 1); // evicts b
  CHECK(compiles == 2);
  (void)cache.get_or_compile("b", compiling(compiles, 2)); // evicts a again
  CHECK(compiles == 3);
  held.reset();
  CHECK(weak.expired());
  (void)cache.get_or_compile("a", compiling(compiles, 1));
  CHECK(compiles == 4);
}

TEST_CASE("a kernel beyond the limit is given out and not held") {
  MemoryCache cache(kernel_bytes - 1);
  std::atomic<int> compiles{0};
  CHECK(cache.get_or_compile("a", compiling(compiles, 1)).has_value());
  CHECK(cache.counters().kernels == 0);
  CHECK(cache.counters().bytes == 0);
  (void)cache.get_or_compile("a", compiling(compiles, 1));
  CHECK(compiles == 2);
}

TEST_CASE("what a kernel takes is all that it holds") {
  CHECK(kernel_bytes > 8192 + 500);
  CHECK(kernel_bytes < 8192 + 2500);
  // Of an empty batch: it counts nevertheless, and goes when its time has come.
  MemoryCache cache(3 * kernel_bytes);
  std::atomic<int> compiles{0};
  for (int i = 0; i < 20; ++i)
    REQUIRE(cache.get_or_compile(std::to_string(i), compiling(compiles, 0)).has_value());
  CHECK(cache.counters().kernels == 3);
  CHECK(cache.counters().evictions == 17);
}

TEST_CASE("clearing lets go of everything") {
  MemoryCache cache(1 << 20);
  std::atomic<int> compiles{0};
  const runtime::WeakKernel weak(*cache.get_or_compile("a", compiling(compiles, 1)));
  CHECK(!weak.expired());
  cache.clear();
  CHECK(weak.expired());
  CHECK(cache.counters().kernels == 0);
  CHECK(cache.counters().bytes == 0);
  (void)cache.get_or_compile("a", compiling(compiles, 1));
  CHECK(compiles == 2);
}

TEST_CASE("a failure is told and not kept") {
  MemoryCache cache(1 << 20);
  std::atomic<int> compiles{0};
  const auto failing = []() -> Expected<Kernel> { return fail("conv", "too large"); };
  CHECK(failure_text(cache.get_or_compile("a", failing)) == "conv: too large");
  CHECK_THROWS_WITH((void)cache.get_or_compile(
                        "a", []() -> Expected<Kernel> { throw std::runtime_error("broken"); }),
                    "broken");
  CHECK(cache.counters().failures == 2);
  CHECK(cache.get_or_compile("a", compiling(compiles, 1)).has_value());
}

TEST_CASE("a compile that asks for its own key is refused rather than left waiting for itself") {
  MemoryCache cache(1 << 20);
  std::atomic<int> compiles{0};
  const auto recursive = [&] { return cache.get_or_compile("a", compiling(compiles, 1)); };
  CHECK(failure_text(cache.get_or_compile("a", recursive)) ==
        "cache: a compile asks for the kernel that it is compiling");
  const auto other = [&] { return cache.get_or_compile("b", compiling(compiles, 1)); };
  CHECK(cache.get_or_compile("a", other).has_value());
}

TEST_CASE("many threads that ask at once wait for one compile, for better or worse") {
  for (const bool fails : {false, true}) {
    MemoryCache cache(1 << 20);
    constexpr int askers = 8;
    std::atomic<int> compiles{0}, got{0}, refused{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < askers; ++i)
      threads.emplace_back([&] {
        const Expected<Kernel> kernel = cache.get_or_compile("a", [&]() -> Expected<Kernel> {
          ++compiles;
          // Everyone else is waiting before this one is done.
          while (cache.counters().waits < askers - 1) std::this_thread::yield();
          if (fails) return fail("conv", "too large");
          return Kernel::load(twice_image(1));
        });
        ++(kernel ? got : refused);
      });
    for (std::thread& thread : threads) thread.join();
    CHECK(compiles == 1);
    CHECK(got == (fails ? 0 : askers));
    CHECK(refused == (fails ? askers : 0));
    CHECK(cache.counters().waits == askers - 1);
  }
}

TEST_CASE("an exception reaches everyone who waited") {
  MemoryCache cache(1 << 20);
  std::atomic<int> thrown{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      try {
        (void)cache.get_or_compile("a", [&]() -> Expected<Kernel> {
          while (cache.counters().waits < 3) std::this_thread::yield();
          throw std::runtime_error("broken");
        });
      } catch (const std::runtime_error&) {
        ++thrown;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(thrown == 4);
}

TEST_CASE("threads that ask, fail, hold, evict and clear at random always get the kernel they "
          "asked for") {
  MemoryCache cache(5 * kernel_bytes);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (unsigned seed = 0; seed < 6; ++seed)
    threads.emplace_back([&, seed] {
      std::mt19937 random(seed);
      std::vector<Kernel> held;
      for (int i = 0; i < 1000; ++i) {
        const int64_t width = 1 + random() % 12;
        const bool fails = random() % 8 == 0;
        const Expected<Kernel> kernel =
            cache.get_or_compile(std::to_string(width), [&]() -> Expected<Kernel> {
              if (fails) return fail("conv", "not today");
              return Kernel::load(twice_image(width));
            });
        if (kernel && width_of(*kernel) != width) ++wrong;
        if (kernel && random() % 3 == 0) held.push_back(*kernel);
        if (held.size() > 4) held.erase(held.begin());
        if (random() % 200 == 0) cache.clear();
        const MemoryCache::Counters counters = cache.counters();
        if (counters.bytes > 5 * kernel_bytes || counters.bytes != counters.kernels * kernel_bytes)
          ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  const MemoryCache::Counters counters = cache.counters();
  CHECK(counters.hits + counters.compiles + counters.waits == 6000);
  CHECK(counters.evictions > 0);
}

TEST_CASE("keys that were asked for once do not pile up, and those of living kernels stay") {
  MemoryCache cache(0);
  std::atomic<int> compiles{0};
  const Kernel living = cache.get_or_compile("living", compiling(compiles, 1)).value();
  int64_t most = 0;
  for (int i = 0; i < 2000; ++i) {
    REQUIRE(cache.get_or_compile(std::to_string(i), compiling(compiles, 1)).has_value());
    most = std::max(most, cache.counters().keys);
  }
  CHECK(compiles == 2001);
  CHECK(most >= 64); // dead ones are looked for now and then, not each time
  CHECK(most <= 70);
  CHECK(cache.counters().kernels == 0);
  CHECK(cache.get_or_compile("living", compiling(compiles, 1)).has_value());
  CHECK(compiles == 2001);
  cache.clear();
  CHECK(cache.counters().keys == 0);
}
