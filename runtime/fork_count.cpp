#include "runtime/fork_count.h"

#include <atomic>
#include <pthread.h>

namespace volute::runtime {

uint64_t fork_count() noexcept {
  static std::atomic<uint64_t> count{0};
  static const bool is_counting =
      pthread_atfork(nullptr, nullptr, [] { count.fetch_add(1, std::memory_order_relaxed); }) == 0;
  (void)is_counting;
  return count.load(std::memory_order_relaxed);
}

} // namespace volute::runtime
