// Kernels by the plain numbers of a function's call (FunctionKey): a session's short way to what
// its cache holds.
//
// The table keeps no kernel alive: the memory cache does, within its limit, and an entry whose
// kernel is gone finds nothing. A kernel that is found here counts as used there. Any number of
// threads find at once; remembering waits for them.
#pragma once

#include "runtime/function_key.h"
#include "runtime/kernel.h"

#include <atomic>
#include <cstdint>
#include <optional>
#include <shared_mutex>
#include <span>
#include <unordered_map>
#include <vector>

namespace volute::runtime {

class FunctionTable {
public:
  /// The kernel of the key as long as somebody holds it. Allocates nothing.
  std::optional<Kernel> find(const FunctionKey& key) const;
  void remember(const FunctionKey& key, const Kernel& kernel);
  void clear();

  int64_t hits() const noexcept { return hits_.load(std::memory_order_relaxed); }
  /// Entries, those of kernels that are gone among them.
  size_t size() const;

private:
  using Numbers = std::vector<int64_t>;
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::span<const int64_t> numbers) const noexcept;
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(std::span<const int64_t> a, std::span<const int64_t> b) const noexcept;
  };

  mutable std::shared_mutex mutex_; // guards kernels_ and swept_
  std::unordered_map<Numbers, WeakKernel, Hash, Equal> kernels_;
  size_t swept_ = 0; // entries left by the last look for dead ones
  mutable std::atomic<int64_t> hits_{0};
};

} // namespace volute::runtime
