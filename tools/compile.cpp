// volute compile: kernels ahead of time, into the cache or as an object file with its header.
#include "compiler/compile.h"

#include "compiler/image/c_interface.h"
#include "compiler/report/report.h"
#include "ir/literals.h"
#include "runtime/background.h"
#include "runtime/file.h"
#include "runtime/replace_files.h"
#include "tools/commands.h"
#include "tools/common_options.h"
#include "tools/output.h"
#include "tools/stop.h"
#include "tools/suites.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

namespace volute::tools {
namespace {

constexpr const char* examples =
    R"(Without -o, every program of every FILE is compiled into the cache on disk, where the next process
finds it: for this CPU, or for the one that --target names, whose kernels another machine may be
given (docs/security.md says whom it will believe). A FILE may be the name of one of the benchmark's suites.

With -o, one program becomes an object file that needs no library, and --header writes the C header
for it, with shapes, layouts, sizes and what to call.

Examples:
  volute compile examples/stem.vlt
  volute compile resnet50 --target x86-64-v3 --cache-dir /usr/share/volute/kernels
  volute compile examples/stem.vlt -o stem.o --header stem.h --target haswell)";

struct CompileCommand {
  SourceOptions source;
  CommonOptions common;
  std::vector<std::string> files;
  std::string object, header, name;
};

std::vector<ProgramSource> sources_of(const CompileCommand& command, Invocation& invocation) {
  std::vector<ProgramSource> sources;
  if (command.source.has_expression) sources.push_back(source_from_text(command.source.expression));
  if (std::count(command.files.begin(), command.files.end(), "-") > 1)
    misuse("standard input can be read only once");
  for (const std::string& file : command.files)
    sources.push_back(read_source(suite_file(file).value_or(file), invocation));
  if (sources.empty())
    misuse("there is no program: give a FILE, a suite's name, - for standard input, or -e TEXT",
           "`volute compile --help` shows examples");
  return sources;
}

/// What the functions of the object begin with.
std::string prefix_of(const CompileCommand& command, const ir::Program& program) {
  if (command.name.empty()) return compiler::c_name(program.name);
  constexpr std::string_view letters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  if (command.name.find_first_not_of(letters) != std::string::npos ||
      compiler::c_name(command.name) != command.name)
    misuse(fmt::format("--name: {} is no name in C", ir::quoted(command.name)));
  return command.name;
}

int write_object(const CompileCommand& command, const std::vector<ProgramSource>& sources,
                 const Settings& settings) {
  if (sources.size() != 1)
    misuse("-o makes one object of one program, and these are several files");
  const ProgramSource& source = sources.front();
  const ir::Program& program = source.entry(command.source.entry);
  std::vector<std::string> paths = {command.object};
  if (!command.header.empty()) paths.push_back(command.header);
  for (const std::string& path : paths)
    if (const auto place = runtime::place_to_write(path); !place)
      refuse(place.diagnostics().front());
  compiler::CompileRequest request = request_of(source, program, settings);
  request.object_name = prefix_of(command, program);
  const auto made = [&] {
    const Progress progress(fmt::format("compiling @{}", program.name));
    return source.value_of(settings.session.inspect(program, request));
  }();
  const std::span<const std::byte> texts[] = {made.object, std::as_bytes(std::span(made.header))};
  std::vector<runtime::FileToWrite> files;
  for (size_t i = 0; i < paths.size(); ++i)
    files.push_back({paths[i], [&, i](std::FILE* file) {
                       return runtime::write_bytes(file, paths[i], texts[i].data(),
                                                   texts[i].size());
                     }});
  if (const auto status = runtime::replace_files(files); !status)
    refuse(status.failure().diagnostics.front());
  print(fmt::format("@{} for {} -> {}: {} of code and constants\n", program.name,
                    compiler::short_text(request.target), command.object,
                    human_bytes(made.report.text_bytes + made.report.constant_bytes)));
  if (made.report.needs_tiles)
    print("it needs the matrix unit, which the program that calls it must ask Linux for (as the "
          "header "
          "says)\n");
  if (!command.header.empty())
    print(
        fmt::format("{}_run, and what goes with it -> {}\n", request.object_name, command.header));
  return exit_done;
}

int fill_cache(const CompileCommand& command, const std::vector<ProgramSource>& sources,
               Settings& settings) {
  if (command.common.no_cache) misuse("--no-cache: without -o, to compile is to fill the cache");
  const std::string folder = settings.session.cache_dir();
  if (folder.empty())
    throw Stop(exit_refused, "error: kernels are kept nowhere, so there is nothing to fill: "
                             "VOLUTE_DISK_CACHE is 0, or none of VOLUTE_CACHE_DIR, XDG_CACHE_HOME "
                             "and HOME names a folder\n--cache-dir names one\n");
  std::vector<std::pair<const ProgramSource*, const ir::Program*>> programs;
  for (const ProgramSource& source : sources) {
    const ir::Program* entry =
        command.source.entry.empty() ? nullptr : &source.entry(command.source.entry);
    for (const ir::Program& program : source.all())
      if (!entry || entry == &program) programs.emplace_back(&source, &program);
  }
  // By as many threads as there are processors; what is refused is told of the first.
  std::vector<std::optional<Expected<compiler::Report>>> reports(programs.size());
  std::mutex mutex; // guards what follows
  std::condition_variable changed;
  size_t left = programs.size();
  {
    Progress progress(fmt::format("compiling {} programs", programs.size()));
    for (size_t i = 0; i < programs.size(); ++i)
      runtime::in_background(
          [&, i] {
            try {
              reports[i] = settings.session.report(*programs[i].second, settings.compile);
            } catch (const Error& error) {
              reports[i] = Failure{error.diagnostics()};
            }
            const std::lock_guard lock(mutex);
            --left;
            changed.notify_one();
          },
          runtime::available_threads());
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return left == 0; });
  }
  for (size_t i = 0; i < programs.size(); ++i) programs[i].first->value_of(std::move(*reports[i]));
  const auto counters = settings.session.cache_counters();
  const int64_t all = std::ssize(programs), compiled = all - counters.loads;
  print(fmt::format("{} kernel{} in {}: {} compiled, {} there already\n", all, all == 1 ? "" : "s",
                    folder, compiled, counters.loads));
  if (counters.stores < compiled)
    throw Stop(exit_refused,
               fmt::format("error: {} of them could not be kept\n", compiled - counters.stores));
  return exit_done;
}

