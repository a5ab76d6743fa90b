#include "runtime/tiered_kernel.h"

#include <limits>
#include <utility>

namespace volute::runtime {

void TieredKernel::take(State& state, const PendingKernel::State& made) {
  if (made.is_there.load(std::memory_order_acquire) && made.result && *made.result) {
    state.good.emplace(**made.result);
    state.current.store(&*state.good, std::memory_order_release);
  }
  state.is_final.store(true, std::memory_order_release);
  state.is_final.notify_all();
}

TieredKernel::TieredKernel(const Kernel& kernel) : state_(std::make_shared<State>(kernel)) {
  state_->is_final.store(true);
}

TieredKernel::TieredKernel(const Kernel& quick, PendingKernel good)
    : state_(std::make_shared<State>(quick)) {
  state_->pending = good.state();
  // Whoever does this has the other's state; when nobody holds the kernel, nobody is told.
  when_ready(*good.state(), [weak = std::weak_ptr<State>(state_), made = good.state().get()] {
    if (const std::shared_ptr<State> state = weak.lock()) take(*state, *made);
  });
}

bool TieredKernel::is_final() const noexcept {
  // Who would put the good one in its place has stayed in the parent of this process.
  return state_->is_final.load(std::memory_order_acquire) || !state_->pending->is_made_here();
}

bool TieredKernel::wait_for(double seconds) const {
  if (is_final()) return true;
  if (!PendingKernel(state_->pending).wait_for(seconds)) return false;
  state_->is_final.wait(false); // whoever made it puts it in its place next
  return true;
}

Expected<Kernel> TieredKernel::wait() const {
  wait_for(std::numeric_limits<double>::infinity());
  if (!state_->pending) return state_->quick;
  return PendingKernel(state_->pending).get();
}

void TieredKernel::cancel() const noexcept {
  if (state_->pending) PendingKernel(state_->pending).cancel();
}

bool TieredKernel::is_cancelled() const noexcept {
  return state_->pending && PendingKernel(state_->pending).is_cancelled();
}

Expected<TieredKernel> TieredKernel::try_bind(const std::string& input,
                                              const TensorView& view) const {
  const Kernel& kernel = now();
  const Expected<Kernel> bound = kernel.try_bind(input, view);
  if (!bound) return bound.failure();
  if (&kernel != &state_->quick || !state_->pending) return TieredKernel(*bound);
  Expected<Tensor> copy = Tensor::copy(view);
  if (!copy) return copy.failure();
  const auto weight = std::make_shared<const Tensor>(std::move(*copy));
  const auto pending = std::make_shared<PendingKernel::State>(state_->pending);
  when_ready(*state_->pending, [pending, weight, input] {
    std::optional<Expected<Kernel>> made;
    std::exception_ptr exception;
    try {
      const Expected<Kernel> good = PendingKernel(pending->from).get();
      made = good ? good->try_bind(input, *weight) : good;
    } catch (...) { // the compile's, or for want of memory: told to who waits
      exception = std::current_exception();
    }
    finish(*pending, std::move(made), exception);
  });
  return TieredKernel(*bound, PendingKernel(pending));
}

TieredKernel TieredKernel::bind(const std::string& input, const TensorView& view) const {
  return std::move(try_bind(input, view)).value();
}

} // namespace volute::runtime
