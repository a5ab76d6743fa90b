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

/// The character of UTF-8 that a text begins with.
struct Character {
  size_t bytes = 1;
  bool is_plain = false; // shown as it is; otherwise a control character, or no UTF-8
};
Character first_character(std::string_view text);

/// Text made safe for a terminal and otherwise left as it is: control characters but new lines and
/// tabs, and what is no UTF-8, as \x1b.
std::string shown(std::string_view text);

} // namespace volute::ir
