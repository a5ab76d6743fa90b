#include "runtime/tile_permission.h"

#include "compiler/target/target.h"

#include <atomic>

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace volute::runtime {

bool may_use_tiles() {
#if defined(__linux__) && defined(__x86_64__)
  // Asked twice at the same time the answer is the same. A child of fork() must not find a thread
  // of its parent's in the midst of asking, as it would in the initialisation of a static.
  enum Answer { not_asked, denied, granted };
  static std::atomic<Answer> answer{not_asked};
  if (answer.load() == not_asked) {
    constexpr int request = 0x1023, tile_data = 18; // ARCH_REQ_XCOMP_PERM of this part of the state
    const bool may =
        compiler::host().has("amx-tile") && syscall(SYS_arch_prctl, request, tile_data) == 0;
    answer.store(may ? granted : denied);
  }
  return answer.load() == granted;
#else
  return false;
#endif
}

} // namespace volute::runtime
