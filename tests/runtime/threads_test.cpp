#include "runtime/threads.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <numeric>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "tests/runtime/failure_text.h"
#include "tests/support/catch.h"

using namespace volute;
using volute::tests::failure_text;

namespace {

// How often each piece ran.
std::vector<int> counts(const Threads& threads, int64_t pieces) {
  std::vector<std::atomic<int>> seen(static_cast<size_t>(pieces));
  const auto body = [](void* context, int64_t piece) {
    ++(*static_cast<std::vector<std::atomic<int>>*>(context))[static_cast<size_t>(piece)];
  };
  CHECK(threads.run(pieces, body, &seen).ok());
  return {seen.begin(), seen.end()};
}

// Every piece on a thread of its own, the last one first.
void thread_each(int64_t count, const std::function<void(int64_t)>& body) {
  std::vector<std::thread> threads;
  for (int64_t i = count; i-- > 0;) threads.emplace_back([&body, i] { body(i); });
  for (std::thread& thread : threads) thread.join();
}

} // namespace

TEST_CASE("every piece runs once, on the caller's thread, a pool, or the caller's own threads") {
  for (const Threads& threads : {Threads(), *Threads::pool(2), *Threads::on(4, thread_each)})
    for (const int64_t pieces : {0, 1, 2, 3, 100})
      CHECK(counts(threads, pieces) == std::vector<int>(static_cast<size_t>(pieces), 1));
}

TEST_CASE("without a pool no other thread is involved") {
  std::thread::id ran_on;
  CHECK(Threads()
            .run(
                1,
                [](void* id, int64_t) {
                  *static_cast<std::thread::id*>(id) = std::this_thread::get_id();
                },
                &ran_on)
            .ok());
  CHECK(ran_on == std::this_thread::get_id());
  CHECK(Threads().count() == 1);
  CHECK(Threads::pool(1)->count() == 1);
}

TEST_CASE("a pool may be used from several threads at once") {
  const Threads pool = *Threads::pool(2);
  CHECK(pool.count() == 2);
  std::vector<std::thread> callers;
  std::atomic<int64_t> total{0};
  for (int caller = 0; caller < 4; ++caller)
    callers.emplace_back([&] {
      for (int i = 0; i < 50; ++i)
        (void)pool.run(
            8, [](void* sum, int64_t piece) { *static_cast<std::atomic<int64_t>*>(sum) += piece; },
            &total);
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(total == 4 * 50 * 28);
}

TEST_CASE("numbers of threads that cannot be are refused") {
  CHECK(failure_text(Threads::pool(0)) == "threads: a pool has 1 to 1024 threads, not 0");
  CHECK(failure_text(Threads::pool(-3)) == "threads: a pool has 1 to 1024 threads, not -3");
  CHECK(failure_text(Threads::pool(1025)) == "threads: a pool has 1 to 1024 threads, not 1025");
  CHECK(failure_text(Threads::on(0, thread_each)) ==
        "threads: work comes in 1 to 1024 pieces, not 0");
  CHECK(failure_text(Threads::on(2, {})) == "threads: the parallel-for is an empty function");
}

TEST_CASE("a parallel-for that throws or leaves pieces out is a failure") {
  const auto nothing = [](void*, int64_t) {};
  const Threads throwing = *Threads::on(
      2, [](int64_t, const std::function<void(int64_t)>&) { throw std::runtime_error("full"); });
  const Status thrown = throwing.run(2, nothing, nullptr);
  CHECK(thrown.code() == StatusCode::pool_failed);
  CHECK(thrown.message() == "threads: the caller's parallel-for threw an exception");
  const Threads lazy =
      *Threads::on(3, [](int64_t, const std::function<void(int64_t)>& body) { body(0); });
  CHECK(lazy.run(3, nothing, nullptr).message() == "threads: the parallel-for ran 1 of 3 pieces");
  const Threads eager =
      *Threads::on(2, [](int64_t count, const std::function<void(int64_t)>& body) {
        for (int64_t i = 1; i <= count; ++i) body(i); // counts from 1
      });
  CHECK(eager.run(2, nothing, nullptr).message() == "threads: the parallel-for ran 1 of 2 pieces");
}

#if defined(__x86_64__)
TEST_CASE("pieces run under the caller's rounding and denormals, and a worker's own come back") {
  constexpr unsigned denormals_are_zero = 0x0040, round_down = 0x2000, flags = 0x3f;
  const unsigned before = _mm_getcsr();
  const unsigned callers = (before | denormals_are_zero | round_down) & ~flags;
  // A worker that was there before the caller changed anything: a new thread would inherit it.
  unsigned workers_after = 0;
  std::atomic<const std::function<void()>*> job{nullptr};
  std::atomic<bool> stop{false};
  std::thread worker([&] {
    while (!stop) {
      if (const auto* work = job.load()) {
        (*work)();
        workers_after = _mm_getcsr() & ~flags;
        job = nullptr;
      }
      std::this_thread::yield();
    }
  });
  const Threads threads =
      *Threads::on(2, [&](int64_t count, const std::function<void(int64_t)>& body) {
        const std::function<void()> all = [&] {
          for (int64_t i = 0; i < count; ++i) body(i);
        };
        job = &all;
        while (job.load()) std::this_thread::yield();
      });
  std::vector<unsigned> seen(8);
  const auto body = [](void* context, int64_t piece) {
    (*static_cast<std::vector<unsigned>*>(context))[static_cast<size_t>(piece)] =
        _mm_getcsr() & ~flags;
  };
  _mm_setcsr(callers);
  const Status status = threads.run(8, body, &seen);
  _mm_setcsr(before);
  CHECK(status.ok());
  CHECK(seen == std::vector<unsigned>(8, callers));
  CHECK(workers_after == (before & ~flags));
  stop = true;
  worker.join();
}
#endif

TEST_CASE("this process may run at least one thread") { CHECK(runtime::available_threads() >= 1); }
