// Tests compile what they test, and leave the user's kernels alone: no session of theirs, nor of a
// process that they start, keeps or finds anything on disk, unless a test gives it a folder of its
// own and room there.
#include <cstdlib>

namespace {

[[maybe_unused]] const bool keeps_nothing = setenv("VOLUTE_DISK_CACHE", "0", 1) == 0;

} // namespace
