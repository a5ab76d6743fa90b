// One of many processes over one folder of kernels, for disk_cache_stress_test and by hand:
//
//     cache_worker FOLDER THREADS KERNELS SEED [LIMIT_BYTES [MEMORY_BYTES]]
//
// Each thread asks for the kernels in an order of its own, through a session of its own, and calls
// each: it multiplies by its number. Prints what was compiled, found and let go, and what the
// process holds; exits with 1 when a result was wrong, 2 when one was refused.
#include "ir/parse.h"
#include "runtime/disk_cache.h"
#include "runtime/volute.hpp"
#include "tests/runtime/memory_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <random>
#include <thread>
#include <vector>

using namespace volute;

namespace {

ir::Program program(int number) {
  return *ir::parse(fmt::format("program @times{0}(%x: f32[n=1, c=1, w=16]) {{\n"
                                "  %w = const [{0}] : f32[o=1, i=1, w=1]\n"
                                "  %y = conv %x, %w\n  return %y\n}}",
                                number));
}

[[noreturn]] void store_for_ever(const std::string& folder, int threads, int64_t limit_bytes,
                                 unsigned seed) {
  runtime::DiskCache cache(folder, limit_bytes);
  const auto store = [&](unsigned thread) {
    std::mt19937 random(seed * 1000 + thread);
    compiler::Image image;
    image.bytes.assign(3 << 20, std::byte{static_cast<unsigned char>(seed)});
    while (true) cache.store(fmt::format("key {}", random() % 16), "", {}, image);
  };
  std::vector<std::thread> others;
  for (int t = 1; t < threads; ++t) others.emplace_back(store, static_cast<unsigned>(t));
  store(0);
  std::abort();
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 3;
  runtime::Options options;
  options.cache_dir = argv[1];
  const int thread_count = std::atoi(argv[2]), kernels = std::atoi(argv[3]);
  const auto seed = static_cast<unsigned>(std::atoi(argv[4]));
  if (argc > 5) options.disk_cache_bytes = std::atoll(argv[5]);
  if (kernels == 0)
    store_for_ever(*options.cache_dir, thread_count, options.disk_cache_bytes, seed);
  options.memory_cache_bytes = argc > 6 ? std::atoll(argv[6]) : 0;

  std::atomic<int> wrong{0}, refused{0};
  std::atomic<int64_t> compiles{0}, loads{0}, evictions{0};
  std::atomic<size_t> most_mappings{0};
  std::atomic<int64_t> most_resident{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < thread_count; ++t)
    threads.emplace_back([&, t] {
      std::mt19937 random(seed * 1000 + static_cast<unsigned>(t));
      std::vector<int> order(static_cast<size_t>(kernels));
      std::iota(order.begin(), order.end(), 1);
      std::shuffle(order.begin(), order.end(), random);
      Session session(options);
      for (size_t i = 0; i < order.size(); ++i) {
        const Expected<Kernel> kernel = session.try_compile(program(order[i]));
        if (!kernel) {
          std::fprintf(stderr, "%s\n", to_string(kernel.diagnostics().front()).c_str());
          ++refused;
          continue;
        }
        Tensor x = *Tensor::allocate(kernel->type("x")), y = *Tensor::allocate(kernel->type("y"));
        runtime::fill(x, {runtime::Fill::Kind::iota, 0});
        const bool ran = (*kernel)(x, y).ok();
        if (!ran || y.as<float>()[7] != 7.0f * static_cast<float>(order[i])) ++wrong;
        if (i % 100 != 99) continue;
        most_mappings = std::max(most_mappings.load(), tests::mappings().size());
        most_resident = std::max(most_resident.load(), tests::resident_bytes());
      }
      const auto counters = session.cache_counters();
      compiles += counters.compiles;
      loads += counters.loads;
      evictions += counters.evictions;
    });
  for (std::thread& thread : threads) thread.join();
  fmt::print("compiled {} loaded {} evicted {} wrong {} refused {} mappings {} resident {} MiB\n",
             compiles.load(), loads.load(), evictions.load(), wrong.load(), refused.load(),
             most_mappings.load(), most_resident.load() >> 20);
  return wrong > 0 ? 1 : refused > 0 ? 2 : 0;
}
