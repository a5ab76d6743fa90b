// A library that is loaded when it is first needed: who reads no picture and starts no pool never
// has libpng or pthreadpool in the process, and a process starts sooner without.
#pragma once

#include <string>

namespace volute::runtime {

class LateLibrary {
public:
  /// Loads it, from where the system keeps libraries; it stays for good.
  explicit LateLibrary(const char* name);
  LateLibrary(const LateLibrary&) = delete;
  LateLibrary& operator=(const LateLibrary&) = delete;

  /// Empty, or why not all of what was asked for is there.
  const std::string& fault() const noexcept { return fault_; }

  /// One of its functions; null when there is none, which is a fault.
  template <class Function>
  Function* function(const char* name) {
    return reinterpret_cast<Function*>(find(name));
  }

private:
  void* find(const char* name);

  void* library_;
  std::string fault_;
};

} // namespace volute::runtime
