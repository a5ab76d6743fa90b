#include "ir/parse_const.h"

#include "ir/literals.h"
#include "ir/number.h"

#include <fmt/format.h>

#include <cmath>

namespace volute::ir {
namespace {

using Bytes = std::vector<std::byte>;

constexpr size_t longest_path = 100; // in a hint

bool is_entry(const Token& token) {
  return token.kind == Token::Kind::number || token.is_word("inf") || token.is_word("nan");
}

// A list comes before the type that says what its entries are. It is therefore read twice: first
// over its tokens only, so that nothing is stored of a list that is refused.
std::optional<int64_t> skip_list(Cursor& cursor) {
  int64_t count = 0;
  cursor.advance();
  if (cursor.accept(']')) return count;
  do {
    if (!is_entry(cursor.token())) {
      cursor.unexpected("a number in the list", cursor.is('[') || cursor.is('(')
                                                    ? "the list is flat, in memory order"
                                                    : "");
      return std::nullopt;
    }
    cursor.advance();
    ++count;
  } while (cursor.accept(','));
  if (!cursor.expect(']', "',' or ']' in the list")) return std::nullopt;
  return count;
}

bool store_real(Cursor& cursor, ElementType element, std::byte* at) {
  const Token& token = cursor.token();
  const auto value = parse_real(token.text, element);
  if (value)
    write_real(at, element, *value);
  else
    cursor.refuse(
        token.where, "const",
        fmt::format("{} is beyond the range of {}", quoted(token.text), to_string(element)));
  return value.has_value();
}

bool store_integer(Cursor& cursor, ElementType element, std::byte* at) {
  const Token& token = cursor.token();
  if (token.text.find_first_of(".eEin") != std::string_view::npos) {
    cursor.refuse(token.where, "const",
                  fmt::format("{} elements are whole numbers, not {}", to_string(element),
                              quoted(token.text)));
    return false;
  }
  const auto value = parse_integer(token.text);
  if (value && *value >= lowest(element) && *value <= highest(element)) {
    write_integer(at, element, *value);
    return true;
  }
  cursor.refuse(token.where, "const",
                fmt::format("{} is outside {}, {} to {}", quoted(token.text), to_string(element),
                            lowest(element), highest(element)));
  return false;
}

std::optional<Bytes> read_entries(Cursor& cursor, const TensorType& type) {
  Bytes bytes(static_cast<size_t>(type.bytes()));
  const auto step = static_cast<size_t>(size_of(type.element));
  for (size_t at = 0; at < bytes.size(); at += step) {
    cursor.advance(); // over '[' or ','
    if (!(is_float(type.element) ? store_real : store_integer)(cursor, type.element, &bytes[at]))
      return std::nullopt;
    cursor.advance();
  }
  return bytes;
}

struct TypeAt {
  TensorType type;
  Location where;
};
std::optional<TypeAt> read_type(Cursor& cursor) {
  if (!cursor.expect(':', "':' and the constant's type")) return std::nullopt;
  const Location where = cursor.token().where;
  const auto type = cursor.type();
  if (!type) return std::nullopt;
  return TypeAt{*type, where};
}

std::optional<KnownData> read_list(Cursor& cursor) {
  const Cursor::Position begin = cursor.position();
  const auto count = skip_list(cursor);
  if (!count) return std::nullopt;
  const auto typed = read_type(cursor);
  if (!typed) return std::nullopt;
  if (typed->type.elements() != *count) {
    cursor.refuse(begin.token.where, "const",
                  fmt::format("the list has {} entr{}, but {} takes {}", *count,
                              *count == 1 ? "y" : "ies", to_string(typed->type),
                              typed->type.elements()));
    return std::nullopt;
  }
  const Cursor::Position end = cursor.position();
  cursor.go_to(begin);
  auto bytes = read_entries(cursor, typed->type);
  if (!bytes) return std::nullopt;
  cursor.go_to(end);
  return KnownData{
      {std::make_shared<const Bytes>(std::move(*bytes)), ""}, typed->type, typed->where};
}

std::optional<KnownData> read_file(Cursor& cursor, const Resolver& resolver,
                                   const std::string& subject) {
  cursor.advance();
  if (!cursor.expect('(', "'(' after file")) return std::nullopt;
  const Token name = cursor.token();
  if (name.kind != Token::Kind::string) {
    cursor.unexpected("a path such as \"w.npy\"");
    return std::nullopt;
  }
  cursor.advance();
  if (!cursor.expect(')', "')' after the path")) return std::nullopt;
  const auto typed = read_type(cursor);
  if (!typed) return std::nullopt;
  const std::string path = unquoted(name.text);
  if (path.empty() || !resolver) {
    cursor.refuse(name.where, subject,
                  path.empty() ? "the path is empty" : path + ": no files can be read here");
    return std::nullopt;
  }
  Expected<Bytes> bytes = resolver(path, typed->type);
  if (!bytes) {
    for (const Diagnostic& fault : bytes.diagnostics()) {
      const std::string message = fault.subject.empty() || fault.subject == path
                                      ? fault.message
                                      : fmt::format("{}: {}", fault.subject, fault.message);
      const bool named = message.starts_with(path);
      cursor.refuse(name.where, subject, named ? message : fmt::format("{}: {}", path, message),
                    fault.hint);
    }
    return std::nullopt;
  }
  if (static_cast<int64_t>(bytes->size()) != typed->type.bytes()) {
    cursor.refuse(name.where, subject,
                  fmt::format("{}: has {} bytes of data, but {} takes {}", path, bytes->size(),
                              to_string(typed->type), typed->type.bytes()));
    return std::nullopt;
  }
  return KnownData{
      {std::make_shared<const Bytes>(std::move(*bytes)), path}, typed->type, typed->where};
}

} // namespace

std::optional<KnownData> read_const(Cursor& cursor, const Resolver& resolver,
                                    const std::string& subject) {
  if (cursor.is('[')) return read_list(cursor);
  if (cursor.token().is_word("file")) return read_file(cursor, resolver, subject);
  const Token& token = cursor.token();
  cursor.unexpected("a list of numbers or file(\"...\")",
                    token.kind == Token::Kind::string && token.text.size() <= longest_path
                        ? fmt::format("write file({})", token.text)
                    : token.is('(') || token.is('{') ? "a list stands in brackets"
                                                     : "");
  return std::nullopt;
}

} // namespace volute::ir
