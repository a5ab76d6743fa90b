// Files that appear whole or not at all, several of them as one.
//
// What is written has no name until all of it is there (O_TMPFILE), so a process that is killed
// leaves nothing behind; on a file system that has no files without a name it stands beside its
// place under a short one. Then each takes its place, and if one cannot, those before it go back.
//
// Where a file is there already, the system knows of no step from no name to that name: between two
// calls the new one has the short name too. A process that is killed just then leaves it, and the
// next one that writes the same file takes it away.
#pragma once

#include "ir/diagnostic.h"
#include "runtime/status.h"

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace volute::runtime {

/// Where a path leads once its links are followed, found good to be written.
struct FilePlace {
  std::string name;                  // in its folder; no link
  std::shared_ptr<const int> folder; // open, for openat and its like
  uint64_t device = 0, inode = 0;    // of the folder
  bool is_in_place = false; // no regular file (a device, a pipe, what is open): written as it is

  /// Whether two paths lead to one file.
  bool operator==(const FilePlace& other) const {
    return device == other.device && inode == other.inode && name == other.name;
  }
};

/// The place of a file that may be there already or not. A failure's subject is the path, its
/// message the system's words, its hint the rule: better known before the work than after it.
Expected<FilePlace> place_to_write(const std::string& path);

/// A file to be, and who writes it; failures name the path.
struct FileToWrite {
  std::string path;
  std::function<Status(std::FILE*)> write;
};

/// Writes all of them or none: whatever fails, files that were there stay as they were. A symbolic
/// link stays one, and what it leads to is replaced; two paths that lead to one file are refused.
/// What is no regular file (/dev/stdout, a pipe) is written as it is, which nothing takes back.
/// Files that were there come back on every file system that can exchange two names.
Status replace_files(std::span<const FileToWrite> files);

/// The same of one file.
Status replace_file(const std::string& path, const std::function<Status(std::FILE*)>& write);

} // namespace volute::runtime
