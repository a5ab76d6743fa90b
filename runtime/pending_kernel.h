// A kernel that is being compiled by somebody else.
//
//     runtime::PendingKernel pending = session.compile_async(program);
//     ... other work ...
//     Kernel kernel = *pending.get();
#pragma once

#include "ir/diagnostic.h"
#include "runtime/kernel.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace volute::runtime {

/// Copies are of one compile. Used from any thread.
class PendingKernel {
public:
  /// Whether get() returns at once.
  bool is_ready() const;
  /// Waits for it to be, but no longer than so many seconds: is_ready().
  bool wait_for(double seconds) const;
  /// Waits for it. What the compiler threw is thrown.
  Expected<Kernel> get() const;
  /// Gives up what has not begun, and what has at the end of the pass that it is in: then get()
  /// fails, unless it was ready before. Others who ask for the same kernel get theirs.
  void cancel() const;
  /// Whether somebody has given it up.
  bool is_cancelled() const { return state_->is_cancelled.load(); }

  /// Who makes it, and has somebody told.
  struct State {
    std::atomic<bool> is_cancelled{false};   // by cancel()
    std::mutex mutex;                        // guards what follows
    std::condition_variable changed;         // the result is there
    std::optional<Expected<Kernel>> result;  // or
    std::exception_ptr exception;            // instead of one
    std::vector<std::function<void()>> then; // done once the result is there
  };
  /// Of whoever makes it.
  explicit PendingKernel(std::shared_ptr<State> state) : state_(std::move(state)) {}
  const std::shared_ptr<State>& state() const { return state_; }

private:
  std::shared_ptr<State> state_;
};

/// Sets the result and does what waits for it.
void finish(PendingKernel::State& state, std::optional<Expected<Kernel>> result,
            std::exception_ptr exception);
/// Has `what` done when the result is there: now, or by who makes it.
void when_ready(PendingKernel::State& state, std::function<void()> what);

} // namespace volute::runtime
