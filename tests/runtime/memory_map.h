// The process's memory: its mappings as /proc/self/maps lists them, and how much of it is resident.
#pragma once

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace volute::tests {

struct Mapping {
  uintptr_t begin = 0, end = 0;
  std::string permissions; // "r-xp"
  std::string file;        // empty: of no file
};

inline std::vector<Mapping> mappings() {
  std::vector<Mapping> all;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::istringstream fields(line);
    Mapping mapping;
    char dash;
    std::string offset, device, inode;
    fields >> std::hex >> mapping.begin >> dash >> mapping.end >> mapping.permissions >> offset >>
        device >> inode;
    std::getline(fields >> std::ws, mapping.file);
    all.push_back(mapping);
  }
  return all;
}

/// "r-xp", or "" when nothing is mapped there.
inline std::string permissions_at(const void* address) {
  const auto at = reinterpret_cast<uintptr_t>(address);
  for (const Mapping& mapping : mappings())
    if (mapping.begin <= at && at < mapping.end) return mapping.permissions;
  return "";
}

/// Of a sanitized process always 0: what was freed stays, to be found when it is used again.
inline int64_t resident_bytes() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return 0;
#else
  std::ifstream statm("/proc/self/statm");
  int64_t pages = 0, resident = 0;
  statm >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE);
#endif
}

} // namespace volute::tests
