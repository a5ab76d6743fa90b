#include "ir/parse_slips.h"

#include "ir/literals.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

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

std::string similar_value(std::string_view name, std::span<const std::string_view> known) {
  constexpr size_t few = 4;
  const auto mean = [](std::string_view value) { return fmt::format("did you mean %{}?", value); };
  if (const auto similar = nearest_word(name, known)) return mean(*similar);
  // %weight and %w, %input and %x.
  for (const std::string_view value : known)
    if (value.front() == name.front() && (value.size() == 1 || name.size() == 1))
      return mean(value);
  const bool is_input = name == "input" || name == "image" || name == "data" || name == "in";
  if (is_input && std::find(known.begin(), known.end(), "x") != known.end()) return mean("x");
  if (known.empty() || known.size() > few) return "";
  std::string all;
  for (const std::string_view value : known) {
    if (value.size() > longest_name) return "";
    all += fmt::format("{}%{}", all.empty() ? "" : ", ", value);
  }
  return fmt::format("what is defined here is {}", all);
}

namespace {

struct Infix {
  std::string_view sign, word;
};
constexpr Infix infixes[] = {{"+", "add"}, {"-", "sub"}, {"*", "mul"}, {"/", "mul"}};

const Infix* infix_of(const Token& token) {
  for (const Infix& infix : infixes)
    if (token.kind == Kind::invalid && token.text == infix.sign) return &infix;
  return nullptr;
}

bool is_short_value(const Token& token) {
  return token.kind == Kind::value && token.text.size() <= longest_name;
}

} // namespace

std::string infix_hint(const Token& token) {
  const Infix* infix = infix_of(token);
  if (!infix) return "";
  if (infix->sign == "/") return "a quotient is mul by the reciprocal, in a statement of its own";
  return fmt::format("write {} in a statement of its own", infix->word);
}

std::string operator_instead(const Cursor& cursor) {
  const Token first = cursor.token();
  Lexer ahead = cursor.position().lexer;
  const Token sign = ahead.next();
  if (first.kind == Kind::number) return "a number is a tensor with a name: const [2] : f32[c=1]";
  if (first.kind == Kind::string) return "a file is read by const file(\"w.npy\") : f32[c=8]";
  if (first.is('[')) return "a list is const [1, 2] : f32[c=2]";
  if (!is_short_value(first)) return "";
  if (const Infix* infix = infix_of(sign)) {
    const Token second = ahead.next();
    if (!is_short_value(second)) return infix_hint(sign);
    if (infix->sign == "/") return "a quotient is mul by the reciprocal";
    return fmt::format("write {} {}, {}", infix->word, first.text, second.text);
  }
  if (sign.kind == Kind::invalid && sign.text == ".") {
    const Token method = ahead.next();
    if (method.kind == Kind::word && find_operator(method.text))
      return fmt::format("write {} {}", method.text, first.text);
    return "an operator stands first, as in relu %x";
  }
  return fmt::format("use {} itself, it needs no second name", first.text);
}

std::string operand_instead(const Cursor& cursor, const OperatorRow& row, size_t before) {
  const Token& token = cursor.token();
  const bool is_value = token.kind == Kind::number || cursor.is('[') || cursor.is('(');
  if (is_value && before >= row.required && !row.attributes.empty())
    return fmt::format("attributes stand in braces, as in {{{} = 2}}", row.attributes[0].name);
  switch (token.kind) {
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

std::string as_pairs(Lexer ahead, size_t rank) {
  constexpr size_t most_entries = 10;
  std::vector<std::pair<std::string, std::string>> pairs;
  const auto is_number = [](const Token& token) {
    return token.kind == Kind::number && token.text.size() <= longest_number;
  };
  for (bool more = true; more;) {
    Token token = ahead.next();
    const bool in_brackets = token.is('[') || token.is('(');
    if (in_brackets) token = ahead.next();
    if (!is_number(token) || pairs.size() == most_entries) return "";
    pairs.emplace_back(token.text, token.text);
    if (in_brackets) {
      if (!ahead.next().is(',')) return "";
      token = ahead.next();
      if (!is_number(token)) return "";
      pairs.back().second = token.text;
      token = ahead.next();
      if (!token.is(']') && !token.is(')')) return "";
    }
    token = ahead.next();
    more = token.is(',');
    if (!more && !token.is(']')) return "";
  }
  // Batch and channels, which TensorFlow pads by 0: in front, or the channels last.
  const auto is_zero = [&](size_t i) { return pairs[i].first == "0" && pairs[i].second == "0"; };
  if (pairs.size() == rank + 2 && is_zero(0)) {
    const size_t channels = is_zero(1) ? 1 : rank + 1;
    if (!is_zero(channels)) return "";
    pairs.erase(pairs.begin() + static_cast<long>(channels));
    pairs.erase(pairs.begin());
  }
  if (rank > 0 && pairs.size() != rank) return "";
  std::string text;
  for (const auto& [begin, end] : pairs)
    text += fmt::format("{}({}, {})", text.empty() ? "" : ", ", begin, end);
  return fmt::format("[{}]", text);
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
