#include "ir/lexer.h"

#include <algorithm>
#include <limits>

namespace volute::ir {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }
bool is_printable(char c) { return c > 0x20 && c < 0x7f; }

// Texts of more lines or columns than an int counts do keep their last number.
int clamped(size_t count) {
  return static_cast<int>(std::min<size_t>(count, std::numeric_limits<int>::max()));
}

} // namespace

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_name_character);
}

size_t Lexer::length_to(std::string_view stops, size_t from) const {
  size_t end = from;
  while (end < text_.size() && stops.find(look(end)) == std::string_view::npos) ++end;
  return end - from;
}

void Lexer::skip_space() {
  for (; at_ < text_.size(); ++at_) {
    char c = peek();
    if (c == '/' && peek(1) == '/') {
      at_ += length_to("\n", at_);
      if (at_ == text_.size()) return;
      c = '\n';
    }
    if (!is_space(c)) return;
    if (c == '\n') {
      line_ = clamped(static_cast<size_t>(line_) + 1);
      line_start_ = at_ + 1;
      starts_line_ = true;
    }
  }
}

Token Lexer::take(Token::Kind kind, size_t length) {
  Token token{
      kind, text_.substr(at_, length), {line_, clamped(at_ - line_start_ + 1)}, starts_line_};
  at_ += length;
  starts_line_ = false;
  return token;
}

Token Lexer::invalid(std::string_view fault, size_t length, std::string_view hint) {
  Token token = take(Token::Kind::invalid, length);
  token.fault = fault;
  token.hint = hint;
  return token;
}

size_t Lexer::word_length(size_t from) const {
  size_t end = from;
  while (is_name_character(look(end))) ++end;
  return end - from;
}

Token Lexer::next() {
  skip_space();
  if (at_ == text_.size()) return take(Token::Kind::end, 0);
  const char c = peek();
  if (c == '%' || c == '@') {
    const size_t length = word_length(at_ + 1);
    if (length == 0) return invalid("must be followed by a name of letters, digits and '_'", 1);
    return take(c == '%' ? Token::Kind::value : Token::Kind::symbol, 1 + length);
  }
  if (c == '-' && peek(1) == '>')
    return invalid("has no place in a program", 2, "a result's type stands after ':'");
  if (is_digit(c) || c == '-' || (c == '.' && is_digit(peek(1)))) return number();
  if (is_name_character(c)) return take(Token::Kind::word, word_length(at_));
  if (c == '"') return string();
  if (std::string_view("()[]{},=:").find(c) != std::string_view::npos)
    return take(Token::Kind::mark, 1);
  return misplaced();
}

/// A character that begins no token. What it begins in other languages is one fault, not one a
/// word; so is a run of one character, or of bytes that no text has.
Token Lexer::misplaced() {
  constexpr std::string_view fault = "has no place in a program";
  const char c = peek();
  if (c == '#' || (c == '/' && peek(1) == '*'))
    return invalid(fault, length_to("\r\n", at_), "a comment begins with //");
  if (c == ';') return invalid(fault, 1, "a statement ends with its line");
  if (c == '\'') {
    const size_t inside = length_to("'\r\n", at_ + 1);
    return invalid(fault, 1 + inside + (peek(1 + inside) == '\''),
                   "words stand without quotes, paths in double ones");
  }
  const bool printable = is_printable(c);
  const auto goes_on = [&](char next) {
    return printable ? next == c : !is_printable(next) && !is_space(next);
  };
  size_t length = 1;
  while (at_ + length < text_.size() && goes_on(peek(length))) ++length;
  return invalid(fault, length);
}

Token Lexer::number() {
  size_t end = at_ + (peek() == '-');
  const auto digits = [&] {
    const size_t first = end;
    while (is_digit(look(end))) ++end;
    return end - first;
  };
  if (end > at_ && text_.substr(end, 3) == "inf" && !is_name_character(look(end + 3)))
    return take(Token::Kind::number, 4);
  size_t count = digits();
  if (look(end) == '.') ++end, count += digits();
  bool whole = count > 0;
  if (whole && (look(end) == 'e' || look(end) == 'E')) {
    ++end;
    if (look(end) == '+' || look(end) == '-') ++end;
    whole = digits() > 0;
  }
  for (char c = look(end); is_name_character(c) || c == '.'; c = look(end)) ++end, whole = false;
  if (!whole) return invalid("is not a number", end - at_);
  return take(Token::Kind::number, end - at_);
}

Token Lexer::string() {
  for (size_t length = 1; at_ + length < text_.size(); ++length) {
    const char c = peek(length);
    if (c == '"') return take(Token::Kind::string, length + 1);
    if (c == '\n') return invalid("lacks its closing '\"'", length);
    if (is_control(c)) return invalid("holds a control character", length);
    if (c == '\\') {
      const char escaped = peek(length + 1);
      if (escaped != '"' && escaped != '\\')
        return invalid("holds a '\\' that is followed by neither '\"' nor '\\'", length);
      ++length;
    }
  }
  return invalid("lacks its closing '\"'", text_.size() - at_);
}

std::string unquoted(std::string_view token) {
  std::string text;
  for (size_t i = 1; i + 1 < token.size(); ++i) {
    if (token[i] == '\\') ++i;
    text += token[i];
  }
  return text;
}

std::string as_string_token(std::string_view text) {
  std::string token = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') token += '\\';
    token += c;
  }
  return token + '"';
}

} // namespace volute::ir
