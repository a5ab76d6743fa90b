// Memory layouts that a tensor may have: its axes in any order, and any of them in parts.
#pragma once

#include "ir/types.h"
#include "tests/support/dice.h"

namespace volute::tests {

/// The same axes of the same sizes in another layout: often as it is, often with channels last,
/// sometimes in any order and in parts.
ir::TensorType random_layout(Dice& dice, const ir::TensorType& type);

/// The layout in which every axis is whole, in the order of first appearance.
ir::TensorType whole_axes(const ir::TensorType& type);

} // namespace volute::tests
