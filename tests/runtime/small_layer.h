// A convolution that compiles in some milliseconds, as many different ones as are wanted.
#pragma once

#include "ir/parse.h"

#include <cstdint>
#include <string>

namespace volute::tests {

inline ir::Program small_layer(int64_t width) {
  return *ir::parse("program @layer(%x: f32[n=1, c=8, h=6, w=" + std::to_string(width) +
                    "], %w: f32[o=16, i=8, h=3, w=3]) {\n"
                    "  %y = conv %x, %w\n  return %y\n}");
}

} // namespace volute::tests
