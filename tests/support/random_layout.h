// Memory layouts that a tensor may have: its axes in any order, and any of them in parts.
#pragma once

#include "ir/types.h"
#include "tests/support/dice.h"

#include <cstdint>

namespace volute::tests {

/// How often a program's tensors are cut in parts. One cut in four tensors hardly ever meets the
/// others that it must go with, those of a weight, a bias, a residual and a result: so some
/// programs have most of their tensors cut, at places of their own.
enum class Splits : uint8_t { few, many };

/// The same axes of the same sizes in another layout: often as it is, often with channels last,
/// sometimes in any order and in parts.
ir::TensorType random_layout(Dice& dice, const ir::TensorType& type, Splits splits = Splits::few);

/// The layout in which every axis is whole, in the order of first appearance.
ir::TensorType whole_axes(const ir::TensorType& type);

} // namespace volute::tests
