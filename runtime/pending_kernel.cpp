#include "runtime/pending_kernel.h"

#include "runtime/fork_count.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace volute::runtime {
namespace {

constexpr const char* was_cancelled = "its compilation was cancelled";

/// Whether there is nothing to wait for; its lock may be held for good by a thread that is not
/// here.
bool is_over(const PendingKernel::State& state) noexcept {
  return state.is_there.load(std::memory_order_acquire) || !state.is_made_here();
}

} // namespace

PendingKernel::State::State() : State(nullptr) {}
PendingKernel::State::State(std::shared_ptr<State> source)
    : forks(fork_count()), from(std::move(source)) {}

bool PendingKernel::State::is_made_here() const noexcept { return forks == fork_count(); }

bool PendingKernel::is_ready() const noexcept { return is_over(*state_); }

bool PendingKernel::wait_for(double seconds) const {
  constexpr double longest = 1e8; // some years: what a clock counts without an overflow
  if (is_over(*state_)) return true;
  const double most = seconds > 0 ? std::min(seconds, longest) : 0; // nor is it no number
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock, std::chrono::duration<double>(most),
                                  [&] { return state_->is_there.load(); });
}

Expected<Kernel> PendingKernel::get() const {
  if (!is_over(*state_)) {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait(lock, [&] { return state_->is_there.load(); });
  }
  if (!state_->is_there.load(std::memory_order_acquire))
    return fail("kernel", "it was being compiled when the process forked: the parent alone has it");
  if (state_->exception) std::rethrow_exception(state_->exception);
  return *state_->result;
}

void PendingKernel::cancel() const noexcept {
  State* state = state_.get();
  for (state->is_cancelled.store(true); state->from; state->is_cancelled.store(true))
    state = state->from.get();
  // Nobody has begun: who waits, waits for nothing.
  if (!state->is_made_here() || state->is_taken.exchange(true)) return;
  try {
    finish(*state, cancelled(state->name), nullptr);
  } catch (...) { // for want of memory
    finish(*state, std::nullopt, std::current_exception());
  }
}

bool PendingKernel::is_cancelled() const noexcept {
  for (const State* state = state_.get(); state; state = state->from.get())
    if (state->is_cancelled.load()) return true;
  return false;
}

Failure cancelled(const std::string& name) { return fail(name, was_cancelled); }

bool is_of_cancelled(const std::vector<Diagnostic>& failure) {
  return failure.size() == 1 && failure.front().message == was_cancelled;
}

void finish(PendingKernel::State& state, std::optional<Expected<Kernel>> result,
            std::exception_ptr exception) {
  std::vector<std::function<void()>> then;
  {
    const std::lock_guard lock(state.mutex);
    state.result = std::move(result);
    state.exception = std::move(exception);
    state.is_there.store(true, std::memory_order_release);
    then = std::exchange(state.then, {});
  }
  state.changed.notify_all();
  for (const std::function<void()>& what : then) what();
}

void when_ready(PendingKernel::State& state, std::function<void()> what) {
  if (!is_over(state)) {
    const std::lock_guard lock(state.mutex);
    if (!state.is_there.load()) {
      state.then.push_back(std::move(what));
      return;
    }
  }
  what();
}

} // namespace volute::runtime
