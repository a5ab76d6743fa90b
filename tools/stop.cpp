#include "tools/stop.h"

#include "ir/literals.h"

#include <fmt/format.h>

namespace volute::tools {

void misuse(const std::string& message, const std::string& hint) {
  throw Stop(exit_misused,
             ir::shown(fmt::format("error: {}\n{}{}", message, hint, hint.empty() ? "" : "\n")));
}

void refuse(const Diagnostic& diagnostic) {
  throw Stop(exit_refused, render({diagnostic}, "", ""));
}

} // namespace volute::tools
