#include "ir/lexer.h"
#include "tests/support/catch.h"

#include <string>
#include <vector>

namespace volute::ir {
namespace {

using Kind = Token::Kind;

std::vector<Token> tokens(std::string_view text) {
  Lexer lexer(text);
  std::vector<Token> all;
  do all.push_back(lexer.next());
  while (all.back().kind != Kind::end);
  return all;
}

TEST_CASE("tokens know their kind, text and place") {
  const auto all = tokens("%a1 = conv @p // rest\n\t-1.5e+3,\"x \\\" y\"");
  REQUIRE(all.size() == 8);
  const std::vector<Kind> kinds = {Kind::value,  Kind::mark, Kind::word,   Kind::symbol,
                                   Kind::number, Kind::mark, Kind::string, Kind::end};
  for (size_t i = 0; i < all.size(); ++i) CHECK(all[i].kind == kinds[i]);
  CHECK(all[0].name() == "a1");
  CHECK(all[0].starts_line);
  CHECK(!all[1].starts_line);
  CHECK(all[4].text == "-1.5e+3");
  CHECK(all[4].starts_line);
  CHECK(all[4].where.line == 2);
  CHECK(all[4].where.column == 2);
  CHECK(all[6].where.column == 10);
  CHECK(unquoted(all[6].text) == "x \" y");
}

TEST_CASE("numbers are decimal, with a fraction and an exponent at will") {
  for (const char* text : {"0", "-7", "1.5", ".5", "1.", "1e5", "-2.5E-3", "-inf"}) {
    INFO(text);
    CHECK(tokens(text)[0].kind == Kind::number);
    CHECK(tokens(text)[0].text == text);
  }
  for (const char* text :
       {"1e", "1e+", "-", "3x", "1.2.3", "1..2", "0x1F", "-.", "1_000", "-info"}) {
    INFO(text);
    CHECK(tokens(text)[0].kind == Kind::invalid);
  }
}

TEST_CASE("bytes that no program has are one token a run") {
  const auto all = tokens(std::string_view("\0\0\xff\xfe ; \x01", 8));
  REQUIRE(all.size() == 4);
  for (size_t i = 0; i < 3; ++i) CHECK(all[i].kind == Kind::invalid);
  CHECK(all[0].text.size() == 4);
}

TEST_CASE("a run of a character that begins no token is one token") {
  CHECK(tokens("*** **").size() == 3);
  CHECK(tokens("***")[0].text == "***");
  CHECK(tokens("'a' 'b")[0].text == "'a'");
  CHECK(tokens("'a' 'b\nc")[1].text == "'b");
  CHECK(tokens("''''").size() == 3);
}

TEST_CASE("strings end on their line and hold no control characters") {
  CHECK(tokens("\"a\nb\"")[0].fault == "lacks its closing '\"'");
  CHECK(tokens("\"a")[0].fault == "lacks its closing '\"'");
  CHECK(tokens("\"a\\\"")[0].fault == "lacks its closing '\"'");
  CHECK(tokens("\"a\tb\"")[0].fault == "holds a control character");
  CHECK(tokens("\"a\\nb\"")[0].fault == "holds a '\\' that is followed by neither '\"' nor '\\'");
  CHECK(as_string_token("a\"b\\c") == "\"a\\\"b\\\\c\"");
}

TEST_CASE("a comment may end the text") {
  CHECK(tokens("// all").size() == 1);
  CHECK(tokens("a // all\r\n").size() == 2);
  CHECK(tokens("a / b")[1].kind == Kind::invalid);
}

} // namespace
} // namespace volute::ir
