// The subcommands, one file each. Each adds itself to the command line and leaves what is to be
// done when it was named.
#pragma once

#include "tools/program_source.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace volute::tools {

/// Returns the exit status; throws Stop instead of returning a failure that has words.
using Action = std::function<int()>;
using Actions = std::vector<std::pair<CLI::App*, Action>>;

void add_run(CLI::App& app, Invocation& invocation, Actions& actions);
void add_inspect(CLI::App& app, Invocation& invocation, Actions& actions);
void add_bench(CLI::App& app, Invocation& invocation, Actions& actions);
void add_tune(CLI::App& app, Invocation& invocation, Actions& actions);
void add_targets(CLI::App& app, Actions& actions);
void add_compile(CLI::App& app, Invocation& invocation, Actions& actions);
void add_cache(CLI::App& app, Actions& actions);

/// The whole of `volute`: what main does. Nothing escapes.
int run_command_line(int argc, const char* const* argv);

} // namespace volute::tools
