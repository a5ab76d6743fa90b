#include "runtime/pending_kernel.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace volute::runtime {

bool PendingKernel::is_ready() const {
  const std::lock_guard lock(state_->mutex);
  return state_->result || state_->exception;
}

bool PendingKernel::wait_for(double seconds) const {
  constexpr double longest = 1e8; // some years: what a clock counts without an overflow
  std::unique_lock lock(state_->mutex);
  return state_->changed.wait_for(lock,
                                  std::chrono::duration<double>(std::clamp(seconds, 0., longest)),
                                  [&] { return state_->result || state_->exception; });
}

Expected<Kernel> PendingKernel::get() const {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return state_->result || state_->exception; });
  if (state_->exception) std::rethrow_exception(state_->exception);
  return *state_->result;
}

void PendingKernel::cancel() const { state_->is_cancelled.store(true); }

void finish(PendingKernel::State& state, std::optional<Expected<Kernel>> result,
            std::exception_ptr exception) {
  std::vector<std::function<void()>> then;
  {
    const std::lock_guard lock(state.mutex);
    state.result = std::move(result);
    state.exception = std::move(exception);
    then = std::exchange(state.then, {});
  }
  state.changed.notify_all();
  for (const std::function<void()>& what : then) what();
}

void when_ready(PendingKernel::State& state, std::function<void()> what) {
  {
    const std::lock_guard lock(state.mutex);
    if (!state.result && !state.exception) {
      state.then.push_back(std::move(what));
      return;
    }
  }
  what();
}

} // namespace volute::runtime
