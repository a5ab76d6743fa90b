// Places that stand in the data (max_unpool): which of them is none, in words.
#pragma once

#include "compiler/image/image.h"

#include <cstddef>
#include <optional>
#include <string>

namespace volute::compiler {

/// "%i: the index 4 at [n=0, c=0, w=1] is outside the result's 4 positions, 0..3", of the first
/// such element in memory order; nothing when there is none. Empty strides are dense.
std::optional<std::string> fault_in_places(const ImagePlaces& places, const std::byte* data,
                                           const TensorStrides& strides = {});

} // namespace volute::compiler
