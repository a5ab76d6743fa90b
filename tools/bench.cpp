#include "bench/bench.h"

#include "bench/machine.h"
#include "bench/report.h"
#include "compiler/codegen/codegen.h"
#include "runtime/file.h"
#include "tools/commands.h"
#include "tools/common_options.h"
#include "tools/output.h"
#include "tools/stop.h"
#include "tools/version.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <set>

namespace volute::tools {
namespace {

constexpr const char* examples =
    R"(Every program of every FILE is compiled, its weights bound (inputs without a batch axis),
verified, and timed in turns with the others. On a shared machine pin it: taskset -c 1 volute ...

Contenders for --against:
  naive   Volute with --schedule naive: what scheduling is worth
  cpp     plain C++ loops compiled ahead of time with -O3 -march=native

Examples:
  volute bench bench/suites/resnet.vlt
  volute bench examples/stem.vlt --against cpp --json stem.json
  volute bench my.vlt --schedule @mine.txt --against naive)";

struct BenchCommand {
  SourceOptions source;
  CommonOptions common;
  std::vector<std::string> files;
  std::string against = "naive,cpp";
  std::string json;
  double seconds = 1;
};

std::vector<std::string> contenders_of(const std::string& list) {
  const std::vector<std::string> known = bench::contender_names();
  std::vector<std::string> names;
  size_t begin = 0;
  while (begin <= list.size()) {
    const size_t end = std::min(list.find(',', begin), list.size());
    const std::string name = list.substr(begin, end - begin);
    begin = end + 1;
    if (name.empty() || name == "none") continue;
    if (std::find(known.begin(), known.end(), name) == known.end())
      misuse(fmt::format("--against: this build has no contender '{}'", name),
             fmt::format("it has {}, or none", fmt::join(known, ", ")));
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

void write_json(const std::string& path, const std::string& text) {
  const Status status = runtime::replace_file(path, [&](std::FILE* file) {
    return runtime::write_bytes(file, path, text.data(), text.size());
  });
  if (!status) throw Stop(exit_refused, render(status.failure().diagnostics, "", ""));
}

std::vector<ProgramSource> sources_of(const BenchCommand& command, Invocation& invocation) {
  std::vector<ProgramSource> sources;
  if (command.source.has_expression) sources.push_back(source_from_text(command.source.expression));
  if (std::count(command.files.begin(), command.files.end(), "-") > 1)
    misuse("standard input can be read only once");
  for (const std::string& file : command.files) sources.push_back(read_source(file, invocation));
  if (sources.empty()) misuse("there is no program: give a FILE, - for standard input, or -e TEXT");
  return sources;
}

int run_bench(const BenchCommand& command, Invocation& invocation) {
  const std::vector<std::string> against = contenders_of(command.against);
  if (!(command.seconds > 0 && command.seconds <= 3600))
    misuse(fmt::format("--seconds: {} is not above 0 and at most 3600", command.seconds));
  const Settings settings = settings_of(command.common);
  bench::BenchOptions options = {settings.session, settings.compile};
  options.against = against;
  options.seconds = command.seconds;
  const std::vector<ProgramSource> sources = sources_of(command, invocation);

  std::vector<bench::Benchmark> done;
  {
    Progress progress("");
    options.progress = [&](const std::string& what) { progress.now(what); };
    for (const ProgramSource& source : sources) {
      std::vector<const ir::Program*> programs;
      for (const ir::Program& program : source.all()) programs.push_back(&program);
      if (!command.source.entry.empty()) programs = {&source.entry(command.source.entry)};
      for (const ir::Program* program : programs) {
        done.push_back(source.value_of(bench::benchmark(*program, options)));
        done.back().file = source.name;
      }
    }
  }
  const bench::Setting setting{std::string(version), compiler::llvm_version(), bench::cpu_report(),
                               invocation.reproduction()};
  if (command.json == "-") {
    print(bench::json(done, setting));
    return exit_done;
  }
  if (!command.json.empty()) write_json(command.json, bench::json(done, setting));
  print(bench::table(done, setting));
  return exit_done;
}

} // namespace

void add_bench(CLI::App& app, Invocation& invocation, Actions& actions) {
  auto command = std::make_shared<BenchCommand>();
  CLI::App* sub = app.add_subcommand("bench", "Time programs against naive loops and others");
  sub->footer(examples);
  sub->add_option("FILE", command->files, "Programs' files; - is standard input")
      ->option_text("...");
  add_source_options(*sub, command->source);
  sub->add_option("--against", command->against, "Contenders, separated by commas (naive,cpp)")
      ->type_name("NAMES");
  sub->add_option("--json", command->json,
                  "Also write everything, each sample too, to a file;\n- is standard output, "
                  "in place of the table")
      ->type_name("FILE");
  sub->add_option("--seconds", command->seconds,
                  "Time to measure for each program, and for each slow contender (1)")
      ->type_name("S");
  add_common_options(*sub, command->common);
  actions.emplace_back(sub, [command, &invocation] { return run_bench(*command, invocation); });
}

} // namespace volute::tools
