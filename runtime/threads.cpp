#include "runtime/threads.h"

#include "runtime/float_control.h"
#include "runtime/fork_count.h"
#include "runtime/late_library.h"
#include "runtime/own_threads.h"

#include <fmt/format.h>
#include <pthreadpool.h>

#include <atomic>
#include <memory>
#include <sched.h>
#include <thread>

namespace volute::runtime {
namespace {

constexpr int most_threads = 1024;

// One run, as its pieces see it. `started` and `done` also order memory between the caller and the
// workers in terms that a race detector sees, which the inside of a pool need not be.
struct Run {
  void (*body)(void*, int64_t);
  void* context;
  int64_t pieces;
  FloatControl control;
  std::atomic<bool> started{false};
  std::atomic<int64_t> done{0};

  void piece(int64_t index) {
    started.load(std::memory_order_acquire);
    if (index < 0 || index >= pieces) return; // not ours: `done` will not add up
    const FloatControl own = float_control();
    if (own != control) set_float_control(control);
    body(context, index);
    if (own != control) set_float_control(own);
    done.fetch_add(1, std::memory_order_release);
  }
};

void run_piece(void* run, size_t index) {
  static_cast<Run*>(run)->piece(static_cast<int64_t>(index));
}

// What is used of pthreadpool, which is loaded when the first workers are started.
struct PthreadPool {
  LateLibrary library{VOLUTE_PTHREADPOOL_LIBRARY};
  decltype(pthreadpool_create)* create =
      library.function<decltype(pthreadpool_create)>("pthreadpool_create");
  decltype(pthreadpool_destroy)* destroy =
      library.function<decltype(pthreadpool_destroy)>("pthreadpool_destroy");
  using Run = void(pthreadpool_t, pthreadpool_task_1d_t, void*, size_t,
                   uint32_t); // it is overloaded
  Run* parallelize_1d = library.function<Run>("pthreadpool_parallelize_1d");
};

const PthreadPool& pthreadpool() {
  static const auto& loaded = *new PthreadPool; // used until the very end
  return loaded;
}

/// Workers of our own, in the process that started them.
struct Team {
  pthreadpool_t workers;
  uint64_t started_in;
};

} // namespace

struct Threads::Pool {
  ParallelFor parallel_for; // the caller's; empty: workers of our own

  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool() {
    // The memory of a team that a fork has left behind stays: nobody can join its threads.
    const std::unique_ptr<Team> team(team_.load());
    if (team && team->started_in == fork_count()) pthreadpool().destroy(team->workers);
  }

  /// Starts the workers when they are first needed, in this process: one whose kernels are too
  /// small to be split never has them. Null when the system has not got them.
  pthreadpool_t workers(int count) const {
    Team* team = team_.load(std::memory_order_acquire);
    while (!team || team->started_in != fork_count()) {
      auto started = start(count);
      if (!started->workers) return nullptr;
      if (team_.compare_exchange_strong(team, started.get())) return started.release()->workers;
      pthreadpool().destroy(started->workers); // another thread was faster
    }
    return team->workers;
  }

private:
  static std::unique_ptr<Team> start(int count) {
    const PthreadPool& pool = pthreadpool();
    const MakingOwnThreads making;
    return std::make_unique<Team>(Team{pool.create(static_cast<size_t>(count)), fork_count()});
  }

  mutable std::atomic<Team*> team_{nullptr};
};

Expected<Threads> Threads::pool(int count) {
  if (count < 1 || count > most_threads)
    return fail("threads", fmt::format("a pool has 1 to {} threads, not {}", most_threads, count));
  Threads threads;
  if (count == 1) return threads;
  if (const std::string& fault = pthreadpool().library.fault(); !fault.empty())
    return fail("threads", fmt::format("a pool of threads takes pthreadpool: {}", fault));
  threads.pool_ = std::make_shared<Pool>();
  threads.count_ = count;
  return threads;
}

Expected<Threads> Threads::on(int count, ParallelFor parallel_for) {
  if (count < 1 || count > most_threads)
    return fail("threads",
                fmt::format("work comes in 1 to {} pieces, not {}", most_threads, count));
  if (!parallel_for) return fail("threads", "the parallel-for is an empty function");
  Threads threads;
  auto pool = std::make_shared<Pool>();
  pool->parallel_for = std::move(parallel_for);
  threads.pool_ = std::move(pool);
  threads.count_ = count;
  return threads;
}

Status Threads::run(int64_t pieces, void (*body)(void*, int64_t), void* context) const noexcept {
  if (!body)
    return Status::failed(StatusCode::invalid_argument, [] {
      return Diagnostic{{}, "threads", "there is nothing to run: the body is a null pointer", ""};
    });
  if (!pool_ || pieces <= 1) {
    for (int64_t i = 0; i < pieces; ++i) body(context, i);
    return {};
  }
  Run run{body, context, pieces, float_control()};
  run.started.store(true, std::memory_order_release);
  if (!pool_->parallel_for) {
    pthreadpool_t workers = nullptr;
    try {
      workers = pool_->workers(count_);
    } catch (...) { // no memory for what names them
    }
    if (!workers)
      return Status::failed(StatusCode::pool_failed, [&] {
        return Diagnostic{
            {}, "threads", fmt::format("the system has no {} threads to give", count_), ""};
      });
    // Workers yield while they wait: on a busy machine, spinning takes the core that would do the
    // work.
    pthreadpool().parallelize_1d(workers, run_piece, &run, static_cast<size_t>(pieces),
                                 PTHREADPOOL_FLAG_YIELD_WORKERS);
  } else {
    try {
      // One reference fits into a std::function without an allocation.
      pool_->parallel_for(pieces, [&run](int64_t index) { run.piece(index); });
    } catch (...) {
      return Status::failed(StatusCode::pool_failed, [] {
        return Diagnostic{{}, "threads", "the caller's parallel-for threw an exception", ""};
      });
    }
  }
  const int64_t done = run.done.load(std::memory_order_acquire);
  if (done == pieces) return {};
  return Status::failed(StatusCode::pool_failed, [&] {
    return Diagnostic{
        {}, "threads", fmt::format("the parallel-for ran {} of {} pieces", done, pieces), ""};
  });
}

int available_threads() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) return CPU_COUNT(&allowed);
  const unsigned count = std::thread::hardware_concurrency();
  return count == 0 ? 1 : static_cast<int>(count);
}

} // namespace volute::runtime
