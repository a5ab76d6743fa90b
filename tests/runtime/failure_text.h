// A failure's words, for tests that compare them.
#pragma once

#include "ir/diagnostic.h"

#include <string>

namespace volute::tests {

template <class T>
std::string failure_text(const Expected<T>& result) {
  return result ? "no failure" : to_string(result.diagnostics().front());
}

} // namespace volute::tests
