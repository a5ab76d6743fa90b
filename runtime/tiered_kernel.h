// A kernel that is there at once and fast a little later.
//
//     runtime::TieredKernel kernel = session.compile_tiered(program);
//     kernel(x, w, y);                         // after a millisecond, without code
//     ...                                      // meanwhile the good one is compiled
//     kernel(x, w, y);                         // by that
//
// It is called as a kernel is, from any number of threads; which of the two a call takes is one
// load of a pointer. Each call is of one of them from beginning to end. The two may differ in the
// last bits of a sum, as two schedules do; where CompileOptions::deterministic is asked for, they
// give the same bits. Both are kept as long as this is.
//
// What the first takes is taken to the end: a call that the good one alone refuses (in place, where
// its schedule computes several steps as one; in a workspace that is large enough for the first
// only) is done by the first.
//
// In a child of the process, which has no thread that compiles, it stays as it was.
#pragma once

#include "runtime/kernel.h"
#include "runtime/pending_kernel.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
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
    return done_by_one([&](const Kernel& kernel) { return kernel.run(inputs, outputs); });
  }
  /// As a Kernel's, by the one that is there.
  template <TensorOrView... Views>
  Status operator()(Views&&... views) const noexcept {
    const std::array<TensorRef, sizeof...(Views)> arguments = {static_cast<TensorRef>(views)...};
    return call(arguments);
  }
  /// As a Kernel's, by the one that is there.
  Status call(std::span<const TensorRef> arguments) const noexcept {
    return done_by_one([&](const Kernel& kernel) { return kernel.call(arguments); });
  }
  /// The same in a workspace of as many bytes as any now() said that it takes.
  Status call(std::span<const TensorRef> arguments, std::span<std::byte> workspace) const noexcept {
    return done_by_one([&](const Kernel& kernel) { return kernel.call(arguments, workspace); });
  }

  /// With the input bound in both. Until the good one is there, a copy of the input is kept for it.
  Expected<TieredKernel> try_bind(const std::string& input, const TensorView& view) const;
  /// The same; throws Error as Kernel::bind does.
  TieredKernel bind(const std::string& input, const TensorView& view) const;

  /// The kernel that a call would take now; valid as long as this object or a copy of it is.
  const Kernel& now() const noexcept { return *state_->current.load(std::memory_order_acquire); }
  /// Whether it is the one that stays.
  bool is_final() const noexcept;
  /// Waits for that one, but no longer than so many seconds: is_final().
  bool wait_for(double seconds) const;
  /// Waits for that one and gives it; a failure is its compile's, and then it stays what it is.
  Expected<Kernel> wait() const;
  /// Gives its compile up, and with it that of whatever was bound from it or it was bound from.
  void cancel() const noexcept;
  /// Whether somebody has.
  bool is_cancelled() const noexcept;

private:
  struct State {
    explicit State(const Kernel& kernel) : quick(kernel), current(&quick) {}
    const Kernel quick;
    std::optional<Kernel> good; // written before `current` points to it, and never again
    std::atomic<const Kernel*> current;
    std::atomic<bool> is_final{false};
    std::shared_ptr<PendingKernel::State> pending; // null: final from the beginning
  };
  static void take(State& state, const PendingKernel::State& made);

  template <class Call>
  Status done_by_one(const Call& call) const noexcept {
    const Kernel& kernel = now();
    Status status = call(kernel);
    const bool is_refused = status.code() == StatusCode::invalid_argument;
    if (!is_refused || &kernel == &state_->quick) return status;
    Status first = call(state_->quick); // nothing is written before a refusal
    return first.code() == StatusCode::invalid_argument ? status : first;
  }

  std::shared_ptr<State> state_;
};

} // namespace volute::runtime

namespace volute {
using runtime::TieredKernel;
} // namespace volute
