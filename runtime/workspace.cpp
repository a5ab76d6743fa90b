#include "runtime/workspace.h"

#include <new>

namespace volute::runtime {

WorkspacePool::~WorkspacePool() {
  delete spare_.load();
  for (AlignedMemory* memory : more_) delete memory;
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
  auto* memory = new (std::nothrow) AlignedMemory(AlignedMemory::allocate(bytes_));
  if (memory && *memory) return memory;
  delete memory;
  return nullptr;
}

void WorkspacePool::give_back(AlignedMemory* memory) noexcept {
  AlignedMemory* empty = nullptr;
  if (spare_.compare_exchange_strong(empty, memory, std::memory_order_release,
                                     std::memory_order_relaxed))
    return;
  try {
    const std::lock_guard lock(mutex_);
    more_.push_back(memory);
  } catch (...) { // no room to remember it
    delete memory;
  }
}

} // namespace volute::runtime