int compile(const CompileCommand& command, Invocation& invocation) {
  if (command.object.empty() && !(command.header.empty() && command.name.empty()))
    misuse("--header and --name are for an object file, which -o names");
  Settings settings = settings_of(command.common);
  const std::vector<ProgramSource> sources = sources_of(command, invocation);
  return command.object.empty() ? fill_cache(command, sources, settings)
                                : write_object(command, sources, settings);
}

} // namespace

void add_compile(CLI::App& app, Invocation& invocation, Actions& actions) {
  auto command = std::make_shared<CompileCommand>();
  CLI::App* sub =
      app.add_subcommand("compile", "Kernels ahead of time: the cache, or object files");
  sub->footer(examples);
  sub->add_option("FILE", command->files, "Files with programs; - is standard input")
      ->option_text("[FILE ...]");
  add_source_options(*sub, command->source);
  sub->add_option("-o,--output", command->object, "An object file of one program")
      ->type_name("FILE");
  sub->add_option("--header", command->header, "The C header for it")->type_name("FILE");
  sub->add_option("--name", command->name,
                  "What its functions begin with (the program's name, NAME_run)")
      ->type_name("NAME");
  add_common_options(*sub, command->common);
  actions.emplace_back(sub, [command, &invocation] { return compile(*command, invocation); });
}

} // namespace volute::tools
