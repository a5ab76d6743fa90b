#include "ir/parse.h"
#include "ir/print.h"
#include "tests/support/catch.h"

#include <fmt/format.h>

#include <ctime>
#include <string>
#include <vector>

namespace volute::ir {
namespace {

std::string faults(std::string_view text, const Resolver& resolver = {}) {
  const auto programs = parse_file_text(text, resolver);
  return programs ? "" : render(programs.diagnostics(), "p.vlt", "");
}

TEST_CASE("a program parses into its values and statements") {
  const Program program = parse(R"(
    // comments stand anywhere
    program @stem(%x: f32[n=1, c=3, h=9, w=9], // the image
                  %w: f32[o=4, i=3, h=3, w=3]) {
      %0 = conv %x,
                %w {pad = [(1, 0), (0, 2)],
                    groups = 1}   // over several lines
      %y, %places = max_pool %0 {kernel = 2}
      return %y, %places
    }
  )")
                              .value();
  CHECK(program.name == "stem");
  CHECK(program.inputs == std::vector<ValueId>{0, 1});
  CHECK(program.outputs == std::vector<ValueId>{3, 4});
  REQUIRE(program.statements.size() == 2);
  CHECK(program.statements[0].operands == std::vector<ValueId>{0, 1});
  CHECK(program.statements[1].results == std::vector<ValueId>{3, 4});
  CHECK(std::get<Conv>(program.statements[0].operation).pad.sides ==
        std::vector<std::pair<int64_t, int64_t>>{{1, 0}, {0, 2}});
  CHECK(program.statements[0].where.line == 5);
  CHECK(program.statements[0].where.column == 12);
  CHECK(program.values[2].where.column == 7);
}

TEST_CASE("attributes come in any order and white space is free") {
  const auto one =
      parse("program @p(%x:f32[n=1,c=1,w=9]){%y=max_pool %x{stride=1,kernel=3}return %y}");
  const auto other = parse("program @p ( %x : f32 [ n = 1 , c = 1 , w = 9 ] ) {\r\n"
                           "%y\n=\nmax_pool\n%x\n{ kernel = 3\n, stride = 1 }\nreturn\n%y\n}");
  CHECK(one.value() == other.value());
}

TEST_CASE("names may be digits or words of the language") {
  CHECK(parse("program @program(%return: f32[c=1]) { %program = relu %return %1 = abs %program "
              "return %1 }")
            .value()
            .values[1]
            .name == "program");
}

TEST_CASE("an input may be returned, and a program may have no inputs") {
  CHECK(parse("program @p(%x: f32[c=1]) { return %x }").has_value());
  CHECK(parse("program @p() { %k = const [1] : f32[c=1] return %k }").has_value());
}

TEST_CASE("parse takes exactly one program and parse_file_text any number") {
  const std::string one = "program @a(%x: f32[c=1]) { return %x }\n";
  const std::string two = one + "program @b(%x: f32[c=1]) { return %x }\n";
  CHECK(parse(one).has_value());
  CHECK(parse_file_text(two).value().size() == 2);
  const auto refused = parse(two);
  REQUIRE(!refused);
  CHECK(render(refused.diagnostics(), "p.vlt", two) ==
        "p.vlt:2:1: error: expected one program, but the text has 2\n"
        "  program @b(%x: f32[c=1]) { return %x }\n"
        "  ^\n");
  CHECK(faults("") == "p.vlt:1:1: error: expected 'program', but found the end of the text\n");
}

TEST_CASE("a type parses by itself") {
  CHECK(to_string(parse_type("f32[n=1,c=4,h=5,w=5,c=16]").value()) ==
        "f32[n=1, c=4, h=5, w=5, c=16]");
  CHECK(to_string(parse_type("f32[n=1] x").diagnostics()[0]) ==
        "expected the end of the type, but found 'x'");
}

TEST_CASE("constants of a file come from the resolver") {
  const std::string text = "program @p() { %k = const file(\"w.npy\") : f32[c=2] return %k }";
  std::string asked;
  const auto program = parse(text, [&](const std::string& path, const TensorType& type) {
    asked = path + " " + to_string(type);
    return Expected(std::vector<std::byte>(8, std::byte{1}));
  });
  CHECK(asked == "w.npy f32[c=2]");
  CHECK(std::get<Const>(program.value().statements[0].operation).file == "w.npy");

  CHECK(faults(text, [](const std::string&, const TensorType&) -> Expected<std::vector<std::byte>> {
          return fail("", "has f64 elements, but the program says f32");
        }) == "p.vlt:1:32: error: %k: w.npy: has f64 elements, but the program says f32\n");
  CHECK(faults(text, [](const std::string&, const TensorType&) -> Expected<std::vector<std::byte>> {
          return fail("w.npy", "cannot be opened");
        }) == "p.vlt:1:32: error: %k: w.npy: cannot be opened\n");
  CHECK(faults(text, [](const std::string&, const TensorType&) {
          return Expected(std::vector<std::byte>(7));
        }) == "p.vlt:1:32: error: %k: w.npy: has 7 bytes of data, but f32[c=2] takes 8\n");
}

TEST_CASE("independent faults are all found, and what follows from one is not said") {
  CHECK(faults("program @p(%x: f32[n=1, c=2, h=8, w=8]) {\n"
               "  %a = max_pool %x {kernel = 9}\n"
               "  %b = relu %a\n"
               "  %c = conv %b, %a {stride = x}\n"
               "  %d = avg_pool %x {kernel = 0, p = 1}\n"
               "  %e = add %d, %c\n"
               "  return %e\n}") ==
        "p.vlt:2:21: error: max_pool: the window spans 9 along h (9 taps at dilation 1), but the "
        "padded input has 8 (the nearest valid value is 8)\n"
        "p.vlt:4:30: error: conv: stride takes a whole number, not 'x'\n"
        "p.vlt:5:33: error: avg_pool: has no attribute 'p' (it takes kernel, stride, pad, "
        "dilation, ceil_mode, count_include_pad, divisor)\n");
}

/// Refused in linear time: anything worse takes hours at this length.
void parse_quickly(const std::string& text) {
  INFO(text.substr(0, 60));
  const std::clock_t start = std::clock();
  CHECK(!parse_file_text(text).has_value());
  CHECK((std::clock() - start) / CLOCKS_PER_SEC < 10);
}

TEST_CASE("megabytes of hostile text are refused in short time") {
  constexpr size_t size = 2 << 20;
  parse_quickly(std::string(size, '\0'));
  parse_quickly(std::string(size, '('));
  parse_quickly(std::string(size, '%'));
  parse_quickly(std::string(size, '9'));
  parse_quickly(std::string(size, '\n'));
  parse_quickly("program @p(%x: f32[c=" + std::string(size, '9') + "]) { return %x }");
  parse_quickly("program @p() { %k = const " + std::string(size, '[') + " }");
  parse_quickly("program @p() { %k = const file(\"" + std::string(size, 'a') + " }");
  std::string repeated = "program @p(%x: f32[c=1]) {\n %y = max_pool %x {kernel = [";
  while (repeated.size() < size) repeated += "1, ";
  parse_quickly(repeated);
  repeated = "program @p(%x: f32[";
  while (repeated.size() < size) repeated += "c=1, ";
  parse_quickly(repeated + "c=1]) { return %x }");
  repeated = "program @p() {";
  while (repeated.size() < size) repeated += "%a, %b ";
  parse_quickly(repeated);
  repeated = "program @p(%x: f32[c=1]) { %y = conv ";
  while (repeated.size() < size) repeated += "%x, ";
  parse_quickly(repeated + "%x return %y }");
}

// The random edits of parse_fuzz_test.cpp keep a text's length: they never draw a long run, in
// which alone a look at the rest of the line for each character shows.
TEST_CASE("a text of whatever characters is read in a few looks at each") {
  const std::string program = "program @p(%x: f32[n=1, c=1, w=9]) {\n  %y = relu %x ";
  const std::vector<std::string> units = {"'",
                                          "''",
                                          "*",
                                          "'*",
                                          ";",
                                          "#",
                                          "/",
                                          "/*",
                                          "\"",
                                          "\\",
                                          "\"\\\"",
                                          "-",
                                          "->",
                                          "--1",
                                          "+ ",
                                          ".",
                                          "a.",
                                          "1.",
                                          "%",
                                          "% ",
                                          "%a,",
                                          "%a, ",
                                          "%a = ",
                                          "%x ",
                                          "%y,",
                                          "@",
                                          "(",
                                          ")",
                                          "[",
                                          "{",
                                          "}",
                                          "{a=",
                                          "=",
                                          ":",
                                          ",",
                                          "a",
                                          "a ",
                                          "1",
                                          "1 ",
                                          "\t",
                                          "\r",
                                          "\n",
                                          "\x1b",
                                          "\xff",
                                          "\xe2\x80",
                                          "program ",
                                          "program @p(",
                                          "return ",
                                          "relu ",
                                          "f32[",
                                          "n=1,",
                                          "stride=[",
                                          "1d",
                                          "2d_",
                                          "// ",
                                          "inf ",
                                          "[(1,",
                                          "file(\"",
                                          "const [1,",
                                          "%z = relu %x\n",
                                          "{stride=2,\n",
                                          "return %y }\nprogram @q() {"};
  const auto steps_of = [](const std::string& text) {
    size_t steps = 0;
    (void)parse_file_text(text, {}, &steps);
    return steps;
  };
  for (const std::string& start : {std::string(), program, program + "{kernel = "})
    for (const std::string& unit : units) {
      std::string text = start;
      while (text.size() < 20000) text += unit;
      INFO(start << unit << unit << unit << "...");
      const size_t steps = steps_of(text);
      CHECK(steps >= text.size() / 20); // 1000 faults are read, and no more
      CHECK(steps <= 24 * text.size());
    }
}

TEST_CASE("of many faults the first are shown, and the others counted") {
  std::string text = "program @p(%x: f32[n=1, c=1, w=9]) {\n";
  for (int i = 0; i < 57; ++i) text += fmt::format("  %y{} = rule %x\n", i);
  const auto refused = parse_file_text(text + "  return %x\n}\n");
  REQUIRE(!refused);
  CHECK(refused.diagnostics().size() == 21);
  const std::string all = render(refused.diagnostics(), "p.vlt", text);
  CHECK_THAT(all, Catch::Matchers::ContainsSubstring(
                      "p.vlt:22:10: error: and 37 more from here on\n    %y20 = rule %x\n"));

  for (int i = 0; i < 5000; ++i) text += fmt::format("  %z{} = rule %x\n", i);
  CHECK_THAT(faults(text), Catch::Matchers::ContainsSubstring(
                               "p.vlt:22:10: error: and at least 980 more from here on: the text "
                               "was not read to its end\n"));
}

} // namespace
} // namespace volute::ir
