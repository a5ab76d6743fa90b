// A nest written out, for tests of what is found in one.
#pragma once

#include "ir/nest.h"

#include <string>

namespace volute::tests {

/// Its lines between the braces, over inputs x and k and an output y of f32; their sizes are those
/// of their views, `64` where it does not matter.
inline ir::NestProgram nest_of(const std::string& lines, int64_t x = 64, int64_t k = 64,
                               int64_t y = 64) {
  return ir::parse_nests("nests p\n\ninput x: f32[" + std::to_string(x) + "]\ninput k: f32[" +
                         std::to_string(k) + "]\noutput y: f32[" + std::to_string(y) +
                         "]\n\nnest y {\n" + lines + "}\n")
      .value();
}

} // namespace volute::tests
