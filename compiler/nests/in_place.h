// Which inputs may lie where an output is written: `relu(x)` into x, `conv(...) + r` into r.
//
// It is safe when the element at a place is read for the last time by the very point that writes
// there. So every nest that reads the input must read it at exactly the element that the same point
// writes, and must either be the one nest that writes the output or run before it: then the value
// stored depends on the value loaded, in whatever order points run and on however many threads.
#pragma once

#include "ir/nest.h"

#include <utility>
#include <vector>

namespace volute::compiler {

/// Pairs (input, output) of buffers of the program that may be one memory, of the same type and
/// strides. What cannot be shown to be safe is left out: a window, another layout, a table of
/// indices, a nest that writes several results, scattered writes, nests computed inside others.
std::vector<std::pair<int32_t, int32_t>> in_place_pairs(const ir::NestProgram& program);

} // namespace volute::compiler
