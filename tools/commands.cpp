#include "tools/commands.h"

#include "compiler/image/generator.h"
#include "compiler/target/target.h"
#include "ir/literals.h"
#include "ir/operators.h"
#include "runtime/options.h"
#include "tools/output.h"
#include "tools/stop.h"
#include "tools/version.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <cstdio>
#include <new>

namespace volute::tools {
namespace {

constexpr const char* examples = R"(Examples:
  volute run examples/first.vlt
  volute run examples/edges.vlt x=examples/photo.png -o y=edges.png
  volute inspect examples/stem.vlt --stage loops
  volute bench resnet50 --json resnet50.json
  volute run -e 'program @p(%x: f32[n=1, c=1, w=8]) {
    %y = max_pool %x {kernel = 2}
    return %y
  }' --fill iota

`volute COMMAND --help` says more about each.
)";

std::string version_text() {
  return fmt::format("volute {}, generator {}, LLVM {}, on {}", version,
                     compiler::generator_version(), compiler::llvm_version(),
                     compiler::short_text(compiler::host()));
}

std::string footer() {
  return fmt::format("Environment (an option on the command line comes first):\n{}\n{}"
                     "\nExit status: 0 done, 1 the input was refused or a run failed, 2 the "
                     "command line was wrong.",
                     runtime::options_help(), examples);
}

/// What is left over on a command line, and what was meant by it.
std::string leftover_text(const CLI::App& command, const std::vector<std::string>& rest) {
  std::vector<std::string> options;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) options.push_back("--" + name);
  const std::vector<std::string_view> known(options.begin(), options.end());
  for (const std::string& word : rest) {
    if (!word.starts_with('-')) continue;
    const std::string name = word.substr(0, word.find('='));
    const auto similar = ir::nearest_word(name, known);
    return fmt::format("there is no option {}{}", ir::quoted(name),
                       similar ? fmt::format("\ndid you mean {}?", *similar) : "");
  }
  const std::string& word = rest.front();
  const bool is_input = word.find('=') != std::string::npos;
  return fmt::format("{} is more than {} takes{}", ir::quoted(word), command.get_name(),
                     is_input ? "\ninputs are for run" : "");
}

/// What CLI11 has to say about a command line, in our words' form.
std::string usage_error(const CLI::App& app, const CLI::ParseError& error) {
  std::string command = "volute";
  const CLI::App* named = &app;
  for (const CLI::App* sub : app.get_subcommands()) {
    command += " " + sub->get_name();
    named = sub;
  }
  const std::vector<std::string> rest = app.remaining(true);
  const bool is_extra = dynamic_cast<const CLI::ExtrasError*>(&error) && !rest.empty();
  return ir::shown(fmt::format("error: {}\n`{} --help` shows what there is\n",
                               is_extra ? leftover_text(*named, rest) : error.what(), command));
}

int dispatch(CLI::App& app, const Actions& actions, const Invocation& invocation) {
  try {
    std::vector<std::string> reversed(invocation.words.rbegin(), invocation.words.rend());
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    print(app.help());
    return exit_done;
  } catch (const CLI::CallForAllHelp&) {
    print(app.help("", CLI::AppFormatMode::All));
    return exit_done;
  } catch (const CLI::CallForVersion&) {
    print(version_text() + "\n");
    return exit_done;
  } catch (const CLI::ParseError& error) {
    throw Stop(exit_misused, usage_error(app, error));
  }
  for (const auto& [command, action] : actions)
    if (command->parsed()) return action();
  throw Stop(exit_misused, app.help());
}

/// A first word that is no command deserves better than "argument not expected".
void check_command(const CLI::App& app, const Invocation& invocation) {
  if (invocation.words.empty()) throw Stop(exit_misused, app.help());
  const std::string& word = invocation.words.front();
  if (word.front() == '-') return;
  std::string names;
  std::vector<std::string_view> known;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    if (sub->get_name() == word) return;
    known.push_back(sub->get_name());
    names += (names.empty() ? "" : ", ") + sub->get_name();
  }
  if (word.ends_with(".vlt") || word.find('/') != std::string::npos)
    misuse(fmt::format("{} is no command", ir::quoted(word)),
           fmt::format(
               "`volute run {0}` runs a program, `volute inspect {0}` shows how it is compiled",
               ir::shown(word)));
  const auto similar = ir::nearest_word(word, known);
  misuse(fmt::format("there is no command {}", ir::quoted(word)),
         (similar ? fmt::format("did you mean {}? ", *similar) : "") + "the commands are " + names);
}

int run(Invocation& invocation) {
  CLI::App app("Compiles convolutions and poolings to native code for this CPU, runs them, shows\n"
               "every stage of how the code came about, and measures it.",
               "volute");
  app.footer(footer());
  app.set_version_flag("--version", version_text, "Versions of Volute, its generator and LLVM");
  app.require_subcommand(0, 1);
  Actions actions;
  add_run(app, invocation, actions);
  add_inspect(app, invocation, actions);
  add_bench(app, invocation, actions);
  add_tune(app, invocation, actions);
  add_targets(app, actions);
  add_compile(app, invocation, actions);
  add_cache(app, actions);
  check_command(app, invocation);
  const int status = dispatch(app, actions, invocation);
  flush();
  return status;
}

/// Everything that may go wrong, to words and a status.
int guarded(Invocation& invocation) {
  try {
    return run(invocation);
  } catch (const Stop& stop) {
    std::fflush(stdout);
    std::fputs(stop.what(), stderr);
    return stop.status();
  } catch (const InternalError& error) {
    fmt::print(stderr,
               "error: internal: {}\nThis is a fault of Volute, not of your program. Please report "
               "it with this line:\n  {}\n",
               error.what(), invocation.reproduction());
  } catch (const Error& error) {
    std::fputs(render(error.diagnostics(), "", "").c_str(), stderr);
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "error: out of memory\n");
  } catch (const std::exception& error) {
    fmt::print(stderr,
               "error: internal: {}\nThis is a fault of Volute. Please report it with this line:\n"
               "  {}\n",
               error.what(), invocation.reproduction());
  }
  return exit_refused;
}

} // namespace

int run_command_line(int argc, const char* const* argv) {
  try {
    prepare_streams();
    Invocation invocation;
    for (int i = 1; i < argc; ++i) invocation.words.emplace_back(argv[i]);
    return guarded(invocation);
  } catch (...) { // standard error is closed or full: there is nobody to tell
    return exit_refused;
  }
}

} // namespace volute::tools
