#include "runtime/status.h"
#include "tests/support/catch.h"

using volute::Status;
using volute::StatusCode;

TEST_CASE("a status is ok until something failed") {
  const Status status;
  CHECK(status.ok());
  CHECK(status.message().empty());
  CHECK_NOTHROW(status.check());
}

TEST_CASE("a failed status says what failed, as words, as a failure and as an exception") {
  const Status status(StatusCode::invalid_argument, {{}, "%x", "is too long", "make it short"});
  CHECK(!status);
  CHECK(status.message() == "%x: is too long (make it short)");
  CHECK(status.failure().diagnostics.front().subject == "%x");
  CHECK_THROWS_WITH(status.check(), "%x: is too long (make it short)");
}

TEST_CASE("a status whose words could not be made still has its code") {
  const Status status = Status::failed(StatusCode::out_of_memory,
                                       []() -> volute::Diagnostic { throw std::bad_alloc(); });
  CHECK(status.code() == StatusCode::out_of_memory);
  CHECK(status.message() == "out of memory");
  CHECK_THROWS_WITH(status.check(), "out of memory");
}
