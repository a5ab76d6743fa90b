#include "ir/cursor.h"

#include "ir/infer.h"
#include "ir/literals.h"
#include "ir/parse_slips.h"
#include "ir/parse_words.h"

#include <fmt/format.h>

namespace volute::ir {
namespace {

constexpr size_t most_kept = 20;      // nobody reads further
constexpr size_t most_counted = 1000; // a text with so many is none

constexpr std::string_view known_size = "every size is a number: code is made for just these sizes";
constexpr std::string_view element_words = "f32, f64, f16, bf16, i8, u8, i32 or i64";

} // namespace

std::string described(const Token& token) {
  return token.kind == Token::Kind::end ? "the end of the text" : quoted(token.text);
}

bool Cursor::accept(char mark) {
  if (!is(mark)) return false;
  advance();
  return true;
}

bool Cursor::expect(char mark, std::string_view expectation) {
  if (accept(mark)) return true;
  unexpected(expectation);
  return false;
}

void Cursor::unexpected(std::string_view expectation, std::string hint) {
  if (token_.kind == Token::Kind::invalid)
    refuse(token_.where, "", fmt::format("{} {}", quoted(token_.text), token_.fault),
           token_.hint.empty() ? std::move(hint) : std::string(token_.hint));
  else
    refuse(token_.where, "",
           fmt::format("expected {}, but found {}", expectation, described(token_)),
           std::move(hint));
}

void Cursor::refuse(Location where, std::string subject, std::string message, std::string hint) {
  if (has_given_up_) return;
  if (faults_.size() < most_kept) {
    faults_.push_back({where, std::move(subject), std::move(message), std::move(hint)});
    return;
  }
  if (++more_faults_ == 1) first_of_more_ = where;
  if (faults_.size() + more_faults_ < most_counted) return;
  has_given_up_ = true;
  lexer_ = Lexer("");
  token_ = {Token::Kind::end, {}, where, true};
}

std::vector<Diagnostic> Cursor::take_faults() {
  if (more_faults_ > 0)
    faults_.push_back(
        {first_of_more_, "",
         has_given_up_
             ? fmt::format("and at least {} more from here on: the text was not read to its end",
                           more_faults_)
             : fmt::format("and {} more from here on", more_faults_),
         ""});
  return std::move(faults_);
}

void Cursor::refuse(std::vector<Diagnostic> diagnostics) {
  for (Diagnostic& d : diagnostics)
    refuse(d.where, std::move(d.subject), std::move(d.message), std::move(d.hint));
}

bool Cursor::starts_statement() const {
  constexpr int most_names = 4; // more results than any operator has; bounds the look ahead
  Lexer ahead = lexer_;
  Token token = token_;
  for (int i = 0; i < most_names && token.kind == Token::Kind::value; ++i) {
    const Token after = ahead.next();
    if (after.is('=')) return true;
    if (!after.is(',')) return false;
    token = ahead.next();
  }
  return false;
}

bool Cursor::at_boundary() const {
  return at_end() || token_.is_word("return") || token_.is_word("program") || starts_statement();
}

std::optional<int64_t> Cursor::extent(Axis axis) {
  if (token_.kind != Token::Kind::number) {
    const bool left_open = token_.kind == Token::Kind::word || token_.text == "?";
    unexpected(fmt::format("a size for the axis {}", to_char(axis)),
               left_open ? std::string(known_size) : "");
    return std::nullopt;
  }
  const std::optional<int64_t> size = parse_integer(token_.text);
  const int64_t least = axis == Axis::n ? 0 : 1;
  if (size && *size >= least) {
    advance();
    return size;
  }
  const bool whole =
      token_.text.find_first_of(".eE") == std::string_view::npos && token_.text != "-inf";
  const bool negative = token_.text.starts_with('-');
  if (!whole)
    refuse(token_.where, "",
           fmt::format("the size of {} must be a whole number, not {}", to_char(axis),
                       quoted(token_.text)));
  else if (size || negative)
    refuse(token_.where, "",
           fmt::format("the size of {} must be at least {}, not {}", to_char(axis), least,
                       quoted(token_.text)),
           negative          ? std::string(known_size)
           : axis == Axis::n ? ""
                             : "only the batch n may be 0");
  else
    refuse(token_.where, "",
           fmt::format("the size {} of {} takes more than 2^62 bytes", quoted(token_.text),
                       to_char(axis)));
  return std::nullopt;
}

std::optional<Axis> Cursor::axis(ElementType element) {
  const bool is_letter = token_.kind == Token::Kind::word && token_.text.size() == 1;
  const auto found = is_letter ? axis_from(token_.text.front()) : std::nullopt;
  if (found) {
    advance();
    return found;
  }
  constexpr std::string_view expectation = "an axis, one of n, c, d, h, w, o, i";
  if (token_.kind == Token::Kind::number)
    unexpected(expectation, named_shape(token_, lexer_, element));
  else if (token_.kind == Token::Kind::word)
    unexpected(expectation, axis_hint(token_.text));
  else
    unexpected(expectation, token_.kind == Token::Kind::invalid
                                ? "name the axes, as in [n=1, c=3, h=8, w=8]"
                                : "");
  return std::nullopt;
}

std::optional<TensorType> Cursor::type() {
  const Location where = token_.where;
  const auto element =
      token_.kind == Token::Kind::word ? element_type_from(token_.text) : std::nullopt;
  if (!element) {
    const std::string named = element_hint(token_.text);
    if (token_.kind == Token::Kind::word)
      refuse(where, "", fmt::format("{} is no element type", quoted(token_.text)),
             named.empty() ? fmt::format("one of {}", element_words) : named);
    else
      unexpected("a type such as f32[n=1, c=3, h=8, w=8]");
    return std::nullopt;
  }
  advance();
  TensorType type{*element, {}};
  if (!expect('[', "'[' after the element type")) return std::nullopt;
  do {
    const auto letter = axis(*element);
    if (!letter) return std::nullopt;
    if (!expect('=', fmt::format("'=' after the axis {}", to_char(*letter)))) return std::nullopt;
    const auto size = extent(*letter);
    if (!size) return std::nullopt;
    if (type.extents.size() <= 32) type.extents.push_back({*letter, *size});
  } while (accept(','));
  if (!expect(']', "',' or ']' after the extent")) return std::nullopt;
  if (const auto fault = fault_of(type)) {
    refuse(where, "", fault->message, fault->hint);
    return std::nullopt;
  }
  return type;
}

} // namespace volute::ir
