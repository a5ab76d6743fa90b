// Inputs of a program that nobody has given.
#pragma once

#include "ir/program.h"
#include "runtime/tensor.h"

#include <cstdint>

namespace volute::runtime {

/// Fills the input as `fill` does, but that random numbers which the program takes for places
/// (max_unpool) are places: each lies in the window of its element, as a max_pool that looked there
/// could have found it.
void make_up(const MutableTensorView& tensor, const ir::Program& program, ir::ValueId input,
             const Fill& how, uint64_t stream);

} // namespace volute::runtime
