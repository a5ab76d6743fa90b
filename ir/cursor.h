// A place in a program text with the faults found so far: what every part of the parser works on.
// Private to the parse*.cpp files.
#pragma once

#include "ir/lexer.h"
#include "ir/types.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace volute::ir {

class Cursor {
public:
  /// `steps` counts the looks at characters of the text, as the lexer does.
  explicit Cursor(std::string_view text, size_t* steps = nullptr) : lexer_(text, steps) {
    advance();
  }

  const Token& token() const { return token_; }
  void advance() { token_ = lexer_.next(); }
  /// A place to come back to.
  struct Position {
    Lexer lexer;
    Token token;
  };
  Position position() const { return {lexer_, token_}; }
  /// Unless nothing more is to be read.
  void go_to(const Position& position) {
    if (has_given_up_) return;
    lexer_ = position.lexer;
    token_ = position.token;
  }
  Token peek() const { return Lexer(lexer_).next(); }
  bool at_end() const { return token_.kind == Token::Kind::end; }
  bool is(char mark) const { return token_.is(mark); }
  /// Steps over the mark if it is next.
  bool accept(char mark);

  /// Steps over the mark, or refuses: "expected ',' or ')' after the type, but found 'x'".
  bool expect(char mark, std::string_view expectation);
  /// Refuses the next token.
  void unexpected(std::string_view expectation, std::string hint = "");
  /// Keeps the first faults and counts those that follow; of more than can be meant, the rest of
  /// the text is left unread.
  void refuse(Location where, std::string subject, std::string message, std::string hint = "");
  void refuse(std::vector<Diagnostic> diagnostics);
  bool faultless() const { return faults_.empty(); }
  /// The first faults, and a last entry that says how many more there are.
  std::vector<Diagnostic> take_faults();

  /// Whether a statement begins here: `%a =` or `%a, %b =`.
  bool starts_statement() const;
  /// Whether something begins here that no earlier fault can be a part of: a statement, `return`, a
  /// program, the end.
  bool at_boundary() const;

  /// A tensor type, sound by itself.
  std::optional<TensorType> type();

private:
  std::optional<Axis> axis(ElementType element);
  std::optional<int64_t> extent(Axis axis);

  Lexer lexer_;
  Token token_;
  std::vector<Diagnostic> faults_;
  size_t more_faults_ = 0; // than those kept
  Location first_of_more_;
  bool has_given_up_ = false;
};

/// A token for a message: 'foo', or "the end of the text".
std::string described(const Token& token);

} // namespace volute::ir
