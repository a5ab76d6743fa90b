// A kernel that is there at once and fast a little later.
//
//     runtime::TieredKernel kernel = session.compile_tiered(program);
//     kernel(x, w, y);                         // a millisecond from there, without code
//     ...                                      // meanwhile the good one is compiled
//     kernel(x, w, y);                         // by that
//
// It is called as a kernel is, from any number of threads; which of the two a call takes is one
// load of a pointer. Each call is of one of them from beginning to end. The two may differ in the
// last bits of a sum, as two schedules do; where CompileOptions::deterministic is asked for, they
// give the same bits. Both are kept as long as this is.
#pragma once

#include "runtime/kernel.h"
#include "runtime/pending_kernel.h"

#include <atomic>
#include <memory>
#include <optional>
#include <string>

namespace volute::runtime {

/// A kernel of which the fast one comes later.
class TieredKernel {
public:
  /// One that is final.
  explicit TieredKernel(const Kernel& kernel);
  /// `quick` until the other is ready. When that fails, it stays `quick`.
  TieredKernel(const Kernel& quick, PendingKernel good);

  /// As a Kernel's, by the one that is there.
  Status run(Kernel::NamedList inputs, Kernel::NamedList outputs) const noexcept {
    return now().run(inputs, outputs);
  }
  /// As a Kernel's, by the one that is there.
  template <TensorOrView... Views>
  Status operator()(Views&&... views) const noexcept {
    return now()(std::forward<Views>(views)...);
  }
  /// As a Kernel's, by the one that is there.
  Status call(std::span<const TensorRef> arguments) const noexcept { return now().call(arguments); }

  /// With the input bound in both. Until the good one is there, a copy of the input is kept for it.
  Expected<TieredKernel> try_bind(const std::string& input, const TensorView& view) const;
  /// The same; throws Error as Kernel::bind does.
  TieredKernel bind(const std::string& input, const TensorView& view) const;

  /// The kernel that a call would take now; valid as long as this object or a copy of it is.
  const Kernel& now() const noexcept { return *state_->current.load(std::memory_order_acquire); }
  /// Whether it is the one that stays.
  bool is_final() const noexcept { return state_->is_final.load(std::memory_order_acquire); }
  /// Waits for that one; a failure is its compile's.
  Expected<Kernel> wait() const;

private:
  struct State {
    explicit State(const Kernel& kernel) : quick(kernel), current(&quick) {}
    const Kernel quick;
    std::optional<Kernel> good; // written before `current` points to it, and never again
    std::atomic<const Kernel*> current;
    std::atomic<bool> is_final{false};
    std::shared_ptr<PendingKernel::State> pending; // null: final from the beginning
  };
  explicit TieredKernel(std::shared_ptr<State> state) : state_(std::move(state)) {}
  static void take(State& state, const Expected<Kernel>& good);

  std::shared_ptr<State> state_;
};

} // namespace volute::runtime

namespace volute {
using runtime::TieredKernel;
} // namespace volute
