#include <cstdlib>
#include <cstring>
#include <exception>

#include "capi/handles.h"

namespace {

using volute::StatusCode;

static_assert(VOLUTE_INDEX_OUT_OF_RANGE == static_cast<int>(StatusCode::index_out_of_range));
static_assert(VOLUTE_INVALID_ARGUMENT == static_cast<int>(StatusCode::invalid_argument));
static_assert(VOLUTE_OUT_OF_MEMORY == static_cast<int>(StatusCode::out_of_memory));
static_assert(VOLUTE_FILE_FAILED == static_cast<int>(StatusCode::file_failed));
static_assert(VOLUTE_POOL_FAILED == static_cast<int>(StatusCode::pool_failed));
static_assert(VOLUTE_STEP_FAILED == static_cast<int>(StatusCode::step_failed));

#define VOLUTE_TEXT_OF(number) #number
#define VOLUTE_TEXT(number) VOLUTE_TEXT_OF(number)
const char version[] = VOLUTE_TEXT(VOLUTE_VERSION_MAJOR) "." VOLUTE_TEXT(
    VOLUTE_VERSION_MINOR) "." VOLUTE_TEXT(VOLUTE_VERSION_PATCH);

const char out_of_memory[] = "out of memory";

/// What is given out when there is no memory for words: an address that is never read.
volute_error* no_memory() noexcept {
  static constinit char place = 0;
  return reinterpret_cast<volute_error*>(&place);
}

} // namespace

namespace volute::capi {

volute_status status_of_failed(const std::vector<Diagnostic>& failure) noexcept {
  return runtime::is_of_cancelled(failure) ? VOLUTE_CANCELLED : VOLUTE_REFUSED;
}

volute_status report(volute_error** error, volute_status status,
                     std::vector<Diagnostic> diagnostics, const std::string& name,
                     const std::string& source) noexcept {
  if (!error) return status;
  try {
    std::string rendered = render(diagnostics, name, source);
    std::string message = Error(diagnostics).what();
    *error =
        new volute_error{status, std::move(diagnostics), std::move(message), std::move(rendered)};
  } catch (...) {
    *error = no_memory();
  }
  return status;
}

volute_status refuse_argument(volute_error** error, const char* subject,
                              const char* message) noexcept {
  try {
    return report(error, VOLUTE_INVALID_ARGUMENT, {Diagnostic{{}, subject, message, ""}});
  } catch (...) {
    if (error) *error = no_memory();
    return VOLUTE_INVALID_ARGUMENT;
  }
}

volute_status report(volute_error** error, const Status& status) noexcept {
  const auto code = static_cast<volute_status>(status.code());
  if (status.ok() || !error) return code;
  try {
    return report(error, code, status.failure().diagnostics);
  } catch (...) {
    *error = no_memory();
    return code;
  }
}

volute_status report_exception(volute_error** error) noexcept {
  const auto said = [&](volute_status status, const char* words) noexcept {
    try {
      return report(error, status, {Diagnostic{{}, "", words, ""}});
    } catch (...) {
      if (error) *error = no_memory();
      return status;
    }
  };
  try {
    throw;
  } catch (const InternalError& failure) {
    return said(VOLUTE_INTERNAL_ERROR, failure.what());
  } catch (const Error& failure) {
    try {
      return report(error, VOLUTE_REFUSED, failure.diagnostics());
    } catch (...) {
      return said(VOLUTE_REFUSED, failure.what());
    }
  } catch (const std::bad_alloc&) {
    if (error) *error = no_memory();
    return VOLUTE_OUT_OF_MEMORY;
  } catch (const std::exception& failure) {
    return said(VOLUTE_INTERNAL_ERROR, failure.what());
  } catch (...) {
    return said(VOLUTE_INTERNAL_ERROR, "an exception of a type that is not known");
  }
}

char* string_for_caller(const std::string& text) noexcept {
  auto* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy) std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

OptionList options_in(const volute_option* options) {
  OptionList list;
  for (; options && options->name; ++options) {
    if (!options->value) throw Error(fail(options->name, "its value is NULL").diagnostics);
    list.emplace_back(options->name, options->value);
  }
  return list;
}

} // namespace volute::capi

extern "C" {

volute_status volute_error_status(const volute_error* error) noexcept {
  if (!error) return VOLUTE_OK;
  return error == no_memory() ? VOLUTE_OUT_OF_MEMORY : error->status;
}

const char* volute_error_message(const volute_error* error) noexcept {
  if (!error) return "";
  return error == no_memory() ? out_of_memory : error->message.c_str();
}

const char* volute_error_render(const volute_error* error) noexcept {
  if (!error) return "";
  return error == no_memory() ? "error: out of memory\n" : error->rendered.c_str();
}

size_t volute_error_count(const volute_error* error) noexcept {
  if (!error) return 0;
  return error == no_memory() ? 1 : error->diagnostics.size();
}

bool volute_error_at(const volute_error* error, size_t index,
                     volute_diagnostic* diagnostic) noexcept {
  if (!diagnostic || index >= volute_error_count(error)) return false;
  if (error == no_memory()) {
    *diagnostic = {0, 0, "", out_of_memory, ""};
    return true;
  }
  const volute::Diagnostic& d = error->diagnostics[index];
  *diagnostic = {d.where.line, d.where.column, d.subject.c_str(), d.message.c_str(),
                 d.hint.c_str()};
  return true;
}

void volute_error_free(volute_error* error) noexcept {
  if (error != no_memory()) delete error;
}

void volute_string_free(char* string) noexcept { std::free(string); }

const char* volute_version() noexcept { return version; }

} // extern "C"
