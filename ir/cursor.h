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
  explicit Cursor(std::string_view text) : lexer_(text) { advance(); }

  const Token& token() const { return token_; }
  void advance() { token_ = lexer_.next(); }
  /// A place to come back to.
  struct Position {
    Lexer lexer;
    Token token;
  };
  Position position() const { return {lexer_, token_}; }
  void go_to(const Position& position) {
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
  void refuse(Location where, std::string subject, std::string message, std::string hint = "");
  void refuse(std::vector<Diagnostic> diagnostics);
  bool faultless() const { return faults_.empty(); }
  std::vector<Diagnostic> take_faults() { return std::move(faults_); }

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
};

/// A token for a message: 'foo', or "the end of the text".
std::string described(const Token& token);

} // namespace volute::ir
