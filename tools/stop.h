// How a command ends early: what to say on standard error, and the exit status.
#pragma once

#include "ir/diagnostic.h"

#include <exception>
#include <string>
#include <utility>

namespace volute::tools {

enum ExitStatus : int {
  exit_done = 0,
  exit_refused = 1, // the input was refused, or a run failed
  exit_misused = 2, // the command line was wrong
};

/// Thrown by the parts of a command and caught once, in main: nothing after it is done.
class Stop : public std::exception {
public:
  Stop(int status, std::string text) : status_(status), text_(std::move(text)) {}
  const char* what() const noexcept override { return text_.c_str(); }
  int status() const noexcept { return status_; }

private:
  int status_;
  std::string text_; // whole lines, as printed
};

/// The command line is wrong: "error: MESSAGE", and where the way out is.
[[noreturn]] void misuse(const std::string& message, const std::string& hint = "");
/// The input is refused, in words that are complete: "error: %x: in.npy: ...".
[[noreturn]] void refuse(const Diagnostic& diagnostic);

} // namespace volute::tools
