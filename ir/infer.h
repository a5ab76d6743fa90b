// Shape inference: what each operator makes of its operands' types, with every rule of the
// language checked on the way (sizes in 64 bits, no product overflows unnoticed).
#pragma once

#include "ir/program.h"

namespace volute::ir {

/// One tap window along one spatial axis, resolved to numbers: the arithmetic of convolution and
/// pooling. Output o, tap k reads input position o * stride + k * dilation - pad_begin.
struct Window {
  int64_t input = 1, kernel = 1, stride = 1, dilation = 1, pad_begin = 0, pad_end = 0, output = 1;
  int64_t span() const { return dilation * (kernel - 1) + 1; }
  bool operator==(const Window&) const = default;
};

/// The windows of a Conv or Pool (not ConvTranspose) on a verified program, one a spatial axis
/// (d, h, w that the input has, in that order), Padding rules resolved to numbers.
std::vector<Window> windows(const Program& program, const Statement& statement);

} // namespace volute::ir
