#include "compiler/target/target.h"
#include "tools/commands.h"
#include "tools/output.h"
#include "tools/stop.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace volute::tools {

void add_targets(CLI::App& app, Actions& actions) {
  CLI::App* sub = app.add_subcommand("targets", "The CPUs that --target knows, and this one");
  sub->footer("A target is a name and changes to it:\n"
              "  volute inspect FILE --target skylake-avx512 --stage asm\n"
              "  volute inspect FILE --target znver4-avx512f --stage loops\n"
              "Code for any of them can be inspected; code that this machine lacks an instruction "
              "for is not run.");
  actions.emplace_back(sub, [] {
    const compiler::Target& host = compiler::host();
    print(
        fmt::format("native  {}\n\n{}", compiler::short_text(host), compiler::list_targets(host)));
    return exit_done;
  });
}

} // namespace volute::tools
