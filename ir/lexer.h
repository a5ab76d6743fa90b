// The program text as tokens, one at a time: a text of any length and content costs no memory, a
// few looks at each of its characters, and ends in an `end` token.
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
  /// `steps` counts every look at a character, also those of copies: what shows that a text takes
  /// time in proportion to its length.
  explicit Lexer(std::string_view text, size_t* steps = nullptr) : text_(text), steps_(steps) {}
  Token next();

private:
  /// The one way to a character, so that none is looked at uncounted; beyond the end '\0'.
  char look(size_t at) const {
    if (steps_) ++*steps_;
    return at < text_.size() ? text_[at] : '\0';
  }
  char peek(size_t ahead = 0) const { return look(at_ + ahead); }
  /// From `from` to the next of these characters, or the end of the text.
  size_t length_to(std::string_view stops, size_t from) const;
  void skip_space();
  Token take(Token::Kind kind, size_t length);
  Token invalid(std::string_view fault, size_t length, std::string_view hint = {});
  Token misplaced();
  Token number();
  Token string();
  size_t word_length(size_t from) const;

  std::string_view text_;
  size_t* steps_;
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
