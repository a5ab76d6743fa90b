#include "bench/bench.h"

#include "bench/compare.h"
#include "bench/json.h"
#include "bench/machine.h"
#include "bench/page.h"
#include "bench/report.h"
#include "compiler/image/generator.h"
#include "ir/literals.h"
#include "runtime/file.h"
#include "runtime/replace_files.h"
#include "tools/bench_tasks.h"
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
#include <memory>

namespace volute::tools {
namespace {

constexpr const char* examples =
    R"(Every program of every FILE is compiled, its weights bound (inputs without a batch axis),
verified, and timed in turns with the others, beside the machine's peak. On a shared machine pin
it: taskset -c 1 volute ...

Contenders for --against:
  naive     Volute with --schedule naive: what scheduling is worth
  cpp       plain C++ loops compiled ahead of time with -O3 -march=native
{peers}
A FILE may be the name of a suite, layers of a network with how often it uses each:
{suites}

Examples:
  volute bench --quick
  volute bench resnet50 --layout last --only 3x3
  volute bench examples/stem.vlt --against cpp --json stem.json
  volute bench my.vlt x=x.npy --schedule @mine.txt --schedule naive
  volute bench compare before.json after.json)";

// Up to so many programs have a block of lines each.
constexpr size_t most_blocks = 4;
// Bytes of a file that is compared.
constexpr size_t longest_run = size_t{1} << 30;

struct BenchCommand {
  TaskOptions tasks;
  CommonOptions common;
  CLI::Option* schedules = nullptr; // each given, the first too
  CLI::Option* targets = nullptr;
  std::string against;
  std::string json, csv, html;
  double seconds = 1;
  bool is_cold = false, is_quick = false, is_long = false;
};

struct CompareCommand {
  std::string before, after, by = "volute";
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
      misuse(fmt::format("--against: there is no contender {}", ir::quoted(name)),
             fmt::format("there are {}, or none", fmt::join(known, ", ")));
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

/// Without --against: everybody who is here, but for those whom many programs would have to wait
/// for.
std::vector<std::string> usual_contenders(size_t programs) {
  std::vector<std::string> names = bench::built_contenders(), quick;
  if (programs <= most_blocks) return names;
  for (const std::string& name : names)
    if (name != "naive" && name != "cpp") quick.push_back(name);
  return quick.empty() ? std::vector<std::string>{"cpp"} : quick;
}

/// To a file, or to standard output for -.
void write(const std::string& path, const std::string& text) {
  if (path == "-") return print(text);
  const Status status = runtime::replace_file(path, [&](std::FILE* file) {
    return runtime::write_bytes(file, path, text.data(), text.size());
  });
  if (!status) throw Stop(exit_refused, render(status.failure().diagnostics, "", ""));
}

/// Volute by every further --schedule and --target, under names that say which.
std::vector<bench::Variant> variants_of(const BenchCommand& command) {
  std::vector<bench::Variant> variants;
  const auto add = [&](const std::vector<std::string>& given, std::string CommonOptions::*which) {
    for (size_t i = 1; i < given.size(); ++i) {
      CommonOptions other = command.common;
      other.*which = given[i];
      const Settings settings = settings_of(other);
      variants.push_back({"volute " + given[i], settings.session, settings.compile});
    }
  };
  add(command.schedules->results(), &CommonOptions::schedule);
  add(command.targets->results(), &CommonOptions::target);
  return variants;
}

void name_peers(bench::Setting& setting, const std::vector<std::string>& against) {
  for (const bench::PeerEntry& entry : bench::known_peers()) {
    if (!bench::is_built(entry.name)) {
      setting.missing.push_back(fmt::format("{} ({})", entry.name, entry.package));
      continue;
    }
    if (std::find(against.begin(), against.end(), entry.name) == against.end()) continue;
    const auto peer = bench::find_peer(entry.name);
    if (peer) setting.peers.push_back((*peer)->version());
  }
}

int run_bench(BenchCommand command, Invocation& invocation) {
  if (!(command.seconds > 0 && command.seconds <= 3600))
    misuse(fmt::format("--seconds: {} is not above 0 and at most 3600", command.seconds));
  bench::BenchOptions options;
  if (command.is_quick) {
    if (command.tasks.words.empty()) command.tasks.words = {"quick"};
    command.seconds = std::min(command.seconds, 0.2);
    options.reference_steps = 1e7;
  }
  const Tasks tasks = tasks_of(command.tasks, invocation);
  const bool is_short = !command.is_long && tasks.all.size() > most_blocks;
  options.against =
      command.against.empty() ? usual_contenders(tasks.all.size()) : contenders_of(command.against);
  for (const std::string* path : {&command.json, &command.csv, &command.html})
    if (!path->empty() && *path != "-") // better before the work than after it
      if (const auto place = runtime::place_to_write(*path); !place)
        throw Stop(exit_refused, render(place.diagnostics(), "", ""));
  const Settings settings = settings_of(command.common);
  options.session = settings.session;
  options.compile = settings.compile;
  options.variants = variants_of(command);
  options.seconds = command.seconds;
  options.is_cold = command.is_cold;
  options.fill = tasks.fill;

  bench::Setting setting{std::string(version), std::string(compiler::llvm_version()),
                         bench::cpu_report(), invocation.reproduction()};
  name_peers(setting, options.against);
  const bool has_table = command.json != "-" && command.csv != "-";
  size_t width = 7;
  for (const Task& task : tasks.all) width = std::max(width, task.program->name.size());
  std::vector<std::string> others;
  for (const bench::Variant& variant : options.variants) others.push_back(variant.name);
  others.insert(others.end(), options.against.begin(), options.against.end());
  const bench::ShortTable rows(width, others);

  std::vector<bench::Benchmark> done;
  {
    Progress progress("measuring the machine");
    setting.ceilings = options.ceilings = bench::measure_ceilings();
    setting.call_overhead = bench::call_overhead(options.session);
    if (has_table) {
      const int threads = options.session.threads().count();
      progress.print_above(bench::head(setting, threads, options.is_cold) + "\n" +
                           (is_short ? rows.title() : ""));
    }
    const double start = bench::steady_seconds();
    for (const Task& task : tasks.all) {
      const std::string place =
          place_in_line(done.size(), tasks.all.size(), bench::steady_seconds() - start);
      options.progress = [&](const std::string& what) { progress.now(place + what); };
      done.push_back(task.source->value_of(bench::benchmark(*task.program, options)));
      done.back().file = task.source->name;
      done.back().uses = task.uses;
      done.back().group = task.group;
      if (has_table && is_short) progress.print_above(rows.row(done.back()));
    }
    progress.now("measuring the machine again");
    setting.ceilings_drift = bench::drift(*setting.ceilings, bench::measure_ceilings());
  }
  if (has_table)
    print((is_short ? "\n" + bench::ShortTable::legend(done) : bench::table(done)) +
          bench::foot(done, setting));
  if (!command.json.empty()) write(command.json, bench::json(done, setting));
  if (!command.csv.empty()) write(command.csv, bench::csv(done));
  if (!command.html.empty()) write(command.html, bench::page(done, setting));
  return exit_done;
}

int run_compare(const CompareCommand& command) {
  const auto recorded = [](const std::string& path) {
    const Expected<bench::Recorded> run =
        bench::read_json(read_text_file(path, longest_run, "benchmark"));
    if (!run) throw Stop(exit_refused, render(run.diagnostics(), path, ""));
    return *run;
  };
  const bench::Recorded before = recorded(command.before), after = recorded(command.after);
  const bench::RunComparison compared = bench::compare_runs(before, after, command.by);
  if (compared.changes.empty())
    misuse(fmt::format("the two runs have no program in common that {} has a time for",
                       ir::quoted(command.by)));
  print(bench::to_string(compared, before, after));
  return exit_done;
}

std::string footer() {
  std::string peers;
  for (const bench::PeerEntry& entry : bench::known_peers())
    peers += fmt::format(
        "  {:8}  {}{}\n", entry.name, entry.library,
        bench::is_built(entry.name) ? "" : fmt::format(" (not in this build: {})", entry.package));
  return fmt::format(fmt::runtime(examples), fmt::arg("peers", peers),
                     fmt::arg("suites", fmt::format("  {}", fmt::join(suite_names(), " "))));
}

} // namespace

void add_bench(CLI::App& app, Invocation& invocation, Actions& actions) {
  auto command = std::make_shared<BenchCommand>();
  CLI::App* sub = app.add_subcommand("bench", "Time programs against naive loops and libraries");
  sub->footer(footer);
  sub->add_option("FILE", command->tasks.words,
                  "Programs' files, or suites; - is standard input. NAME=in.npy is an\n"
                  "input of one program")
      ->option_text("...");
  add_source_options(*sub, command->tasks.source);
  sub->add_flag("--quick", command->is_quick,
                "A dozen layers, in under a minute: is it fast here?");
  sub->add_option("--only", command->tasks.only,
                  "Programs whose names a regular expression is found in")
      ->type_name("REGEX");
  sub->add_option("--layout", command->tasks.layout,
                  "Programs on images with their channels first, or last (both)")
      ->type_name("ORDER")
      ->check(CLI::IsMember({"first", "last", "both"}));
  sub->add_option("--against", command->against,
                  "Contenders, separated by commas; none is Volute alone (those that\n"
                  "are here; of more than 4 programs, naive and cpp are left out)")
      ->type_name("NAMES");
  sub->add_flag("--cold", command->is_cold,
                "Empty the caches before every call: operands and weights come\n"
                "from memory");
  sub->add_option("--fill", command->tasks.fill,
                  "What inputs hold: normal (distributed, weights scaled by the root of\n"
                  "the taps), random (whole numbers), random:SEED, zeros, ones or iota\n"
                  "(normal)")
      ->type_name("HOW");
  sub->add_option("--seconds", command->seconds,
                  "Time to measure for each program, and for each slow contender (1)")
      ->type_name("S");
  sub->add_flag("--long", command->is_long,
                "A block of lines for each program, of more than 4 too");
  sub->add_option("--json", command->json,
                  "Also write everything, each sample too, to a file;\n- is standard output, "
                  "in place of the table")
      ->type_name("FILE");
  sub->add_option("--csv", command->csv,
                  "Also write a line for each contender to a file; - likewise")
      ->type_name("FILE");
  sub->add_option("--html", command->html, "Also write a page with plots to a file")
      ->type_name("FILE");
  add_common_options(*sub, command->common);
  command->schedules = sub->get_option("--schedule");
  command->targets = sub->get_option("--target");
  for (CLI::Option* option : {command->schedules, command->targets})
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeFirst)
        ->description(option->get_description() + "\nof bench, once more: Volute against itself");

  auto compare = std::make_shared<CompareCommand>();
  CLI::App* two = sub->add_subcommand("compare", "What changed between two runs with --json");
  two->add_option("BEFORE", compare->before, "A file of --json")->required();
  two->add_option("AFTER", compare->after, "A later one")->required();
  two->add_option("--by", compare->by, "Whose times (volute)")->type_name("NAME");

  actions.emplace_back(sub, [command, compare, two, &invocation] {
    return two->parsed() ? run_compare(*compare) : run_bench(*command, invocation);
  });
}

} // namespace volute::tools
