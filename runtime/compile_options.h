// What a caller may say about how a program is compiled.
#pragma once

#include "compiler/image/tensor_strides.h"
#include "ir/budget.h"
#include "runtime/tensor.h"

#include <optional>
#include <string>

namespace volute::runtime {

/// The options of one kernel; what is left out is the session's.
struct CompileOptions {
  std::string target = "";       // "native" or CPU[+feature,-feature...]; empty: the session's
  std::string schedule = "auto"; // "auto", "naive" or directives
  /// How large an error an algorithm may make, in multiples of the largest that a direct sum in f32
  /// makes on normally distributed data; 0 allows direct sums only. Empty: the session's.
  std::optional<double> accuracy = {};
  /// Direct sums only, each added up in one order: taps, then channels. The same bits then come of
  /// every schedule, every batch, and every CPU that multiplies and adds in one instruction; a
  /// schedule of another order is refused. Costs speed where another order or Winograd is faster.
  bool deterministic = false;
  /// Takes denormal numbers for 0, those that a kernel reads and those that it would compute:
  /// faster on many CPUs where there are some, and other bits. Empty: as the session does. False
  /// leaves it to the thread that calls, whose MXCSR is used as it is.
  std::optional<bool> flush_denormals = {};
  /// Inputs and outputs that are not dense, by name: elements between neighbours along each extent
  /// of the type, outermost first. 0 or more; along outputs, no two elements in one place. A
  /// kernel takes views of these strides only.
  compiler::StridesByName strides = {};
  /// What compiling may take before it is given up with an error; no part of a kernel's key. Empty:
  /// the session's.
  std::optional<Budget> budget = {};
  /// What messages call the schedule's text; no part of a kernel's key.
  std::string schedule_name = "schedule";
  /// What the report says of where the schedule comes from; no part of a kernel's key. Set by a
  /// session that was asked for `auto` and knows a schedule that was measured to be faster.
  std::string schedule_note = "";

  /// The same, for views like this one: `session.compile(program, CompileOptions{}.like("x", x))`.
  [[nodiscard]] CompileOptions like(const std::string& name, const TensorView& view) const;

  bool operator==(const CompileOptions&) const = default;
};

} // namespace volute::runtime

namespace volute {
using runtime::CompileOptions;
} // namespace volute
