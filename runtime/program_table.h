// Kernels by the very program and options that they were asked for by: a session's short way to
// what its cache holds, without a text and without looking at the program as a compiler does.
//
// A program is found by a hash of its numbers and compared whole, so one that was changed in place
// is another. The table keeps no kernel alive, and of programs what is small: one whose constants
// are not is found by its key.
#pragma once

#include "ir/program.h"
#include "runtime/compile_options.h"
#include "runtime/kernel.h"

#include <atomic>
#include <cstdint>
#include <optional>
#include <shared_mutex>
#include <unordered_map>

namespace volute::runtime {

class ProgramTable {
public:
  /// The kernel as long as somebody holds it. Allocates nothing.
  std::optional<Kernel> find(const ir::Program& program, const CompileOptions& options) const;
  void remember(const ir::Program& program, const CompileOptions& options, const Kernel& kernel);
  void clear();

  int64_t hits() const noexcept { return hits_.load(std::memory_order_relaxed); }

private:
  struct Entry {
    ir::Program program;
    CompileOptions options;
    WeakKernel kernel;
    bool is_for(const ir::Program& other, const CompileOptions& other_options) const {
      return program == other && options == other_options;
    }
  };

  mutable std::shared_mutex mutex_; // guards kernels_ and swept_
  std::unordered_multimap<uint64_t, Entry> kernels_;
  size_t swept_ = 0; // entries left by the last look for dead ones
  mutable std::atomic<int64_t> hits_{0};
};

} // namespace volute::runtime
