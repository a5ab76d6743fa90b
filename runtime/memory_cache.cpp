#include "runtime/memory_cache.h"

#include "runtime/fork_count.h"

#include <iterator>
#include <utility>

namespace volute::runtime {

// Kernels leave the cache through `dropped`, which its functions' callers destroy after the lock
// is released: unmapping takes the system's time, and nobody need wait for it.

std::optional<Kernel> MemoryCache::look_up(const std::string& key, std::vector<Kernel>& dropped) {
  const auto found = entries_.find(key);
  if (found == entries_.end()) return std::nullopt;
  Entry& entry = found->second;
  if (entry.held) {
    recent_.splice(recent_.begin(), recent_, entry.position);
    const std::optional<Kernel> kernel = entry.held;
    make_room(0, dropped);
    return kernel;
  }
  std::optional<Kernel> kernel = entry.alive.lock();
  if (kernel)
    hold(*found, *kernel, dropped);
  else
    entries_.erase(found);
  return kernel;
}

void MemoryCache::hold(Entries::value_type& item, const Kernel& kernel,
                       std::vector<Kernel>& dropped) {
  Entry& entry = item.second;
  entry.alive = WeakKernel(kernel);
  // The key is there once; a map's and a list's node have a few pointers beside what they hold.
  const auto key_bytes = static_cast<int64_t>(item.first.capacity() + sizeof item + 64);
  entry.bytes = kernel.fixed_bytes() + key_bytes;
  const int64_t with_workspaces = kernel.held_bytes() + key_bytes;
  if (with_workspaces > limit_bytes_) return; // its users alone keep it
  make_room(with_workspaces, dropped);
  recent_.push_front(&item.first); // a map's keys stay where they are
  entry.position = recent_.begin();
  entry.held = kernel;
  bytes_->fetch_add(entry.bytes);
  kernel.count_workspaces_in(bytes_);
  ++counters_.kernels;
}

void MemoryCache::make_room(int64_t bytes, std::vector<Kernel>& dropped) {
  while (!recent_.empty() && bytes_->load() + bytes > limit_bytes_) evict_oldest(dropped);
}

void MemoryCache::evict_oldest(std::vector<Kernel>& dropped) {
  // Kernels that were found by another way than this since they were last looked at go to the
  // front, each once.
  for (size_t left = recent_.size(); left > 1; --left) {
    if (!entries_.find(*recent_.back())->second.held->take_used()) break;
    recent_.splice(recent_.begin(), recent_, std::prev(recent_.end()));
  }
  Entry& entry = entries_.find(*recent_.back())->second;
  let_go(entry, dropped);
  recent_.pop_back();
  --counters_.kernels;
  ++counters_.evictions;
}

void MemoryCache::let_go(Entry& entry, std::vector<Kernel>& dropped) {
  bytes_->fetch_sub(entry.bytes);
  entry.held->count_workspaces_in(nullptr);
  dropped.push_back(std::move(*entry.held));
  entry.held.reset();
}

// Entries that only remember a kernel of somebody else's are looked through each time their number
// may have doubled, so that dead ones never outnumber the others by much, at constant cost an
// insert.
void MemoryCache::forget_dead() {
  if (entries_.size() < 2 * swept_entries_ + 64) return;
  std::erase_if(entries_,
                [](const auto& item) { return !item.second.held && item.second.alive.expired(); });
  swept_entries_ = entries_.size();
}

std::optional<Kernel> MemoryCache::find(const std::string& key) {
  std::vector<Kernel> dropped;
  const std::lock_guard lock(mutex_);
  std::optional<Kernel> kernel = look_up(key, dropped);
  if (kernel) ++counters_.hits;
  return kernel;
}

Kernel MemoryCache::keep(const std::string& key, const Kernel& kernel) {
  std::vector<Kernel> dropped;
  const std::lock_guard lock(mutex_);
  if (const std::optional<Kernel> there = look_up(key, dropped)) return *there;
  if (flights_.count(key) > 0) return kernel; // it comes in when that lands
  forget_dead();
  hold(*entries_.try_emplace(key).first, kernel, dropped);
  return kernel;
}

Expected<Kernel> MemoryCache::get_or_compile(const std::string& key, const Compile& compile) {
  std::vector<Kernel> dropped;
  auto flight = std::make_shared<Flight>();
  {
    std::unique_lock lock(mutex_);
    if (std::optional<Kernel> kernel = look_up(key, dropped)) {
      ++counters_.hits;
      return *kernel;
    }
    auto& there = flights_[key];
    // One that another process has begun, which this is a child of, lands there alone.
    if (there && there->forks == fork_count()) {
      flight = there;
      if (flight->leader == std::this_thread::get_id())
        return fail("cache", "a compile asks for the kernel that it is compiling");
      ++counters_.waits;
      flight->landed.wait(lock, [&] { return flight->result || flight->exception; });
      if (flight->exception) std::rethrow_exception(flight->exception);
      return *flight->result;
    }
    there = flight;
    flight->forks = fork_count();
    flight->leader = std::this_thread::get_id();
    ++counters_.compiles;
  }

  std::optional<Expected<Kernel>> result;
  std::exception_ptr exception;
  try {
    result = compile();
  } catch (...) {
    exception = std::current_exception();
  }

  const std::lock_guard lock(mutex_);
  // Moved, which cannot fail: whatever happens to the entry below, nobody is left waiting.
  flight->result = std::move(result);
  flight->exception = exception;
  flight->landed.notify_all();
  flights_.erase(key);
  if (exception || !*flight->result) ++counters_.failures;
  if (exception) std::rethrow_exception(exception);
  if (*flight->result) {
    forget_dead();
    hold(*entries_.try_emplace(key).first, **flight->result, dropped);
  }
  return *flight->result;
}

void MemoryCache::keep_within_limit() {
  if (bytes_->load(std::memory_order_relaxed) <= limit_bytes_) return;
  std::vector<Kernel> dropped;
  const std::lock_guard lock(mutex_);
  make_room(0, dropped);
}

void MemoryCache::clear() {
  std::vector<Kernel> dropped;
  const std::lock_guard lock(mutex_);
  for (auto& [key, entry] : entries_)
    if (entry.held) let_go(entry, dropped);
  recent_.clear();
  entries_.clear();
  swept_entries_ = 0;
  counters_.kernels = 0;
}

MemoryCache::Counters MemoryCache::counters() const {
  const std::lock_guard lock(mutex_);
  Counters counters = counters_;
  counters.keys = std::ssize(entries_);
  counters.bytes = bytes_->load();
  return counters;
}

} // namespace volute::runtime
