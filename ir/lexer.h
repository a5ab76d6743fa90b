// The program text as tokens, one at a time: a text of any length and content costs no memory and
// ends in an `end` token.
#pragma once

#include "ir/diagnostic.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace volute::ir {

struct Token {
  enum class Kind : uint8_t {
    word,    // conv, f32, true
    value,   // %x
    symbol,  // @stem
    number,  // -1.5e3, also -inf
    string,  // "w.npy", quotes included
    mark,    // one of ( ) [ ] { } , = :
    invalid, // `fault` says why, `hint` what to write instead where that is known
    end,
  };
  Kind kind = Kind::end;
  std::string_view text;
  Location where;
  bool starts_line = false; // nothing but space before it on its line
  std::string_view fault = {}, hint = {};

  bool is(char mark) const { return kind == Kind::mark && text.front() == mark; }
  bool is_word(std::string_view word) const { return kind == Kind::word && text == word; }
  /// A value's or program's name without its % or @.
  std::string_view name() const { return text.substr(1); }
};

/// A cursor over a text. Copying it is cheap, and is how the parser looks further ahead than one
/// token.
class Lexer {
public:
  explicit Lexer(std::string_view text) : text_(text) {}
  Token next();

private:
  char peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  void skip_space();
  Token take(Token::Kind kind, size_t length);
  Token invalid(std::string_view fault, size_t length, std::string_view hint = {});
  Token misplaced();
  Token number();
  Token string();
  size_t word_length(size_t from) const;

  std::string_view text_;
  size_t at_ = 0, line_start_ = 0;
  int line_ = 1;
  bool starts_line_ = true;
};

/// Whether a name is made of letters, digits and '_', and is not empty.
bool is_name(std::string_view text);

/// The text that a string token stands for: without its quotes, \" and \\ undone.
std::string unquoted(std::string_view token);
/// The other way round.
std::string as_string_token(std::string_view text);

} // namespace volute::ir
