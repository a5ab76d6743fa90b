#include "tests/support/random_layout.h"

#include <algorithm>

namespace volute::tests {

using ir::Axis;
using ir::Extent;
using ir::TensorType;

namespace {

/// Cuts one extent in two; the less significant part lies anywhere behind the other.
void split(Dice& dice, TensorType& type) {
  const auto at = static_cast<size_t>(dice.between(0, std::ssize(type.extents) - 1));
  Extent& extent = type.extents[at];
  std::vector<int64_t> parts;
  for (int64_t part = 2; part < extent.size; ++part)
    if (extent.size % part == 0) parts.push_back(part);
  if (parts.empty()) return;
  const Extent inner = {extent.axis, dice.one_of(parts)};
  extent.size /= inner.size;
  const auto last = std::ssize(type.extents);
  const auto to = dice.once_in(2) ? last : dice.between(static_cast<int64_t>(at) + 1, last);
  type.extents.insert(type.extents.begin() + to, inner);
}

} // namespace

TensorType whole_axes(const TensorType& type) {
  TensorType whole{type.element, {}};
  for (const Axis axis : type.axes()) whole.extents.push_back({axis, type.size(axis)});
  return whole;
}

TensorType random_layout(Dice& dice, const TensorType& type, Splits splits) {
  TensorType result = whole_axes(type);
  const auto channel = std::find_if(result.extents.begin(), result.extents.end(),
                                    [](const Extent& e) { return e.axis == Axis::c; });
  switch (dice.between(0, 3)) {
  case 0: dice.shuffle(result.extents); break;
  case 1: // channels last
    if (channel != result.extents.end()) std::rotate(channel, channel + 1, result.extents.end());
    break;
  default: break;
  }
  const bool is_split = splits == Splits::many ? !dice.once_in(4) : dice.once_in(4);
  if (is_split)
    for (int64_t parts = dice.one_of({1, 1, 2, 3}); parts > 0; --parts) split(dice, result);
  return result;
}

} // namespace volute::tests
