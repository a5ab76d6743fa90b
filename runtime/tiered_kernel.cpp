#include "runtime/tiered_kernel.h"

#include "runtime/elements.h"

#include <fmt/format.h>

namespace volute::runtime {

void TieredKernel::take(State& state, const Expected<Kernel>& good) {
  if (good) {
    state.good.emplace(*good);
    state.current.store(&*state.good, std::memory_order_release);
  }
  state.is_final.store(true, std::memory_order_release);
}

TieredKernel::TieredKernel(const Kernel& kernel) : state_(std::make_shared<State>(kernel)) {
  state_->is_final.store(true);
}

TieredKernel::TieredKernel(const Kernel& quick, PendingKernel good)
    : state_(std::make_shared<State>(quick)) {
  state_->pending = good.state();
  // The maker keeps neither this nor itself alive: when nobody holds the kernel, nobody is told.
  when_ready(*good.state(), [weak = std::weak_ptr<State>(state_),
                             made = std::weak_ptr<PendingKernel::State>(good.state())] {
    const std::shared_ptr<State> state = weak.lock();
    const std::shared_ptr<PendingKernel::State> result = made.lock();
    if (!state || !result) return;
    take(*state, result->result ? *result->result : Expected<Kernel>(Failure{}));
  });
}

Expected<Kernel> TieredKernel::wait() const {
  if (!state_->pending) return state_->quick;
  return PendingKernel(state_->pending).get();
}

Expected<TieredKernel> TieredKernel::try_bind(const std::string& input,
                                              const TensorView& view) const {
  const bool was_final = is_final(); // asked first: the other may come between
  const Expected<Kernel> bound = now().try_bind(input, view);
  if (!bound) return bound.failure();
  if (was_final) return TieredKernel(*bound);
  Expected<Tensor> copy = Tensor::allocate(view.type());
  if (!copy) return copy.failure();
  copy_elements(view.type(), view.data(), view.strides(), copy->data(), {});
  const auto weight = std::make_shared<const Tensor>(std::move(*copy));
  const auto pending = std::make_shared<PendingKernel::State>();
  when_ready(*state_->pending, [pending, weight, input,
                                parent = std::weak_ptr<PendingKernel::State>(state_->pending)] {
    const auto made = parent.lock();
    if (!made || !made->result)
      return finish(*pending, std::nullopt, made ? made->exception : nullptr);
    std::optional<Expected<Kernel>> bound;
    std::exception_ptr exception;
    try {
      const Expected<Kernel>& good = *made->result;
      bound = good ? good->try_bind(input, *weight) : good;
    } catch (...) { // out of memory: told to who waits, as a compile's would be
      exception = std::current_exception();
    }
    finish(*pending, std::move(bound), exception);
  });
  return TieredKernel(*bound, PendingKernel(pending));
}

TieredKernel TieredKernel::bind(const std::string& input, const TensorView& view) const {
  return std::move(try_bind(input, view)).value();
}

} // namespace volute::runtime
