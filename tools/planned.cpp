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
      {"tune", "times the most promising schedules and remembers the best",
       "`volute inspect FILE --stage report` shows the candidates, and --schedule tries one"},
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
