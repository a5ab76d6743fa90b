// A folder of compiled kernels, whose files become code of this process: so it is asked whose it
// is before anything in it is believed.
//
// The folder must be the user's own or root's, and nobody else's to write; so must each file, which
// must be a regular one and is opened without following links. What is read is read whole into
// memory of ours first, and checked there, so that nobody changes it between the check and the use.
//
// A file appears in the folder whole or not at all: it is written under a name of its own and then
// renamed. A process that is killed on the way leaves the former, which is swept away later.
#pragma once

#include "ir/diagnostic.h"
#include "runtime/status.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace volute::runtime {

class CacheFolder {
public:
  /// Opens the folder; with `make`, makes it and those above it (mode 0700) where there is none.
  /// Nothing where there is none. A failure's subject is the path.
  static Expected<std::optional<CacheFolder>> open(const std::string& path, bool make);

  const std::string& path() const { return path_; }

  struct File {
    std::vector<std::byte> bytes;
    int64_t seconds_unused = 0; // since it was last written or marked
  };
  /// What a file holds, at most `limit` bytes of it; nothing where there is none. A failure: it is
  /// there, and not to be believed.
  Expected<std::optional<File>> read(const std::string& name, size_t limit = SIZE_MAX) const;
  /// Notes that a file was used now. Where that is not allowed, nothing happens.
  void mark_used(const std::string& name) const;
  /// In the place of what is there, if anything is. Others may read it if they may read the folder.
  Status publish(const std::string& name, std::span<const std::byte> bytes) const;
  /// Whether it was there and is not now.
  bool remove(const std::string& name) const;

  struct Item {
    std::string name;
    int64_t bytes = 0;      // whole blocks, as the disk counts
    int64_t used_ns = 0;    // when it was last written or marked, since the epoch
    bool is_kernel = false; // else it is on its way, or was left on it
  };
  /// The files that are the cache's, in no order: others in the folder are nobody's business.
  std::vector<Item> items() const;
  /// Whether somebody has removed the folder since it was opened.
  bool is_gone() const;

private:
  CacheFolder(std::string path, std::shared_ptr<const int> folder)
      : path_(std::move(path)), folder_(std::move(folder)) {}

  std::string path_;
  std::shared_ptr<const int> folder_; // open
};

} // namespace volute::runtime
