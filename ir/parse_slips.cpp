#include "ir/parse_slips.h"

#include "ir/literals.h"

#include <fmt/format.h>

#include <iterator>

namespace volute::ir {

using Kind = Token::Kind;

namespace {
constexpr size_t longest_number = 20, longest_name = 30; // in a hint
constexpr size_t longest_tuple = 6;
} // namespace

std::string with_sign(char sign, const Token& token) {
  const bool is_name = token.kind == Kind::word && token.text.size() <= longest_name;
  return is_name ? fmt::format("did you mean {}{}?", sign, token.text) : "";
}

std::string operand_instead(const Cursor& cursor) {
  switch (cursor.token().kind) {
  case Kind::word:
    return cursor.peek().is('=') ? std::string(in_braces) : with_sign('%', cursor.token());
  case Kind::string: return "a file has a name: %w = const file(\"w.npy\") : f32[c=8]";
  case Kind::number: return "a number is a tensor with a name: %k = const [2, 2, 2] : f32[c=3]";
  default: return "";
  }
}

std::string without_parentheses(const Cursor& cursor, const OperatorRow& row) {
  Lexer ahead = cursor.position().lexer;
  std::string text(row.name);
  Token after = cursor.token();
  for (size_t i = 0; i < row.operands.size(); ++i) {
    const Token name = ahead.next();
    after = ahead.next();
    const bool value = name.kind == Kind::value;
    if ((!value && name.kind != Kind::word) || after.is('=') || name.text.size() > longest_name)
      break;
    text += fmt::format("{} %{}", i ? "," : "", value ? name.name() : name.text);
    if (!after.is(',')) break;
  }
  if (text == row.name) return "operands stand without parentheses";
  return fmt::format("write {}{}", text, after.is(')') ? "" : ", and attributes in braces");
}

std::string tuple_numbers(const Cursor& cursor) {
  Lexer ahead = cursor.position().lexer;
  std::string numbers;
  for (size_t i = 0; i < longest_tuple; ++i) {
    const Token number = ahead.next();
    if (number.kind != Kind::number || number.text.size() > longest_number) return "";
    numbers += fmt::format("{}{}", i ? ", " : "", number.text);
    const Token after = ahead.next();
    if (after.is(')')) return numbers;
    if (!after.is(',')) return "";
  }
  return "";
}

std::string list_instead(const Cursor& cursor) {
  if (!cursor.is('(')) return "";
  const std::string numbers = tuple_numbers(cursor);
  return numbers.empty() ? "lists stand in brackets" : fmt::format("write [{}]", numbers);
}

std::string named_shape(Token first, Lexer ahead, ElementType element) {
  constexpr std::string_view images[] = {"", "c", "", "ncw", "nchw", "ncdhw"};
  constexpr std::string_view weights[] = {"", "o", "", "oiw", "oihw", "oidhw"};
  std::vector<int64_t> sizes;
  Token after = first;
  while (sizes.size() < std::size(images)) {
    const auto size = parse_integer(first.text);
    if (!size) return "";
    sizes.push_back(*size);
    after = ahead.next();
    if (!after.is(',')) break;
    first = ahead.next();
  }
  const size_t count = sizes.size();
  if (!after.is(']') || count >= std::size(images) || images[count].empty()) return "";
  const auto spelled = [&](std::string_view axes) {
    TensorType type{element, {}};
    for (size_t i = 0; i < count; ++i) type.extents.push_back({*axis_from(axes[i]), sizes[i]});
    return to_string(type);
  };
  return fmt::format("name the axes: {}, or of a {} {}", spelled(images[count]),
                     count == 1 ? "bias" : "weight", spelled(weights[count]));
}

} // namespace volute::ir
