// Which input positions the taps of a window read: the part that convolution and pooling share.
#pragma once

#include "ir/infer.h"
#include "ir/reference_grid.h"

#include <optional>
#include <vector>

namespace volute::ir::reference {

/// The position that a tap at `position` reads along an axis of `extent` elements: itself inside,
/// what the mode says outside; nothing where the mode is zeros.
std::optional<int64_t> source(int64_t position, int64_t extent, PadMode mode);

/// A tap that reads something: its place in the kernel and the input position it reads.
struct Tap {
  int64_t kernel, input;
};

/// The taps of output `output` along one axis, in order, those that read nothing left out.
std::vector<Tap> taps(const Window& window, int64_t output, PadMode mode = PadMode::zeros);

/// The windows along d, h and w; an axis that the tensor lacks has one element and one tap.
struct Windows {
  Window d, h, w;
  Windows(const std::vector<Window>& of_spatial_axes, const TensorType& input);
};

} // namespace volute::ir::reference
