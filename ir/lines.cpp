#include "ir/lines.h"

#include "ir/literals.h"
#include "ir/verify_rules.h"

#include <fmt/format.h>

#include <algorithm>

namespace volute::ir {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || is_digit(c);
}

// Numbers of index expressions beyond this are of no use, and smaller ones can be added freely.
constexpr int64_t most_in_index = int64_t{1} << 60;

class Tokens {
public:
  explicit Tokens(std::string_view text) : text_(text) {}

  std::vector<LineToken> all() {
    std::vector<LineToken> tokens;
    while (true) {
      const size_t before = at_;
      while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r'))
        ++at_;
      const bool touches = at_ == before;
      if (at_ == text_.size() || text_.substr(at_, 2) == "//") {
        tokens.push_back({LineToken::Kind::end, {}, column(), touches});
        return tokens;
      }
      tokens.push_back(next());
      tokens.back().touches = touches;
    }
  }

private:
  char peek(size_t ahead) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  int column() const { return static_cast<int>(std::min<size_t>(at_, 1'000'000'000)) + 1; }

  LineToken take(LineToken::Kind kind, size_t length) {
    const LineToken token{kind, text_.substr(at_, length), column(), false};
    at_ += length;
    return token;
  }

  LineToken next() {
    const char c = peek(0);
    if (is_digit(c)) return take(LineToken::Kind::number, number_length());
    if (is_word_character(c) || (c == '%' && is_word_character(peek(1)))) {
      size_t length = 1;
      while (is_word_character(peek(length))) ++length;
      return take(LineToken::Kind::word, length);
    }
    for (std::string_view two : {"..", "<-", "<=", ">=", "==", "!=", "<<", ">>"})
      if (text_.substr(at_, 2) == two) return take(LineToken::Kind::mark, 2);
    if (std::string_view("()[]{},=:+-*/&|^?<>").find(c) != std::string_view::npos)
      return take(LineToken::Kind::mark, 1);
    return take(LineToken::Kind::invalid, 1);
  }

  // 0..4 is two numbers and 1e-05 is one.
  size_t number_length() const {
    size_t length = 0;
    const auto digits = [&] {
      while (is_digit(peek(length))) ++length;
    };
    digits();
    if (peek(length) == '.' && is_digit(peek(length + 1))) ++length, digits();
    if (peek(length) == 'e' || peek(length) == 'E') {
      const size_t sign = peek(length + 1) == '+' || peek(length + 1) == '-' ? 1 : 0;
      if (is_digit(peek(length + 1 + sign))) length += 1 + sign, digits();
    }
    return length;
  }

  std::string_view text_;
  size_t at_ = 0;
};

} // namespace

std::string described(const LineToken& token) {
  return token.kind == LineToken::Kind::end ? "the end of the line" : quoted(token.text);
}

std::vector<Line> lines_of(std::string_view text) {
  std::vector<Line> lines;
  std::string comment;
  int number = 0;
  while (!text.empty()) {
    const size_t length = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, length);
    text.remove_prefix(std::min(length + 1, text.size()));
    ++number;
    const size_t indent = std::min(line.find_first_not_of(" \t\r"), line.size());
    if (indent == line.size()) {
      comment.clear();
      continue;
    }
    if (line.substr(indent, 2) == "//") {
      std::string_view words = line.substr(indent + 2);
      if (words.starts_with(' ')) words.remove_prefix(1);
      while (!words.empty() && (words.back() == '\r' || words.back() == ' '))
        words.remove_suffix(1);
      if (!comment.empty()) comment += '\n';
      comment += words;
      continue;
    }
    lines.push_back(
        {number, static_cast<int>(std::min<size_t>(indent, 1'000'000)), line, std::move(comment)});
    comment.clear();
  }
  return lines;
}

void Faults::add(Location where, std::string message, std::string hint) {
  if (!enough()) diagnostics_.push_back({where, "", std::move(message), std::move(hint)});
}

LineCursor::LineCursor(const Line& line, Faults& faults)
    : line_(line), faults_(faults), tokens_(Tokens(line.text).all()) {}

const LineToken& LineCursor::token(size_t ahead) const {
  return failed_ ? tokens_.back() : tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
}

void LineCursor::advance() { at_ = std::min(at_ + 1, tokens_.size() - 1); }

bool LineCursor::is_name() const { return token().kind == LineToken::Kind::word; }

bool LineCursor::accept(std::string_view text) {
  if (!is(text)) return false;
  advance();
  return true;
}

void LineCursor::refuse_at(Location at, std::string message, std::string hint) {
  if (!failed_) faults_.add(at, std::move(message), std::move(hint));
  failed_ = true;
}

void LineCursor::unexpected(std::string_view expectation) {
  refuse(fmt::format("expected {}, but found {}", expectation, described(token())));
}

bool LineCursor::expect(std::string_view text, std::string_view expectation) {
  if (accept(text)) return true;
  unexpected(expectation);
  return false;
}

std::string LineCursor::name(std::string_view expectation) {
  if (!is_name()) {
    unexpected(expectation);
    return "?";
  }
  std::string_view text = token().text;
  // %0 is a name of its own, %load the name load where that could be taken for a word.
  if (text[0] == '%' && !is_digit(text[1])) text.remove_prefix(1);
  advance();
  return std::string(text);
}

int64_t LineCursor::integer(std::string_view expectation) {
  const bool negative = is("-") && token(1).kind == LineToken::Kind::number;
  const LineToken& digits = token(negative ? 1 : 0);
  if (digits.kind != LineToken::Kind::number) {
    unexpected(expectation);
    return 0;
  }
  const auto value = parse_integer((negative ? "-" : "") + std::string(digits.text));
  if (!value) {
    refuse(fmt::format("{} is no whole number of 64 bits", quoted(digits.text)));
    return 0;
  }
  if (negative) advance();
  advance();
  return *value;
}

std::string LineCursor::number(std::string_view expectation) {
  const bool negative = accept("-");
  const bool is_number = token().kind == LineToken::Kind::number || is("inf") || is("nan");
  if (!is_number) {
    unexpected(expectation);
    return "0";
  }
  std::string text = (negative ? "-" : "") + std::string(token().text);
  advance();
  return text;
}

bool LineCursor::end_of_line() {
  if (at_end()) return !failed_;
  unexpected("the end of the line");
  return false;
}

Affine LineCursor::affine(const Variables& variables) {
  Affine sum;
  bool negative = accept("-");
  do {
    int64_t factor = 1;
    bool is_term = true;
    if (token().kind == LineToken::Kind::number) {
      factor = integer("a number");
      is_term = accept("*");
    }
    std::optional<Affine> term;
    if (is_term) {
      const Location at = where();
      if (!is_name()) return unexpected("a variable or a number of an index"), Affine(0);
      const std::string_view word = token().text;
      const std::optional<Var> var = variables(word);
      if (!var)
        return refuse_at(at, fmt::format("there is no variable {} here", quoted(word))), Affine(0);
      advance();
      term = Affine(*var);
    } else {
      term = Affine(1);
    }
    const auto too_large = [](int64_t v) { return v <= -most_in_index || v >= most_in_index; };
    if (too_large(factor))
      return refuse(fmt::format("the number {} is too large for an index", factor)), Affine(0);
    sum += *term * (negative ? -factor : factor);
    const bool large = too_large(sum.constant_term()) ||
                       std::any_of(sum.terms().begin(), sum.terms().end(),
                                   [&](const Affine::Term& t) { return too_large(t.coefficient); });
    if (large) return refuse("the index has numbers that are too large"), Affine(0);
    negative = is("-");
  } while (accept("+") || accept("-"));
  return sum;
}

std::optional<LineCursor::Type> LineCursor::type() const {
  if (!is_name()) return std::nullopt;
  const std::string_view word = token().text;
  const size_t x = word.find('x');
  const std::optional<ElementType> element = element_type_from(word.substr(0, x));
  if (!element) return std::nullopt;
  if (x == std::string_view::npos) return Type{*element, 1};
  const auto lanes = parse_integer(word.substr(x + 1));
  if (!lanes || *lanes < 1 || *lanes > max_lanes) return std::nullopt;
  return Type{*element, static_cast<int32_t>(*lanes)};
}

LineCursor::Type LineCursor::expect_type() {
  const std::optional<Type> found = type();
  if (!found) return unexpected("a type such as f32 or f32x16"), Type{};
  advance();
  return *found;
}

} // namespace volute::ir
