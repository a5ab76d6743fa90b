// Kernels from process to process: a folder with an entry for each key.
//
// Whatever is wrong with the folder or an entry, the answer is the same: nothing was found, and
// nothing is kept. What should not be so is told once in a process, on standard error; the kernel
// is compiled, and the entry replaced. Any number of processes and threads may use a folder.
//
// The entries used last stay, up to a number of bytes. Using one marks it at most once a minute.
#pragma once

#include "compiler/image/image.h"
#include "compiler/report/report.h"
#include "runtime/cache_folder.h"

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace volute::runtime {

class DiskCache {
public:
  using Warn = std::function<void(const Diagnostic&)>;

  /// At `path`, of at most `limit_bytes`. Nothing is opened or made before it is needed. `warn` is
  /// told what is wrong with the folder, each time; without one, standard error is, once in all.
  DiskCache(std::string path, int64_t limit_bytes, Warn warn = nullptr);

  struct Found {
    compiler::Image image;
    std::string schedule; // resolved
  };
  std::optional<Found> find(const std::string& key);
  /// What the compiler said when it made the kernel.
  std::optional<compiler::Report> find_report(const std::string& key);
  /// Whether it was kept.
  bool store(const std::string& key, std::string_view schedule, const compiler::Report& report,
             const compiler::Image& image);
  /// Of what was found something that cannot be used after all: told like all else.
  void refuse(const std::string& key, const Diagnostic& reason);

  const std::string& path() const { return path_; }
  void warn(const Diagnostic& reason);

private:
  std::optional<CacheFolder> folder(bool make);
  std::optional<CacheFolder::File> read(const std::string& key);
  void keep_within_limit(const CacheFolder& folder, int64_t added);

  const std::string path_;
  const int64_t limit_bytes_;
  const Warn warn_;
  std::mutex mutex_; // guards what follows
  std::optional<CacheFolder> folder_;
  bool is_refused_ = false;  // the folder
  int64_t known_bytes_ = -1; // that all entries take, as far as this process knows
  int64_t unseen_bytes_ = 0; // stored since they were last counted
};

/// Lets the kernels of a folder go, those used last the last, until they take no more than
/// `most_bytes`, and what other processes left on its way. Returns what the rest takes.
int64_t evict(const CacheFolder& folder, int64_t most_bytes, int64_t* evicted = nullptr);

} // namespace volute::runtime
