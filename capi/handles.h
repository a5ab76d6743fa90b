// What stands behind the handles of volute.h, and the one way out of each of its functions: every
// exception becomes a status and, where they are wanted, words.
#pragma once

#include "ir/diagnostic.h"
#include "ir/program.h"
#include "runtime/kernel.h"
#include "runtime/pending_kernel.h"
#include "runtime/session.h"
#include "runtime/status.h"
#include "runtime/tiered_kernel.h"

#include <new>
#include <string>
#include <utility>
#include <vector>

// The C interface alone: the C++ one is included from where it stands.
#define VOLUTE_C_ONLY
#include "capi/volute.h"

struct volute_error {
  volute_status status = VOLUTE_INTERNAL_ERROR;
  std::vector<volute::Diagnostic> diagnostics;
  std::string message, rendered;
};

struct volute_program {
  volute::ir::Program program;
};

struct volute_session {
  volute::Session session;
};

struct volute_pending {
  volute::runtime::PendingKernel pending;
};

struct volute_kernel {
  explicit volute_kernel(volute::TieredKernel made);
  explicit volute_kernel(const volute::Kernel& made) : volute_kernel(volute::TieredKernel(made)) {}
  volute::TieredKernel kernel;    // final from the beginning, unless tiers were asked for
  std::vector<std::string> names; // of the arguments of a call by position
  size_t inputs = 0;              // how many of them are inputs
};

namespace volute::capi {

/// Gives the words to whoever wants them, and the status back. `name` and `source` are those of the
/// text that was parsed.
volute_status report(volute_error** error, volute_status status,
                     std::vector<Diagnostic> diagnostics, const std::string& name = "",
                     const std::string& source = "") noexcept;
/// "kernel: is NULL".
volute_status refuse_argument(volute_error** error, const char* subject,
                              const char* message) noexcept;
/// The status of a compile that somebody else has done, and that failed with these words.
volute_status status_of_failed(const std::vector<Diagnostic>& failure) noexcept;
/// A status of the runtime's, which has the same codes.
volute_status report(volute_error** error, const Status& status) noexcept;
/// The exception that is being handled.
volute_status report_exception(volute_error** error) noexcept;

/// Runs the body of a function of the interface.
template <class Body>
volute_status guarded(volute_error** error, const Body& body) noexcept {
  if (error) *error = nullptr;
  try {
    return body();
  } catch (...) {
    return report_exception(error);
  }
}

/// A copy for the caller, or null where there is no memory.
char* string_for_caller(const std::string& text) noexcept;

using OptionList = std::vector<std::pair<std::string, std::string>>;
/// A list that ends with a name that is NULL. Throws Error when a value is NULL.
OptionList options_in(const volute_option* options);

} // namespace volute::capi
