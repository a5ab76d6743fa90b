// Memory that a kernel needs while it runs: intermediate tensors, weights packed on each call, and
// every thread's scratch.
//
// A kernel keeps the workspaces that its calls have needed and hands them out again, so calls after
// the first allocate nothing. They are the kernel's and not the thread's: a pool whose waiting
// thread picks up other work may start a second call of a kernel inside the first, and memory goes
// when the kernel goes rather than when threads do.
#pragma once

#include "runtime/aligned_memory.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace volute::runtime {

/// Bytes that several objects take together, each of which adds and takes away its own.
using ByteTotal = std::shared_ptr<std::atomic<int64_t>>;

/// Workspaces of one size, as many as calls are under way at one time.
class WorkspacePool {
public:
  /// Of so many bytes each. `first` is the first of them, if it has as many and not twice as many.
  explicit WorkspacePool(int64_t bytes, AlignedMemory first = {});
  WorkspacePool(const WorkspacePool&) = delete;
  WorkspacePool& operator=(const WorkspacePool&) = delete;
  ~WorkspacePool();

  /// What all workspaces take, the one that the first call will need among them.
  int64_t taken_bytes() const noexcept;
  /// Counts that in the total from now on, and in none before; an empty one: in none.
  void count_in(ByteTotal total) noexcept;

  /// The first one, which was there before any call: for a kernel that follows from this one, and
  /// is called in its place.
  AlignedMemory hand_on() noexcept;

  /// One workspace for as long as the object lives.
  class Loan {
  public:
    /// Takes one.
    explicit Loan(WorkspacePool& pool) noexcept : pool_(pool), memory_(pool.take()) {}
    Loan(const Loan&) = delete;
    Loan& operator=(const Loan&) = delete;
    ~Loan() {
      if (memory_) pool_.give_back(memory_);
    }
    /// Null when the system has not got the memory.
    std::byte* data() const noexcept { return memory_ ? memory_->data() : nullptr; }

  private:
    WorkspacePool& pool_;
    AlignedMemory* memory_;
  };

private:
  int64_t counted() const noexcept; // under the lock
  AlignedMemory* take() noexcept;
  AlignedMemory* make() noexcept;
  void give_back(AlignedMemory* memory) noexcept;

  const int64_t bytes_;
  // A kernel called by one thread at a time meets only this slot: two atomic exchanges a call.
  std::atomic<AlignedMemory*> spare_{nullptr};
  mutable std::mutex mutex_;         // guards what follows
  std::vector<AlignedMemory*> more_; // the workspaces of calls at the same time
  int64_t made_ = 0;                 // all there are
  int64_t beyond_ = 0;               // bytes that the first has more than `bytes_`
  std::atomic<bool> has_first_{false};
  ByteTotal total_;
};

} // namespace volute::runtime
