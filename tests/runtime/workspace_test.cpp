#include "runtime/workspace.h"

#include "tests/support/catch.h"

#include <memory>
#include <utility>

using namespace volute::runtime;

namespace {

AlignedMemory block(int64_t bytes) { return AlignedMemory::allocate_unset(bytes); }

} // namespace

TEST_CASE("a pool begins with memory that was there before any call, and hands it on once") {
  AlignedMemory memory = block(1500);
  const std::byte* where = memory.data();
  WorkspacePool pool(1000, std::move(memory));
  const ByteTotal total = std::make_shared<std::atomic<int64_t>>(0);
  pool.count_in(total);
  CHECK(pool.taken_bytes() == AlignedMemory::taken_by(1500));
  CHECK(total->load() == pool.taken_bytes());
  {
    const WorkspacePool::Loan first(pool), second(pool);
    CHECK(first.data() == where);
    CHECK(second.data() != where);
    CHECK(pool.taken_bytes() == AlignedMemory::taken_by(1500) + AlignedMemory::taken_by(1000));
    CHECK(total->load() == pool.taken_bytes());
  }
  (void)pool.hand_on(); // of the two, whichever a call would take next
  CHECK(total->load() == pool.taken_bytes());
  CHECK(!pool.hand_on());
}

TEST_CASE("what is handed on begins another pool") {
  WorkspacePool bound(1000, block(1500));
  AlignedMemory memory = bound.hand_on();
  REQUIRE(memory);
  const std::byte* where = memory.data();
  CHECK(bound.taken_bytes() == AlignedMemory::taken_by(1000)); // the one that a call will need
  WorkspacePool next(900, std::move(memory));
  CHECK(WorkspacePool::Loan(next).data() == where);
  CHECK(WorkspacePool::Loan(bound).data() != where);
}

TEST_CASE("memory that is too small for a call, or twice too large, is let go") {
  for (const int64_t bytes : {999, 2001}) {
    WorkspacePool pool(1000, block(bytes));
    CHECK(pool.taken_bytes() == AlignedMemory::taken_by(1000));
    CHECK(!pool.hand_on());
    CHECK(WorkspacePool::Loan(pool).data() != nullptr);
  }
}
