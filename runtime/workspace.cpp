#include "runtime/workspace.h"

#include <algorithm>
#include <new>
#include <utility>

namespace volute::runtime {

WorkspacePool::WorkspacePool(int64_t bytes, AlignedMemory first) : bytes_(bytes) {
  if (!first || first.size() < bytes || first.size() > 2 * bytes) return;
  more_.reserve(1);
  beyond_ = AlignedMemory::taken_by(first.size()) - AlignedMemory::taken_by(bytes);
  spare_.store(new AlignedMemory(std::move(first)));
  made_ = 1;
  has_first_.store(true);
}

AlignedMemory WorkspacePool::hand_on() noexcept {
  if (!has_first_.exchange(false)) return {};
  AlignedMemory* found = spare_.exchange(nullptr, std::memory_order_acquire);
  if (!found) return {}; // a call has it, or has left it among the others
  std::unique_lock lock(mutex_);
  if (AlignedMemory::taken_by(found->size()) - AlignedMemory::taken_by(bytes_) != beyond_) {
    lock.unlock();
    give_back(found); // another one
    return {};
  }
  const int64_t before = counted();
  --made_;
  beyond_ = 0;
  if (total_) total_->fetch_add(counted() - before);
  AlignedMemory first = std::move(*found);
  delete found;
  return first;
}

int64_t WorkspacePool::counted() const noexcept {
  return std::max<int64_t>(made_, 1) * AlignedMemory::taken_by(bytes_) + beyond_;
}

WorkspacePool::~WorkspacePool() {
  count_in(nullptr);
  delete spare_.load();
  for (AlignedMemory* memory : more_) delete memory;
}

int64_t WorkspacePool::taken_bytes() const noexcept {
  const std::lock_guard lock(mutex_);
  return counted();
}

void WorkspacePool::count_in(ByteTotal total) noexcept {
  const std::lock_guard lock(mutex_);
  const int64_t taken = counted();
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
