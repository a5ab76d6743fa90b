#include "bench/peers/layouts.h"

#include <cstring>

namespace volute::bench {
namespace {

using ir::Axis;

/// Whether the axes of more than one element lie in this order, none of them split.
bool lies_as(const ir::TensorType& type, const std::vector<Axis>& order) {
  std::vector<Axis> wanted, have;
  for (const Axis axis : order) {
    if (type.parts(axis) > 1) return false;
    if (type.size(axis) != 1) wanted.push_back(axis);
  }
  for (const ir::Extent& extent : type.extents)
    if (extent.size != 1) have.push_back(extent.axis);
  return have == wanted;
}

} // namespace

int64_t stride_of(const ir::TensorType& type, Axis axis) {
  if (!type.has(axis)) return 0;
  int64_t stride = 1;
  for (size_t i = type.extents.size(); i-- > 0 && type.extents[i].axis != axis;)
    stride *= type.extents[i].size;
  return stride;
}

std::vector<Axis> channels_first_axes(const ir::TensorType& type) {
  std::vector<Axis> axes = {Axis::n, Axis::c};
  for (const Axis axis : type.spatial_axes()) axes.push_back(axis);
  return axes;
}

std::vector<Axis> channels_last_axes(const ir::TensorType& type) {
  std::vector<Axis> axes = {Axis::n};
  for (const Axis axis : type.spatial_axes()) axes.push_back(axis);
  axes.push_back(Axis::c);
  return axes;
}

bool is_channels_first(const ir::TensorType& type) {
  return lies_as(type, channels_first_axes(type));
}

bool is_channels_last(const ir::TensorType& type) {
  return lies_as(type, channels_last_axes(type));
}

std::vector<int64_t> sizes_of(const ir::TensorType& type, const std::vector<Axis>& axes) {
  std::vector<int64_t> sizes;
  for (const Axis axis : axes) sizes.push_back(type.size(axis));
  return sizes;
}

std::vector<std::byte> in_order(const ir::TensorType& type, const std::byte* from,
                                const std::vector<Axis>& order) {
  const auto size = static_cast<size_t>(ir::size_of(type.element));
  const std::vector<int64_t> sizes = sizes_of(type, order);
  std::vector<int64_t> strides, at(order.size(), 0);
  for (const Axis axis : order) strides.push_back(stride_of(type, axis));
  std::vector<std::byte> to(static_cast<size_t>(type.bytes()));
  int64_t offset = 0; // in `from`, of the indices `at`
  for (size_t written = 0; written < to.size(); written += size) {
    std::memcpy(to.data() + written, from + static_cast<size_t>(offset) * size, size);
    // The next index, as an odometer counts.
    for (size_t i = order.size(); i-- > 0;) {
      offset += strides[i];
      if (++at[i] < sizes[i]) break;
      offset -= at[i] * strides[i];
      at[i] = 0;
    }
  }
  return to;
}

} // namespace volute::bench
