// Denormal numbers: not 0, and smaller than any number of their type that has all its digits. The
// arithmetic of many CPUs takes a hundred times as long for each.
#pragma once

#include "ir/types.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace volute::ir {

/// Whether elements may be numbers that are denormal where they are computed with. Those of f16 are
/// not: that is in f32, whose normal numbers they are. Integers never are.
bool may_be_denormal(ElementType element);

/// The smallest normal number of the type, where it is computed with: what is taken for 0 when
/// denormals are flushed lies below.
double least_normal(ElementType element);

/// The number, or 0 of its sign where it is below that.
double without_denormal(ElementType element, double x);

/// How many of so many elements, one behind the other, are denormal.
int64_t count_denormals(const std::byte* data, int64_t elements, ElementType element);

/// "12 of 64 elements are denormal (...)"; nothing when there are none.
std::string denormals_text(int64_t count, int64_t elements, ElementType element);

} // namespace volute::ir
