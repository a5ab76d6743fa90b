// Sizes and strides that are known only when a kernel is called: read off the tensors of the call,
// and held against the ranges that the kernel was compiled for.
#pragma once

#include "compiler/image/image.h"
#include "runtime/status.h"
#include "runtime/tensor_ref.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace volute::runtime {

/// As many as an image may have: their values lie on the stack of a call.
constexpr size_t most_parameters = 16;
using ParameterValues = std::array<int64_t, most_parameters>;

/// Why no call could give the image's parameters their values; nothing where one can.
std::optional<std::string> fault_in_parameters(const compiler::Image& image);

/// The values that the arguments, which are those of the buffers `open`, give to the parameters. A
/// failure names what is out of range, or what two tensors disagree about.
Status read_parameters(const compiler::Image& image, std::span<const size_t> open,
                       std::span<const TensorRef> arguments, ParameterValues& values) noexcept;

} // namespace volute::runtime
