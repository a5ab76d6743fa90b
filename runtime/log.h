// What a session does, a line an event on standard error: VOLUTE_VERBOSE=1, 2 or 3.
//
//     volute: @layer for znver4: 1204 bytes of code, 0 of workspace, 4.2 ms (lower 1.1, ...)
//     {"event": "compiled", "program": "layer", "target": "znver4", "code_bytes": 1204, ...}
//
// 1: compiles, what was found on disk, what answers before there is code, what was let go, what was
// computed by another schedule than asked for. 2: the passes of each compile too, and what was
// found in memory. 3: what was chosen for each nest. With json behind the number the lines are
// objects, for programs to read.
#pragma once

#include "compiler/image/image.h"
#include "compiler/report/report.h"
#include "ir/diagnostic.h"

#include <cstdint>
#include <string>

namespace volute::runtime {

class Log {
public:
  Log(int level, bool json) : level_(level), json_(json) {}

  bool is_on(int level) const { return level_ >= level; }
  void compiled(const compiler::Image& image, const compiler::Report& report) const;
  /// Of a compilation that ended at the loops.
  void lowered(const compiler::Report& report) const;
  void found_on_disk(const compiler::Image& image, const std::string& folder, double ms) const;
  /// What is called until there is code.
  void answers_without_code(const std::string& program, double ms) const;
  void found_in_memory(const std::string& program, double ms) const;
  void refused(const std::string& program, const Diagnostic& why) const;
  void let_go(int64_t kernels, int64_t bytes_kept) const;
  void fell_back(const std::string& program, const std::string& from, const Diagnostic& why) const;
  /// A kernel for the vector units stands in the place of one for a matrix unit.
  void without_tiles(const std::string& program) const;

private:
  void passes(const compiler::Report& report) const;

  int level_;
  bool json_;
};

} // namespace volute::runtime
