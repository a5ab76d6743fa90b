#include "runtime/disk_cache.h"

#include "compiler/image/encode.h"
#include "compiler/report/encode_report.h"
#include "ir/literals.h"
#include "runtime/cache_entry.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <ctime>

namespace volute::runtime {
namespace {

constexpr int64_t mark_after_seconds = 60;
constexpr int64_t left_after_ns = 600'000'000'000; // ten minutes: no write takes that long

/// Once in a process: a program that makes a session for each request must not fill a log.
void warn_on_standard_error(const Diagnostic& reason) {
  static std::atomic<bool> is_told{false};
  if (is_told.exchange(true)) return;
  const std::string hint = reason.hint.empty() ? "" : fmt::format(" ({})", reason.hint);
  const std::string text = fmt::format("volute: warning: kernels on disk: {}: {}{}\n",
                                       reason.subject, reason.message, hint);
  std::fputs(ir::shown(text).c_str(), stderr); // where there is nobody to tell, nobody is told
}

} // namespace

DiskCache::DiskCache(std::string path, int64_t limit_bytes, Warn warn)
    : path_(std::move(path)), limit_bytes_(limit_bytes), warn_(std::move(warn)) {}

void DiskCache::warn(const Diagnostic& reason) {
  if (warn_)
    warn_(reason);
  else
    warn_on_standard_error(reason);
}

std::optional<CacheFolder> DiskCache::folder(bool make) {
  Expected<std::optional<CacheFolder>> opened = std::optional<CacheFolder>();
  {
    const std::lock_guard lock(mutex_);
    if (is_refused_) return std::nullopt;
    if (folder_ && !(make && folder_->is_gone())) return folder_;
    opened = CacheFolder::open(path_, make);
    if (opened) return folder_ = *opened;
    is_refused_ = true;
  }
  warn(opened.diagnostics().front());
  return std::nullopt;
}

std::optional<CacheFolder::File> DiskCache::read(const std::string& key) {
  const std::optional<CacheFolder> from = folder(false);
  if (!from) return std::nullopt;
  const std::string name = entry_name(key);
  Expected<std::optional<CacheFolder::File>> file = from->read(name);
  if (!file) {
    warn(file.diagnostics().front());
    return std::nullopt;
  }
  if (*file && (*file)->seconds_unused > mark_after_seconds) from->mark_used(name);
  return std::move(*file);
}

std::optional<DiskCache::Found> DiskCache::find(const std::string& key) {
  const std::optional<CacheFolder::File> file = read(key);
  if (!file) return std::nullopt;
  const Expected<EntryView> entry = view_entry(file->bytes);
  if (!entry) return refuse(key, entry.diagnostics().front()), std::nullopt;
  if (entry->key != key) return std::nullopt; // two keys, one hash
  Expected<compiler::Image> image = compiler::decode(entry->image);
  if (!image) return refuse(key, image.diagnostics().front()), std::nullopt;
  return Found{std::move(*image), std::string(entry->schedule)};
}

std::optional<compiler::Report> DiskCache::find_report(const std::string& key) {
  const std::optional<CacheFolder::File> file = read(key);
  if (!file) return std::nullopt;
  const Expected<EntryView> entry = view_entry(file->bytes);
  if (!entry) return refuse(key, entry.diagnostics().front()), std::nullopt;
  if (entry->key != key) return std::nullopt;
  return compiler::decode_report(entry->report);
}

void DiskCache::refuse(const std::string& key, const Diagnostic& reason) {
  warn({{}, path_ + "/" + entry_name(key), reason.message, "it is made anew"});
}

bool DiskCache::store(const std::string& key, std::string_view schedule,
                      const compiler::Report& report, const compiler::Image& image) {
  const std::optional<CacheFolder> into = folder(true);
  if (!into) return false;
  const std::vector<std::byte> bytes = encode_entry(key, schedule, report, image);
  if (static_cast<int64_t>(bytes.size()) > limit_bytes_) return false;
  if (const Status status = into->publish(entry_name(key), bytes); !status) {
    warn(status.failure().diagnostics.front());
    return false;
  }
  keep_within_limit(*into, static_cast<int64_t>(bytes.size()));
  return true;
}

// To count is to look at every file, so it is done when it may matter: at the first store, which
// finds what other processes have left, and whenever what was stored since is worth it.
void DiskCache::keep_within_limit(const CacheFolder& folder, int64_t added) {
  const std::lock_guard lock(mutex_);
  unseen_bytes_ += added;
  const bool is_due = known_bytes_ < 0 || unseen_bytes_ > limit_bytes_ / 16 ||
                      known_bytes_ + unseen_bytes_ > limit_bytes_;
  if (!is_due) return;
  known_bytes_ = evict(folder, limit_bytes_);
  unseen_bytes_ = 0;
}

int64_t evict(const CacheFolder& folder, int64_t most_bytes, int64_t* evicted) {
  std::vector<CacheFolder::Item> items = folder.items();
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const int64_t now_ns = now.tv_sec * 1'000'000'000 + now.tv_nsec;
  int64_t bytes = 0;
  std::erase_if(items, [&](const CacheFolder::Item& item) {
    const bool is_left = !item.is_kernel && now_ns - item.used_ns > left_after_ns;
    if (is_left) folder.remove(item.name);
    if (!is_left) bytes += item.bytes;
    return !item.is_kernel;
  });
  if (bytes <= most_bytes) return bytes;
  std::sort(items.begin(), items.end(),
            [](const auto& a, const auto& b) { return a.used_ns < b.used_ns; });
  // An eighth more than need be: what comes next must not look at every file again.
  for (const CacheFolder::Item& item : items) {
    if (bytes <= most_bytes - most_bytes / 8) break;
    bytes -= item.bytes; // removed by another process is removed too
    if (folder.remove(item.name) && evicted) ++*evicted;
  }
  return bytes;
}

} // namespace volute::runtime
