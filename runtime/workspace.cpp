#include "runtime/workspace.h"

#include <algorithm>
#include <new>
#include <utility>

namespace volute::runtime {

WorkspacePool::~WorkspacePool() {
  count_in(nullptr);
  delete spare_.load();
  for (AlignedMemory* memory : more_) delete memory;
}

int64_t WorkspacePool::taken_bytes() const noexcept {
  const std::lock_guard lock(mutex_);
  return std::max<int64_t>(made_, 1) * AlignedMemory::taken_by(bytes_);
}

void WorkspacePool::count_in(ByteTotal total) noexcept {
  const std::lock_guard lock(mutex_);
  const int64_t taken = std::max<int64_t>(made_, 1) * AlignedMemory::taken_by(bytes_);
  if (total_) total_->fetch_sub(taken);
  total_ = std::move(total);
  if (total_) total_->fetch_add(taken);
}

AlignedMemory* WorkspacePool::take() noexcept {
  if (AlignedMemory* memory = spare_.exchange(nullptr, std::memory_order_acquire)) return memory;
  {
    const std::lock_guard lock(mutex_);
    if (!more_.empty()) {
      AlignedMemory* memory = more_.back();
      more_.pop_back();
      return memory;
    }
  }
  return make();
}

AlignedMemory* WorkspacePool::make() noexcept {
  auto* memory = new (std::nothrow) AlignedMemory(AlignedMemory::allocate_unset(bytes_));
  if (!memory || !*memory) {
    delete memory;
    return nullptr;
  }
  const std::lock_guard lock(mutex_);
  try {
    more_.reserve(static_cast<size_t>(made_) + 1); // so that giving it back cannot fail
  } catch (...) {
    delete memory;
    return nullptr;
  }
  if (++made_ > 1 && total_) total_->fetch_add(AlignedMemory::taken_by(bytes_));
  return memory;
}

void WorkspacePool::give_back(AlignedMemory* memory) noexcept {
  AlignedMemory* empty = nullptr;
  if (spare_.compare_exchange_strong(empty, memory, std::memory_order_release,
                                     std::memory_order_relaxed))
    return;
  const std::lock_guard lock(mutex_);
  more_.push_back(memory);
}

} // namespace volute::runtime
