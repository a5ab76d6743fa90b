// What calling a finished kernel or writing a file gives back: a code, and the words when it
// failed.
//
// Unlike Expected, a Status is for calls that are noexcept: success carries nothing and allocates
// nothing, and a failure whose words cannot be allocated is still a failure with its code.
#pragma once

#include "ir/diagnostic.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace volute::runtime {

/// How a call ended.
enum class StatusCode : int32_t {
  ok = 0,
  // A step in an image returns this when the data hold an index outside their range (max_unpool).
  index_out_of_range = 1,
  invalid_argument, // a wrong name, type, extent, alignment or overlap
  out_of_memory,
  file_failed, // the system refused to open, read, write or rename
  pool_failed, // the caller's parallel-for threw or left work undone
  step_failed, // a step returned a code that this runtime does not know
};

/// A code, and the words where it is a failure.
class [[nodiscard]] Status {
public:
  /// Success; a code without words; a failure in words.
  Status() noexcept = default;
  explicit Status(StatusCode code) noexcept : code_(code) {}
  Status(StatusCode code, Diagnostic diagnostic)
      : code_(code), detail_(std::make_shared<const Diagnostic>(std::move(diagnostic))) {}

  /// A failure whose diagnostic is made by `make`, or has only its code when there is no memory.
  template <class Make>
  static Status failed(StatusCode code, Make make) noexcept {
    try {
      return Status(code, make());
    } catch (...) {
      return Status(code);
    }
  }

  /// Whether it is success.
  bool ok() const noexcept { return code_ == StatusCode::ok; }
  explicit operator bool() const noexcept { return ok(); }
  /// What it is, for programs.
  StatusCode code() const noexcept { return code_; }

  /// The words, "" when ok.
  std::string message() const;
  /// What an Expected fails with. Only for a status that is not ok.
  Failure failure() const;
  /// Throws Error when this is a failure: for callers to whom exceptions are the idiom.
  void check() const;

private:
  StatusCode code_ = StatusCode::ok;
  std::shared_ptr<const Diagnostic> detail_;
};

} // namespace volute::runtime

namespace volute {
using runtime::Status;
using runtime::StatusCode;
} // namespace volute
