// The texts of nests and loops as lines of tokens: what both parsers read. Private to *_parse.cpp.
//
// A line is a statement, how far it is indented says what it is inside of, and a line that is a
// comment alone is handed over with the one below it. Any bytes are ordinary input.
#pragma once

#include "ir/affine.h"
#include "ir/diagnostic.h"
#include "ir/types.h"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace volute::ir {

struct LineToken {
  enum class Kind : uint8_t { word, number, mark, end, invalid };
  Kind kind = Kind::end;
  std::string_view text; // of a name with %: all of it
  int column = 1;
  bool touches = false; // the token before it, without a space between

  bool is(std::string_view expected) const {
    return (kind == Kind::mark || kind == Kind::word) && text == expected;
  }
};

struct Line {
  int number = 0; // 1-based
  int indent = 0; // spaces before it
  std::string_view text;
  std::string comment; // of the lines above it that are comments, one a line
};

/// The lines that are not empty; comments that stand above nothing are dropped.
std::vector<Line> lines_of(std::string_view text);

/// Faults of a text, and where reading it ends: it stops at the first few.
class Faults {
public:
  void add(Location where, std::string message, std::string hint = "");
  bool any() const { return !diagnostics_.empty(); }
  bool enough() const { return diagnostics_.size() >= 20; }
  std::vector<Diagnostic> take() { return std::move(diagnostics_); }

private:
  std::vector<Diagnostic> diagnostics_;
};

/// A place in a line. After a fault the rest of the line is not read: every question is answered
/// as at its end, and nothing more is reported of it.
class LineCursor {
public:
  LineCursor(const Line& line, Faults& faults);

  const LineToken& token(size_t ahead = 0) const;
  bool at_end() const { return token().kind == LineToken::Kind::end; }
  bool is(std::string_view text) const { return token().is(text); }
  bool is_name() const;
  Location where() const { return {line_.number, token().column}; }
  void advance();
  bool failed() const { return failed_; }

  bool accept(std::string_view text);
  /// Refuses when something else is next: "expected '[' after the operand, but found 'x'".
  bool expect(std::string_view text, std::string_view expectation);
  std::string name(std::string_view expectation);
  int64_t integer(std::string_view expectation); // with a sign
  /// A number's text, with its sign; also inf and nan.
  std::string number(std::string_view expectation);
  bool end_of_line();

  void refuse(std::string message, std::string hint = "") {
    refuse_at(where(), std::move(message), std::move(hint));
  }
  void refuse_at(Location at, std::string message, std::string hint = "");
  void unexpected(std::string_view expectation);

  /// What names stand for in index expressions; nothing for an unknown one.
  using Variables = std::function<std::optional<Var>(std::string_view)>;
  /// `2*h + kh - 1`
  Affine affine(const Variables& variables);
  /// `f32` or `f32x16`
  struct Type {
    ElementType element = ElementType::f32;
    int32_t lanes = 1;
  };
  std::optional<Type> type() const; // if one is next
  Type expect_type();

private:
  const Line& line_;
  Faults& faults_;
  std::vector<LineToken> tokens_;
  size_t at_ = 0;
  bool failed_ = false;
};

/// A token for a message.
std::string described(const LineToken& token);

} // namespace volute::ir
