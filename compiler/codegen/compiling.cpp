#include "compiler/codegen/compiling.h"

#include "compiler/codegen/machine.h"

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <unistd.h>

namespace volute::compiler {
namespace {

// None of them has a destructor: they are used until the very end.
std::atomic<int64_t> under_way{0};
std::atomic<bool> is_ending{false};
std::atomic<bool> preparing{false};
thread_local int64_t own = 0; // of those under way

void wait_for_others() {
  is_ending.store(true);
  for (int64_t count = under_way.load(); count > own; count = under_way.load())
    under_way.wait(count);
}

// Held while LLVM is met for the first time. Whoever forks waits for that, as a child has not the
// thread that would end it.
std::mutex first;
thread_local bool prepares_now = false;

// Functions run at exit in the reverse of the order in which they were registered, and LLVM
// registers the destructors of many objects when it first meets them. This one has to come after
// those: hence once LLVM has generated something, and once more when it has compiled a whole
// program.
void prepare(const Target& target) {
  static std::atomic<bool> is_prepared{false};
  if (is_prepared.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(first);
  if (is_prepared.load()) return;
  struct Now {
    Now() { prepares_now = true, preparing.store(true); }
    ~Now() {
      preparing.store(false), prepares_now = false;
      preparing.notify_all();
    }
  };
  std::atexit(wait_for_others);
  {
    const Now now;
    warm_up(target);
    std::atexit(wait_for_others);
  }
  is_prepared.store(true, std::memory_order_release);
}

// What belongs to the thread that calls exit() is destroyed before all that is registered. The main
// thread's own is destroyed at no other time, so from here on nothing begins: what LLVM registers
// when it is first met would be destroyed before wait_for_others runs. Another thread may be ending
// alone.
struct Watch {
  ~Watch() { end_thread(); }
};

// The thread that loads the library, which ends the process when main returns: it may never
// compile.
[[maybe_unused]] const bool is_watched = (watch_this_thread(), true);

void finish_first() {
  static std::atomic<bool> is_registered{false};
  if (!is_registered.exchange(true)) std::atexit(wait_for_others);
}

} // namespace

Compiling::Compiling(const Target& target) {
  watch_this_thread();
  ++own;
  under_way.fetch_add(1);
  // Either this sees that the process is ending, or the one who ends it sees this.
  goes_on_ = !is_ending.load();
  if (goes_on_) prepare(target);
}

void watch_this_thread() {
  static thread_local const Watch watch;
  (void)&watch;
}

void before_fork() {
  if (!prepares_now) first.lock();
}

void after_fork() {
  if (!prepares_now) first.unlock();
}

void after_fork_in_child() {
  after_fork();
  under_way.store(own);
}

void end_compiling() { wait_for_others(); }

void end_thread() {
  if (gettid() == getpid())
    wait_for_others();
  else if (own == 0)
    preparing.wait(true);
}

Compiling::~Compiling() {
  if (goes_on_) finish_first();
  --own;
  under_way.fetch_sub(1);
  under_way.notify_all();
}

} // namespace volute::compiler
