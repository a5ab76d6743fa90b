// Which process this is, where one forks: threads stay behind in the parent, and what they were to
// do is done there alone.
#pragma once

#include <cstdint>

namespace volute::runtime {

/// Another number in a child than in the process that it came of; one load, unlike getpid().
/// Counted from the first call on.
uint64_t fork_count() noexcept;

} // namespace volute::runtime
