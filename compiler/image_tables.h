// What an image says of memory, read off the stages: for code, and for nests that run as they are.
#pragma once

#include "compiler/image/image.h"
#include "compiler/stages.h"
#include "ir/buffer.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace volute::compiler {

/// Which entry of StepArguments::buffers a buffer of the program is: inputs, outputs, packed and
/// intermediate buffers in order; -1 for those that the caller does not pass (tables, scratch).
std::vector<int32_t> argument_slots(const std::vector<ir::Buffer>& buffers);

/// Those that the caller or the runtime provides, of the buffers of the loops or the nests.
std::vector<ImageBuffer> image_buffers(const Stages& stages, const std::vector<ir::Buffer>& buffers,
                                       const StridesByName& strides);

/// Says of each output which inputs may lie where it is written.
void allow_in_place(Image& image, const Stages& stages, const std::vector<ir::Buffer>& buffers);

/// The buffers of an image among those that a step touches: tables and scratch are its own affair.
std::vector<int32_t> passed(const std::vector<int32_t>& buffers, const std::vector<int32_t>& slots);

/// What a scattered write into the buffer of that name takes for places; `slot` is the image's
/// buffer that they are in, where they are no constants.
std::optional<ImagePlaces> places_of(const std::string& buffer, int32_t slot,
                                     const ir::Program& program);

} // namespace volute::compiler
