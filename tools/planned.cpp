#include "tools/commands.h"
#include "tools/stop.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace volute::tools {

void add_planned(CLI::App& app, Actions& actions) {
  struct Planned {
    const char *name, *does, *instead;
  };
  constexpr Planned planned[] = {
      {"compile", "an object file and a C header for a program",
       "`volute inspect FILE --stage asm` shows the code that it would hold"},
  };
  for (const Planned& p : planned) {
    CLI::App* sub = app.add_subcommand(p.name, p.does);
    sub->group("Not built yet");
    sub->footer(fmt::format("Not built yet: {}.", p.instead));
    sub->allow_extras(); // any arguments: the answer is the same
    actions.emplace_back(sub, [p]() -> int {
      throw Stop(exit_refused,
                 fmt::format("error: volute {}: not built yet\n{}\n", p.name, p.instead));
    });
  }
}

} // namespace volute::tools
