// Kernels by key: one compile a key, however many threads ask at once.
//
// The cache holds the kernels used last (a function's finds count too), up to a number of bytes:
// all that they take is counted, code and constants, workspaces (as many as calls at one time have
// needed, and one before the first), what is computed once, keys and tables. What it lets go stays
// with whoever still calls it, and is found again as long as it lives; the last holder unmaps it.
// Keys are whole texts and are compared whole: two configurations never meet by a hash. A failed
// compile is told to everyone who waited for it and then forgotten.
#pragma once

#include "ir/diagnostic.h"
#include "runtime/kernel.h"
#include "runtime/workspace.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace volute::runtime {

/// Kernels by keys, of which the one that was not used for longest goes first.
class MemoryCache {
public:
  /// What there was, since the cache was made.
  struct Counters {
    int64_t hits = 0;      // found
    int64_t compiles = 0;  // not found: compiled, with or without success
    int64_t loads = 0;     // not found here, but on disk (a session's)
    int64_t stores = 0;    // put there (a session's)
    int64_t waits = 0;     // not found, but somebody was compiling it
    int64_t failures = 0;  // of the compiles
    int64_t evictions = 0; // let go to stay within the limit
    int64_t kernels = 0;   // held now
    int64_t bytes = 0;     // taken by those
    int64_t keys = 0;      // remembered, those of kernels that only others hold among them
  };
  /// Makes a kernel that is not there.
  using Compile = std::function<Expected<Kernel>()>;

  /// Holds kernels of up to `limit_bytes` together; 0 holds none, and compiles only once still.
  explicit MemoryCache(int64_t limit_bytes) : limit_bytes_(limit_bytes) {}

  /// The kernel of the key, made by `compile` on this thread unless it is there or on its way. An
  /// exception out of `compile` reaches everyone who waited. `compile` must not ask for its own
  /// key: that is refused.
  Expected<Kernel> get_or_compile(const std::string& key, const Compile& compile);

  /// The kernel of the key if it is there; counted as a hit.
  std::optional<Kernel> find(const std::string& key);

  /// Holds a kernel that its caller has come by otherwise, unless somebody is making that one now.
  /// The kernel to use is the one that is there, if there is one. Waits for nobody's compile.
  Kernel keep(const std::string& key, const Kernel& kernel);

  /// Lets kernels go while all together take more than they may: since their number was last
  /// changed, calls at one time may have needed more workspaces. Takes no lock when there are none.
  void keep_within_limit();
  /// Lets go of everything.
  void clear();
  Counters counters() const;

private:
  // A compile on its way; guarded by mutex_.
  struct Flight {
    uint64_t forks; // of the leader's process
    std::thread::id leader;
    std::condition_variable landed;
    std::optional<Expected<Kernel>> result;
    std::exception_ptr exception;
  };
  struct Entry {
    std::optional<Kernel> held; // empty once evicted
    WeakKernel alive;
    int64_t bytes = 0; // without the kernel's workspaces, which count themselves
    std::list<const std::string*>::iterator position; // in recent_, while held
  };
  using Entries = std::unordered_map<std::string, Entry>;

  std::optional<Kernel> look_up(const std::string& key, std::vector<Kernel>& dropped);
  void hold(Entries::value_type& entry, const Kernel& kernel, std::vector<Kernel>& dropped);
  void make_room(int64_t bytes, std::vector<Kernel>& dropped);
  void evict_oldest(std::vector<Kernel>& dropped);
  void let_go(Entry& entry, std::vector<Kernel>& dropped);
  void forget_dead();

  const int64_t limit_bytes_;
  const ByteTotal bytes_ = std::make_shared<std::atomic<int64_t>>(0); // of what is held
  mutable std::mutex mutex_;                                          // guards all below
  Entries entries_;
  std::list<const std::string*> recent_; // keys of held entries, the one used last in front
  std::unordered_map<std::string, std::shared_ptr<Flight>> flights_;
  size_t swept_entries_ = 0; // entries left by the last look for dead ones
  Counters counters_;
};

} // namespace volute::runtime
