#include "runtime/function_table.h"

#include <xxhash.h>

#include <algorithm>
#include <mutex>

namespace volute::runtime {

size_t FunctionTable::Hash::operator()(std::span<const int64_t> numbers) const noexcept {
  return XXH3_64bits(numbers.data(), numbers.size_bytes());
}

bool FunctionTable::Equal::operator()(std::span<const int64_t> a,
                                      std::span<const int64_t> b) const noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

std::optional<Kernel> FunctionTable::find(const FunctionKey& key) const {
  std::optional<Kernel> kernel;
  {
    const std::shared_lock lock(mutex_);
    const auto found = kernels_.find(key.numbers());
    if (found != kernels_.end()) kernel = found->second.lock();
  }
  if (!kernel) return kernel;
  kernel->mark_used();
  hits_.fetch_add(1, std::memory_order_relaxed);
  return kernel;
}

void FunctionTable::remember(const FunctionKey& key, const Kernel& kernel) {
  const std::span<const int64_t> numbers = key.numbers();
  const std::unique_lock lock(mutex_);
  // Looked through each time their number may have doubled, dead entries never outnumber the
  // others by much.
  if (kernels_.size() >= 2 * swept_ + 64) {
    std::erase_if(kernels_, [](const auto& item) { return item.second.expired(); });
    swept_ = kernels_.size();
  }
  kernels_.insert_or_assign(Numbers(numbers.begin(), numbers.end()), WeakKernel(kernel));
}

void FunctionTable::clear() {
  const std::unique_lock lock(mutex_);
  kernels_.clear();
  swept_ = 0;
}

size_t FunctionTable::size() const {
  const std::shared_lock lock(mutex_);
  return kernels_.size();
}

} // namespace volute::runtime
