#include "runtime/lane_loops_body.h"

namespace volute::runtime {
extern const LaneLoops lane_loops_avx2;
const LaneLoops lane_loops_avx2 = loops;
} // namespace volute::runtime
