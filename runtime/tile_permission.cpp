#include "runtime/tile_permission.h"

#include "compiler/target/target.h"

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace volute::runtime {

bool may_use_tiles() {
#if defined(__linux__) && defined(__x86_64__)
  static const bool granted = [] {
    constexpr int request = 0x1023, tile_data = 18; // ARCH_REQ_XCOMP_PERM of this part of the state
    return compiler::host().has("amx-tile") && syscall(SYS_arch_prctl, request, tile_data) == 0;
  }();
  return granted;
#else
  return false;
#endif
}

} // namespace volute::runtime
