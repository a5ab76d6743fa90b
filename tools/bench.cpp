#include "bench/bench.h"

#include "bench/machine.h"
#include "bench/report.h"
#include "compiler/codegen/codegen.h"
#include "ir/literals.h"
#include "runtime/file.h"
#include "tools/commands.h"
#include "tools/common_options.h"
#include "tools/output.h"
#include "tools/stop.h"
#include "tools/suites.h"
#include "tools/version.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <regex>

namespace volute::tools {
namespace {

constexpr const char* examples =
    R"(Every program of every FILE is compiled, its weights bound (inputs without a batch axis),
verified, and timed in turns with the others. On a shared machine pin it: taskset -c 1 volute ...

Contenders for --against:
  naive   Volute with --schedule naive: what scheduling is worth
  cpp     plain C++ loops compiled ahead of time with -O3 -march=native

A FILE may be the name of a suite, layers of a network with how often it uses each:
  {suites}

Examples:
  volute bench resnet50 --layout last --only 3x3
  volute bench examples/stem.vlt --against cpp --json stem.json
  volute bench my.vlt --schedule @mine.txt --against naive)";

struct BenchCommand {
  SourceOptions source;
  CommonOptions common;
  std::vector<std::string> files;
  std::string only, layout = "both";
  std::string against = "naive,cpp";
  std::string json;
  double seconds = 1;
};

std::regex pattern_of(const std::string& text) {
  try {
    return std::regex(text, std::regex::ECMAScript);
  } catch (const std::regex_error&) {
    misuse(fmt::format("--only: {} is no regular expression", ir::quoted(text)),
           "as in --only 3x3, or --only '^dw|^conv1x1'");
  }
}

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

/// Of a FILE: its own path, or that of the suite that it names.
std::string path_of(const std::string& word) {
  if (const auto file = suite_file(word)) return *file;
  std::error_code ignored;
  const bool is_bare = word != "-" && word.find_first_of("./=") == std::string::npos;
  if (is_bare && !std::filesystem::exists(word, ignored))
    misuse(fmt::format("there is no file and no suite {}", ir::quoted(word)),
           suites_folder().empty()
               ? "the suites are not installed beside volute"
               : fmt::format("the suites are {}", fmt::join(suite_names(), ", ")));
  return word;
}

std::vector<ProgramSource> sources_of(const BenchCommand& command, Invocation& invocation) {
  std::vector<ProgramSource> sources;
  if (command.source.has_expression) sources.push_back(source_from_text(command.source.expression));
  if (std::count(command.files.begin(), command.files.end(), "-") > 1)
    misuse("standard input can be read only once");
  for (const std::string& file : command.files)
    sources.push_back(read_source(path_of(file), invocation));
  if (sources.empty()) misuse("there is no program: give a FILE, - for standard input, or -e TEXT");
  return sources;
}

/// A program to measure.
struct Task {
  const ProgramSource* source;
  const ir::Program* program;
  int uses; // by its network
};

/// Those that --entry, --only and --layout leave.
std::vector<Task> tasks_of(const BenchCommand& command, const std::vector<ProgramSource>& sources) {
  const std::regex only = pattern_of(command.only);
  const Layout other = command.layout == "first"  ? Layout::last
                       : command.layout == "last" ? Layout::first
                                                  : Layout::either;
  std::vector<Task> tasks;
  for (const ProgramSource& source : sources) {
    const auto uses = uses_in(source.text);
    const ir::Program* entry =
        command.source.entry.empty() ? nullptr : &source.entry(command.source.entry);
    for (const ir::Program& program : source.programs) {
      if (entry && entry != &program) continue;
      if (!std::regex_search(program.name, only)) continue;
      if (other != Layout::either && layout_of(program) == other) continue;
      const auto found = uses.find(program.name);
      tasks.push_back({&source, &program, found == uses.end() ? 1 : found->second});
    }
  }
  if (tasks.empty()) misuse("--only and --layout leave no program");
  return tasks;
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
  const std::vector<Task> tasks = tasks_of(command, sources);

  std::vector<bench::Benchmark> done;
  {
    Progress progress("");
    options.progress = [&](const std::string& what) { progress.now(what); };
    for (const Task& task : tasks) {
      done.push_back(task.source->value_of(bench::benchmark(*task.program, options)));
      done.back().file = task.source->name;
      done.back().uses = task.uses;
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
  sub->footer(
      fmt::format(fmt::runtime(examples), fmt::arg("suites", fmt::join(suite_names(), " "))));
  sub->add_option("FILE", command->files, "Programs' files, or suites; - is standard input")
      ->option_text("...");
  add_source_options(*sub, command->source);
  sub->add_option("--only", command->only, "Programs whose names a regular expression is found in")
      ->type_name("REGEX");
  sub->add_option("--layout", command->layout,
                  "Programs on images with their channels first, or last (both)")
      ->type_name("ORDER")
      ->check(CLI::IsMember({"first", "last", "both"}));
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
