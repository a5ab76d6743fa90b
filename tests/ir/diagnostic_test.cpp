#include "ir/diagnostic.h"
#include "tests/support/catch.h"

#include <algorithm>
#include <string>
#include <vector>

namespace volute {
namespace {

std::string rendered(const std::string& source, int line, int column) {
  return render({{{line, column}, "conv", "is wrong", ""}}, "p.vlt", source);
}

TEST_CASE("the caret stands under its column, after tabs and beyond ASCII too") {
  CHECK(rendered("a b", 1, 3) == "p.vlt:1:3: error: conv: is wrong\n  a b\n    ^\n");
  CHECK(rendered("\ta\tb\n", 1, 4) == "p.vlt:1:4: error: conv: is wrong\n  \ta\tb\n  \t \t^\n");
  CHECK(rendered("\xc3\xa9 b\r\n", 1, 4) ==
        "p.vlt:1:4: error: conv: is wrong\n  \xc3\xa9 b\n    ^\n");
  CHECK(rendered("ab", 1, 3) == "p.vlt:1:3: error: conv: is wrong\n  ab\n    ^\n");
  CHECK(rendered("ab", 7, 3) == "p.vlt:7:3: error: conv: is wrong\n");
}

TEST_CASE("what a terminal would obey is shown, not sent") {
  CHECK(rendered("\x1b[31ma b", 1, 7) ==
        "p.vlt:1:7: error: conv: is wrong\n  \\x1b[31ma b\n           ^\n");
  // No UTF-8, a control character of Latin-1, one that turns the text's direction, half a
  // character.
  CHECK(rendered("\xff\xc2\x9b\xe2\x80\xae\xe2\x82", 1, 1) ==
        "p.vlt:1:1: error: conv: is wrong\n  \\xff\\xc2\\x9b\\xe2\\x80\\xae\\xe2\\x82\n  ^\n");
  CHECK(render({{{}, "%x", "a\x07.npy: no\tgood\nat all", ""}}, "", "") ==
        "error: %x: a\\x07.npy: no\tgood\nat all\n");
  CHECK(render({{{}, "", "no", ""}}, "\x1b]0;p.vlt", "") == "\\x1b]0;p.vlt: error: no\n");
}

TEST_CASE("of a long line the part around the fault is shown") {
  const std::string line = std::string(1000, 'a') + "!" + std::string(100000, 'b');
  const std::string middle = "  ..." + std::string(80, 'a') + "!" + std::string(79, 'b') +
                             "...\n  " + std::string(83, ' ') + "^\n";
  CHECK(rendered(line, 1, 1001) == "p.vlt:1:1001: error: conv: is wrong\n" + middle);
  CHECK(rendered(line, 1, 2) ==
        "p.vlt:1:2: error: conv: is wrong\n  " + std::string(160, 'a') + "...\n   ^\n");
  CHECK(rendered(line, 1, 101001) == "p.vlt:1:101001: error: conv: is wrong\n  ..." +
                                         std::string(81, 'b') + "\n  " + std::string(83, ' ') +
                                         "^\n");
  CHECK(render({{{}, "", std::string(100000, 'm'), ""}}, "", "").size() < 2100);
}

TEST_CASE("of a long list the first are shown, and how many more there are") {
  std::vector<Diagnostic> list(20, {{}, "", "no", ""});
  const auto lines = [&] {
    const std::string text = render(list, "", "");
    return std::count(text.begin(), text.end(), '\n');
  };
  CHECK(lines() == 20);
  list.push_back({{}, "", "and the last", ""});
  CHECK(lines() == 21);
  list.insert(list.end(), 50000, {{}, "", "never", ""});
  CHECK(lines() == 21);
  CHECK_THAT(render(list, "", ""), Catch::Matchers::EndsWith("error: no\nerror: and 50001 more\n"));
  CHECK_THAT(Error(list).what(), Catch::Matchers::EndsWith("no\nand 50001 more"));
}

} // namespace
} // namespace volute
