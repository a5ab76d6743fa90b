// Made-up data that look like what networks meet.
//
// Whole numbers of -4..4 are right for comparing and wrong for timing: their sums are so large that
// sigmoid, exp and tanh run on denormals, which takes several times as long as on what layers see.
#pragma once

#include "ir/program.h"
#include "runtime/tensor.h"

#include <cstdint>
#include <vector>

namespace volute::bench {

/// What an input is to the statements that read it, as it is given or laid out anew.
enum class InputRole : uint8_t {
  activation, // it has a batch
  weight,     // of a convolution
  vector,     // one number a channel: bias, shift, slope
  factor,     // one number a channel, around 1: a batch norm's scale and variance
  place,      // indices of max_unpool
};
InputRole role_of(const ir::Program& program, ir::ValueId input);

/// Fills the tensor of a program's input, by its place among them. Activations are normally
/// distributed around 0, weights too, scaled by the root of how many products go into a sum, so
/// that what comes out is distributed like what went in. u8 are around 128, i8 around 0, both with
/// a deviation of
/// 40. Places are drawn from the window of each element (runtime/made_up.h).
void make_up(const ir::Program& program, size_t input, runtime::Tensor& tensor, uint64_t seed = 0);
/// All of them, in the program's order.
void make_up(const ir::Program& program, std::vector<runtime::Tensor>& inputs, uint64_t seed = 0);

} // namespace volute::bench
