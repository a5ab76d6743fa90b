// A kernel that is being compiled by somebody else.
//
//     runtime::PendingKernel pending = session.compile_async(program);
//     ... other work ...
//     Kernel kernel = *pending.get();
//
// Who makes it is a thread of this process: in a child of the process there is nobody to wait for,
// and get() says so of what was not ready before.
#pragma once

#include "ir/diagnostic.h"
#include "runtime/kernel.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace volute::runtime {

/// Copies are of one compile. Used from any thread.
class PendingKernel {
public:
  /// Whether get() returns at once.
  bool is_ready() const noexcept;
  /// Waits for it to be, but no longer than so many seconds: is_ready().
  bool wait_for(double seconds) const;
  /// Waits for it. What the compiler threw is thrown.
  Expected<Kernel> get() const;
  /// Gives up what has not begun, at once, and what has at the end of the pass that it is in: then
  /// get() fails, unless it was ready before. Others who ask for the same kernel get theirs.
  void cancel() const noexcept;
  /// Whether somebody has given it up.
  bool is_cancelled() const noexcept;

  /// Who makes it, and has somebody told.
  struct State {
    State();
    /// Of what is made from another's result, and given up with that.
    explicit State(std::shared_ptr<State> source);

    /// Whether the thread that makes it is one of this process's.
    bool is_made_here() const noexcept;

    const uint64_t forks;                    // of the process that makes it
    const std::shared_ptr<State> from;       // null: it is compiled
    std::string name;                        // of the program
    std::atomic<bool> is_taken{false};       // by who makes it, or by who gave it up before that
    std::atomic<bool> is_cancelled{false};   // by cancel()
    std::atomic<bool> is_there{false};       // what comes next: written before, and never again
    std::optional<Expected<Kernel>> result;  // or
    std::exception_ptr exception;            // instead of one
    std::mutex mutex;                        // guards what follows
    std::condition_variable changed;         // it is there
    std::vector<std::function<void()>> then; // done once it is there
  };
  /// Of whoever makes it.
  explicit PendingKernel(std::shared_ptr<State> state) : state_(std::move(state)) {}
  const std::shared_ptr<State>& state() const { return state_; }

private:
  std::shared_ptr<State> state_;
};

/// Of a compile that was given up.
Failure cancelled(const std::string& name);
/// Whether a failure is that, and not one that was there before somebody gave it up.
bool is_of_cancelled(const std::vector<Diagnostic>& failure);
/// Sets the result and does what waits for it.
void finish(PendingKernel::State& state, std::optional<Expected<Kernel>> result,
            std::exception_ptr exception);
/// Has `what`, which must not throw, done when get() returns at once: now, or by who makes it.
void when_ready(PendingKernel::State& state, std::function<void()> what);

} // namespace volute::runtime
