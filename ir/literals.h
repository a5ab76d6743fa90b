// Numbers as text: the shortest decimal that reads back as the same number, and reading one with a
// single rounding to its element type. Independent of the process's locale.
#pragma once

#include "ir/types.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace volute::ir {

/// The shortest decimal that reads back as `value` in a float type: "0.1", "1e+30", "-0", "inf".
/// `value` must be one of the type's numbers.
std::string shortest(double value, ElementType type);

/// The number that a decimal text stands for, rounded to a float type; `inf`, `-inf` and `nan` too.
/// Nothing when the text is no number or a finite text is beyond the type's largest number.
std::optional<double> parse_real(std::string_view text, ElementType type);

/// Nothing when the text is no whole number or does not fit 64 bits.
std::optional<int64_t> parse_integer(std::string_view text);

/// Text from outside made fit for a message: control characters and bytes beyond ASCII escaped,
/// cut to a readable length.
std::string quoted(std::string_view text);

} // namespace volute::ir
