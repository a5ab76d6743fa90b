// What an evaluation of loops reads and writes, element by element: for counting what caches see.
#pragma once

#include "ir/loops.h"

#include <cstdint>
#include <functional>

namespace volute::ir {

/// Sees an element that is read or written: its buffer, and the byte at which it begins there.
using AccessWatch = std::function<void(int32_t buffer, int64_t byte)>;

/// `evaluate` of loops.h, watched.
void evaluate_watched(const LoopProgram& program, Memory& memory, const AccessWatch& watch);

} // namespace volute::ir
