// What a caller may say about how a program is compiled.
#pragma once

#include <string>

namespace volute::runtime {

struct CompileOptions {
  std::string target = "";       // "native" or CPU[+feature,-feature...]; empty: the session's
  std::string schedule = "auto"; // "auto", "naive" or directives
  // Every algorithm that is chosen today sums directly, in an order that its schedule fixes, so the
  // two below are part of a kernel's key and leave its code as it is.
  /// How large an error an algorithm may make, in multiples of direct f32's; 0 allows direct only.
  double accuracy = 10;
  /// Fixes the algorithm and the order of summation per layer, whatever the batch or the schedule.
  bool deterministic = false;
  bool operator==(const CompileOptions&) const = default;
};

} // namespace volute::runtime

namespace volute {
using runtime::CompileOptions;
} // namespace volute
