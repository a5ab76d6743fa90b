#include "compiler/target/target.h"
#include "runtime/lane_loops_body.h"

namespace volute::runtime {

extern const LaneLoops lane_loops_avx2, lane_loops_avx512;

const LaneLoops& lane_loops() {
  static const LaneLoops& best = [&]() -> const LaneLoops& {
    const auto lacks = [](const char* name) {
      const Expected<compiler::Target> level = compiler::parse_target(name);
      return !level || !compiler::runs_on(*level, compiler::host());
    };
    if (!lacks("x86-64-v4")) return lane_loops_avx512;
    if (!lacks("x86-64-v3")) return lane_loops_avx2;
    return loops;
  }();
  return best;
}

} // namespace volute::runtime
