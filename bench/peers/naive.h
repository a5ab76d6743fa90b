// The baseline: plain loops, compiled ahead of time, with everything about the shape a variable.
#pragma once

#include "bench/peer.h"

namespace volute::bench {

/// f32 convolutions and max and average pools over one or two spatial axes, channels first or last
/// or any other order of whole axes, with element-wise steps after.
const Peer& naive_peer();

} // namespace volute::bench
