// A browser without a screen, for tests of pages.
#pragma once

#include <cstdlib>
#include <string>

namespace volute::tests {

/// Its command; empty where there is none.
inline std::string browser() {
  for (const char* name : {"chromium-headless-shell", "chromium", "google-chrome"})
    if (std::system(("command -v " + std::string(name) + " > /dev/null").c_str()) == 0) return name;
  return "";
}

} // namespace volute::tests
