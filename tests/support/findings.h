// What a verifier finds, for tests that compare it.
#pragma once

#include "ir/diagnostic.h"

#include <string>
#include <vector>

namespace volute::tests {

/// One finding a line.
inline std::string text_of(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& d : diagnostics) text += (text.empty() ? "" : "\n") + to_string(d);
  return text;
}

} // namespace volute::tests
