#include "runtime/status.h"

namespace volute::runtime {
namespace {

const char* words(StatusCode code) {
  switch (code) {
  case StatusCode::ok: return "";
  case StatusCode::index_out_of_range: return "an index in the data is outside its range";
  case StatusCode::invalid_argument: return "an argument does not fit";
  case StatusCode::out_of_memory: return "out of memory";
  case StatusCode::file_failed: return "a file could not be read or written";
  case StatusCode::pool_failed: return "the parallel-for did not run all of its work";
  case StatusCode::step_failed: return "a step of the kernel failed";
  }
  return "unknown failure";
}

} // namespace

std::string Status::message() const { return detail_ ? to_string(*detail_) : words(code_); }

Failure Status::failure() const { return detail_ ? fail(*detail_) : fail("", words(code_)); }

void Status::check() const {
  if (!ok()) throw Error(failure().diagnostics);
}

} // namespace volute::runtime
