// The page of --html in a real browser, where there is one.
#include "tests/support/catch.h"
#include "tests/tools/browser.h"
#include "tests/tools/run_tool.h"

#include <cstdlib>
#include <string>

using Catch::Matchers::ContainsSubstring;
using volute::tests::browser;
using volute::tests::read_file;
using volute::tests::run_volute;
using volute::tests::TemporaryFolder;

TEST_CASE("a browser draws the page, in both themes, without a word on its console", "[page]") {
  const std::string chromium = browser();
  if (chromium.empty()) {
    WARN("there is no browser here to open the page in");
    return;
  }
  const TemporaryFolder folder;
  REQUIRE(run_volute("bench small --only '(_7|_8)_nhwc|max' --seconds 0.005 --against cpp --html " +
                     folder / "page.html")
              .status == 0);
  for (const char* theme : {"light", "dark"}) {
    const std::string line = "timeout 500 " + chromium +
                             " --no-sandbox --disable-gpu --headless --enable-logging=stderr --v=0"
                             " --virtual-time-budget=2000 --dump-dom 'file://" +
                             folder / "page.html" + "#" + theme + "' > '" + folder / "dom" +
                             "' 2> '" + folder / "log" + "'";
    CAPTURE(theme);
    CHECK(std::system(line.c_str()) == 0);
    const std::string dom = read_file(folder / "dom");
    CHECK_THAT(dom, ContainsSubstring("data-drawn=\"all\"")); // set by the script's last line
    CHECK_THAT(dom, ContainsSubstring("data-theme=\"" + std::string(theme) + "\""));
    CHECK_THAT(dom, ContainsSubstring("aria-label=\"Roofline of the layers\""));
    CHECK_THAT(dom, ContainsSubstring("conv3x3_8_8_7_nhwc"));
    CHECK_THAT(dom, ContainsSubstring("Volute on small<"));
    CHECK(read_file(folder / "log").find("CONSOLE") == std::string::npos);
  }
}
