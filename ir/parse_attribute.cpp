#include "ir/parse_attribute.h"

#include "ir/literals.h"
#include "ir/parse_slips.h"
#include "ir/parse_words.h"

#include <fmt/format.h>

#include <algorithm>

namespace volute::ir {
namespace {

using Kind = Token::Kind;

std::string choice_text(std::span<const std::string_view> words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

/// One overload a kind of field; each returns whether it read a value.
class Reader {
public:
  Reader(Cursor& cursor, std::string_view subject, const AttributeRow& row, size_t rank)
      : cursor_(cursor), subject_(subject), row_(row), rank_(rank) {}

  bool operator()(int64_t* value) { return integer(*value); }
  bool operator()(std::optional<int64_t>* value) { return integer(value->emplace()); }
  bool operator()(double* value) { return real(*value); }
  bool operator()(std::optional<double>* value) { return real(value->emplace()); }

  bool operator()(bool* value) {
    constexpr std::string_view words[] = {"false", "true"};
    const auto index = word(words);
    if (index) *value = *index == 1;
    return index.has_value();
  }

  bool operator()(const Choice& choice) {
    const auto index = word(choice.words);
    if (index) *choice.value = static_cast<uint8_t>(choice.first + *index);
    return index.has_value();
  }

  bool operator()(const EachAxis& field) {
    if (cursor_.is('[')) return list(*field.values, &Reader::integer);
    int64_t value = 0;
    if (!integer(value)) return false;
    field.values->assign(rank_, value);
    return true;
  }

  bool operator()(const ChannelIntegers& field) {
    if (cursor_.is('[')) return list(*field.values, &Reader::integer);
    field.values->assign(1, 0);
    return integer(field.values->front());
  }

  bool operator()(const ChannelReals& field) {
    if (cursor_.is('[')) return list(*field.values, &Reader::real);
    field.values->assign(1, 0);
    return real(field.values->front());
  }

  bool operator()(Padding* pad) {
    pad->rule = Padding::Rule::numbers;
    if (cursor_.token().kind == Kind::word) {
      const auto rule = word(padding_rules());
      if (rule) pad->rule = static_cast<Padding::Rule>(*rule + 1);
      return rule.has_value();
    }
    if (cursor_.is('[')) return sides(pad->sides);
    if (cursor_.is('(')) {
      const std::string numbers = tuple_numbers(cursor_);
      return refused("takes a number, a list of one entry an axis, or a rule",
                     fmt::format("write [{0}] for one number an axis, [({0}), ...] for the two "
                                 "sides of each",
                                 numbers.empty() ? "1, 2" : numbers));
    }
    if (cursor_.token().kind == Kind::string)
      return refused("takes a number, a list of one entry an axis, or a rule",
                     choice_hint(cursor_.token().text, padding_rules()));
    int64_t value = 0;
    if (!integer(value)) return false;
    pad->sides.assign(rank_, {value, value});
    return true;
  }

private:
  bool refused(std::string_view rule, std::string hint = "") {
    const Token& token = cursor_.token();
    if (hint.empty() && (token.is_word("None") || token.is_word("none") || token.is_word("null") ||
                         token.is_word("NOTSET")))
      hint = fmt::format("leave {} out", row_.name);
    if (token.kind == Kind::invalid)
      cursor_.unexpected("");
    else
      cursor_.refuse(token.where, std::string(subject_),
                     fmt::format("{} {}, not {}", row_.name, rule, described(token)),
                     std::move(hint));
    return false;
  }

  bool integer(int64_t& value) {
    const Token& token = cursor_.token();
    constexpr std::string_view rule = "takes a whole number";
    if (token.kind != Kind::number || token.text.find_first_of(".eEi") != std::string_view::npos)
      return refused(rule, list_instead(cursor_));
    const auto number = parse_integer(token.text);
    if (!number) {
      const bool negative = token.text.starts_with('-');
      const int64_t limit = negative ? -largest_attribute : largest_attribute;
      return cursor_.refuse(token.where, std::string(subject_),
                            fmt::format("{} = {} is {} {}, the {} attribute", row_.name,
                                        quoted(token.text), negative ? "below" : "above", limit,
                                        negative ? "smallest" : "largest")),
             false;
    }
    value = *number;
    cursor_.advance();
    return true;
  }

  bool real(double& value) {
    const Token& token = cursor_.token();
    const bool special = token.is_word("inf") || token.is_word("nan");
    if (token.kind != Kind::number && !special)
      return refused("takes a number", list_instead(cursor_));
    const auto number = parse_real(token.text, ElementType::f64);
    if (!number) return refused("takes a number within f64's range");
    value = *number;
    cursor_.advance();
    return true;
  }

  std::optional<size_t> word(std::span<const std::string_view> words) {
    const Token& token = cursor_.token();
    const auto found =
        token.kind == Kind::word ? std::find(words.begin(), words.end(), token.text) : words.end();
    if (found == words.end()) {
      refused(fmt::format("is {}", choice_text(words)), choice_hint(token.text, words));
      return std::nullopt;
    }
    cursor_.advance();
    return static_cast<size_t>(found - words.begin());
  }

  template <class T>
  bool list(std::vector<T>& values, bool (Reader::*entry)(T&)) {
    cursor_.advance();
    if (cursor_.is(']')) return refused("takes a list with one entry or more");
    values.clear();
    do {
      T value{};
      if (!(this->*entry)(value)) return false;
      values.push_back(value);
    } while (cursor_.accept(','));
    return cursor_.expect(']', "',' or ']' in the list");
  }

  // [1, 2] or [(0, 1), (2, 2)], numbers only or pairs only
  bool sides(std::vector<std::pair<int64_t, int64_t>>& sides) {
    const auto paired = [&, ahead = cursor_.position().lexer] {
      const std::string all = as_pairs(ahead, rank_);
      return all.empty() ? all : fmt::format("write {}", all);
    };
    cursor_.advance();
    const bool pairs = cursor_.is('(');
    if (cursor_.is('[')) return refused("takes numbers or pairs in its list", paired());
    if (cursor_.is(']')) return refused("takes a list with one entry or more");
    sides.clear();
    do {
      if (cursor_.is('(') != pairs)
        return refused(pairs ? "takes pairs after a pair" : "takes numbers after a number",
                       paired());
      int64_t begin = 0, end = 0;
      if (pairs) cursor_.advance();
      if (!integer(begin)) return false;
      end = begin;
      if (pairs && !(cursor_.expect(',', "',' between the pair's begin and end") && integer(end) &&
                     cursor_.expect(')', "')' after the pair")))
        return false;
      sides.emplace_back(begin, end);
    } while (cursor_.accept(','));
    return cursor_.expect(']', "',' or ']' in the list");
  }

  Cursor& cursor_;
  std::string_view subject_;
  const AttributeRow& row_;
  size_t rank_;
};

} // namespace

bool read_attribute(Cursor& cursor, std::string_view operator_name, const AttributeRow& row,
                    const Field& field, size_t rank) {
  return std::visit(Reader(cursor, operator_name, row, rank), field);
}

void skip_attribute(Cursor& cursor) {
  int64_t lists = 0, braces = 0; // open
  for (; !cursor.at_boundary(); cursor.advance()) {
    if (cursor.is(',') && lists <= 0 && braces == 0) return;
    if (cursor.is('[') || cursor.is('(')) ++lists;
    if (cursor.is(']') || cursor.is(')')) --lists;
    if (cursor.is('{')) ++braces;
    if (cursor.is('}') && braces-- == 0) return;
  }
}

} // namespace volute::ir
