#include "runtime/lane_loops_body.h"

namespace volute::runtime {
extern const LaneLoops lane_loops_avx512;
const LaneLoops lane_loops_avx512 = loops;
} // namespace volute::runtime
