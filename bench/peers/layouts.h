// How tensors lie in memory, and weights in the order that a library wants them in.
#pragma once

#include "ir/types.h"

#include <cstddef>
#include <vector>

namespace volute::bench {

/// Distance in elements between neighbours along an axis of a type without split axes; 0 without
/// it.
int64_t stride_of(const ir::TensorType& type, ir::Axis axis);

/// Whether the axes lie as n, space, c, or as n, c, space. Those of one element lie anywhere.
bool is_channels_last(const ir::TensorType& type);
bool is_channels_first(const ir::TensorType& type);

/// n, c, d, h, w, as far as there are; n, d, h, w, c.
std::vector<ir::Axis> channels_first_axes(const ir::TensorType& type);
std::vector<ir::Axis> channels_last_axes(const ir::TensorType& type);

/// The sizes of these axes, 1 for what the type has not got.
std::vector<int64_t> sizes_of(const ir::TensorType& type, const std::vector<ir::Axis>& axes);

/// A copy whose axes, none of them split, lie in this order.
std::vector<std::byte> in_order(const ir::TensorType& type, const std::byte* from,
                                const std::vector<ir::Axis>& order);

} // namespace volute::bench
