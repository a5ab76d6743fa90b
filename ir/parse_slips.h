// What to write instead of something that has its place in another language: conv(%x, %w),
// f32[1, 3, 8, 8], stride = (2, 2). Looks ahead of a cursor and returns a hint, or nothing; steps
// over no token. Private to the parse*.cpp files and the cursor.
#pragma once

#include "ir/cursor.h"
#include "ir/operators.h"

#include <span>
#include <string>
#include <string_view>

namespace volute::ir {

inline constexpr std::string_view in_braces = "attributes stand in braces, as in {stride = 2}";

/// A value that is known by a name like this: %weight for %w. `known` is in order.
std::string similar_value(std::string_view name, std::span<const std::string_view> known);
/// What follows '=' in other languages: %a + %b, %x.relu(), 2. The cursor is at it.
std::string operator_instead(const Cursor& cursor);
/// An operator between values, after the first of them: %y = relu %x + %w.
std::string infix_hint(const Token& token);
/// [1, 1, 2, 2] and [[1, 1], [2, 2]] where pairs stand: "[(1, 1), (2, 2)]", for `rank` axes.
/// `ahead` follows the first bracket.
std::string as_pairs(Lexer ahead, size_t rank);
/// x, where a value %x or a program @x stands.
std::string with_sign(char sign, const Token& token);
/// A word, a path or a number where an operand stands, of which `before` are read. The cursor is at
/// it.
std::string operand_instead(const Cursor& cursor, const OperatorRow& row, size_t before);
/// conv(%x, %w, stride=2). The cursor is at the parenthesis.
std::string without_parentheses(const Cursor& cursor, const OperatorRow& row);
/// The numbers of a tuple such as (2, 2), at which the cursor is: "2, 2".
std::string tuple_numbers(const Cursor& cursor);
/// A tuple where a list stands.
std::string list_instead(const Cursor& cursor);
/// [1, 3, 224, 224], where axes have names. `first` is the first number, `ahead` follows it.
std::string named_shape(Token first, Lexer ahead, ElementType element);

} // namespace volute::ir
