#include "runtime/background.h"

#include "runtime/compiler_library.h"
#include "runtime/fork_count.h"
#include "runtime/own_threads.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

namespace volute::runtime {
namespace {

constexpr std::chrono::seconds idle_time{1}; // then a thread ends

struct Queue {
  const uint64_t forks = fork_count();
  std::mutex mutex; // guards what follows
  std::condition_variable changed;
  std::deque<std::function<void()>> work;
  int threads = 0, idle = 0;
};

// Never destroyed, and left behind by a child, which has none of the threads.
std::atomic<Queue*> current{nullptr};

Queue& queue() {
  Queue* there = current.load();
  while (!there || there->forks != fork_count()) {
    auto fresh = std::make_unique<Queue>();
    if (current.compare_exchange_strong(there, fresh.get())) return *fresh.release();
  }
  return *there;
}

void work_off(Queue& queue) {
  watch_this_thread();
  std::unique_lock lock(queue.mutex);
  while (true) {
    ++queue.idle;
    const bool is_more =
        queue.changed.wait_for(lock, idle_time, [&] { return !queue.work.empty(); });
    --queue.idle;
    if (!is_more) break;
    std::function<void()> work = std::move(queue.work.front());
    queue.work.pop_front();
    lock.unlock();
    work();
    work = nullptr; // what it held is let go without the lock
    lock.lock();
  }
  --queue.threads;
}

} // namespace

void in_background(std::function<void()> work, int most_threads) {
  Queue& here = queue();
  {
    const std::lock_guard lock(here.mutex);
    here.work.push_back(std::move(work));
    const bool has_one = here.idle >= std::ssize(here.work);
    if (has_one || here.threads >= most_threads) {
      here.changed.notify_one();
      return;
    }
    ++here.threads;
  }
  try {
    const MakingOwnThreads making;
    std::thread([&here] { work_off(here); }).detach();
    return;
  } catch (const std::system_error&) {
  }
  std::function<void()> mine;
  {
    const std::lock_guard lock(here.mutex);
    --here.threads;
    if (here.work.empty()) return; // somebody else was free after all
    mine = std::move(here.work.back());
    here.work.pop_back();
  }
  mine();
}

} // namespace volute::runtime
