#include "bench/tune.h"

#include "bench/machine.h"
#include "compiler/schedule/schedule.h"
#include "runtime/tuned.h"
#include "tools/bench_tasks.h"
#include "tools/commands.h"
#include "tools/common_options.h"
#include "tools/output.h"
#include "tools/stop.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <memory>

namespace volute::tools {
namespace {

using runtime::TunedSchedule;
using runtime::TunedSchedules;

constexpr const char* examples =
    R"(The model's best few schedules of every program are compiled and timed in turns, within the
time that is given for each. A winner that is at least 3 % faster than the model's choice, in turns
with it once more, is kept as a line of text beside the compiled kernels, for this CPU and program:
from then on, compiling the program with --schedule auto takes it, in every process, and the report
says so. On a shared machine pin it: taskset -c 1 volute ...

Examples:
  volute tune mine.vlt
  volute tune resnet50 --layout last --seconds 5
  volute tune list > ours.txt          all lines of this machine, to be sent around
  volute tune merge ours.txt theirs.txt)";

// Up to so many programs are told of trial by trial.
constexpr size_t most_told = 4;
constexpr double longest = 3600;

struct TuneCommand {
  TaskOptions tasks;
  CommonOptions common;
  double seconds = 10;
};

struct ListCommand {
  std::string dir;
  std::vector<std::string> files;
};

std::string microseconds(double seconds) { return fmt::format("{:.2f} us", seconds * 1e6); }

TunedSchedules kept_at(const std::string& folder) {
  Expected<TunedSchedules> found = TunedSchedules::load(folder);
  if (!found) refuse(found.diagnostics().front());
  return std::move(*found);
}

void keep(const TunedSchedules& schedules, const std::string& folder) {
  if (const Status saved = schedules.save(folder); !saved.ok())
    refuse(saved.failure().diagnostics.front());
}

std::string told(const bench::Tuning& tuning, bool each) {
  std::string text;
  if (each)
    for (const bench::Trial& trial : tuning.trials)
      text += trial.refused.empty() ? fmt::format("  {:>12}  {:.3f} of the time before  {}\n",
                                                  microseconds(trial.seconds), trial.to_before,
                                                  compiler::on_one_line(trial.what))
                                    : fmt::format("  {:>12}  {}: {}\n", "refused",
                                                  compiler::on_one_line(trial.what), trial.refused);
  text += fmt::format("  {:>12}  the model's choice: {}\n", microseconds(tuning.start_seconds),
                      tuning.start);
  if (!tuning.schedule.empty())
    text += fmt::format("  {:>12}  kept, {:.3f} times as fast ({:.3f} to {:.3f}): {}\n",
                        microseconds(tuning.best_seconds), tuning.faster, tuning.faster_low,
                        tuning.faster_high, tuning.schedule);
  else
    text += fmt::format("  {:>12}  the best of {} others, {:.3f} times as fast: nothing is kept\n",
                        microseconds(tuning.best_seconds), tuning.trials.size(), tuning.faster);
  if (tuning.ran_out) text += "  the time was over before all were tried\n";
  if (!tuning.is_steady)
    text += "  the machine was disturbed all the time: better once more on a quiet one\n";
  return text;
}

int run_tune(const TuneCommand& command, Invocation& invocation) {
  if (!(command.seconds > 0 && command.seconds <= longest))
    misuse(fmt::format("--seconds: {} is not above 0 and at most {}", command.seconds, longest));
  if (command.common.no_cache)
    misuse("--no-cache: what is measured is kept beside the compiled kernels",
           "--cache-dir names another place");
  if (command.common.schedule != "auto")
    misuse("--schedule: tuning begins with what the model chooses");
  if (command.common.deterministic)
    misuse("--deterministic: a kernel of one order takes the model's choice, and nothing measured");
  const std::string folder = kept_in(command.common.cache_dir);
  const Tasks tasks = tasks_of(command.tasks, invocation);
  // What was measured before is no part of the model's choice: a session that keeps nothing.
  CommonOptions model = command.common;
  model.no_cache = true, model.cache_dir = "";
  const Settings settings = settings_of(model);
  kept_at(folder); // what is wrong with it is said before the work
  bench::TuneOptions options;
  options.session = settings.session;
  options.compile = settings.compile;
  options.seconds = command.seconds;
  options.fill = tasks.fill;
  print(fmt::format("{}\n\n", bench::cpu_report()));
  size_t done = 0, won = 0;
  {
    Progress progress("tuning");
    const double start = bench::steady_seconds();
    for (const Task& task : tasks.all) {
      const std::string place =
          place_in_line(done++, tasks.all.size(), bench::steady_seconds() - start);
      options.progress = [&](const std::string& what) {
        progress.now(fmt::format("{}@{}: {}", place, task.program->name, what));
      };
      const bench::Tuning tuning = task.source->value_of(bench::tune(*task.program, options));
      progress.print_above(
          fmt::format("@{}\n{}", task.program->name, told(tuning, tasks.all.size() <= most_told)));
      runtime::CompileOptions complete = settings.compile;
      const auto request = settings.session.request(*task.program, complete);
      complete.target = compiler::to_string(request->target);
      const std::string digest = runtime::program_digest(*task.program, complete);
      // Others may have written there meanwhile: what is kept is read again for each.
      TunedSchedules kept = kept_at(folder);
      const bool had = kept.remove(complete.target, digest);
      if (!tuning.schedule.empty()) {
        kept.put({complete.target, digest, request->accuracy, tuning.faster, task.program->name,
                  tuning.schedule});
        ++won;
      }
      if (had || !tuning.schedule.empty()) keep(kept, folder);
    }
  }
  print(fmt::format("\n{} of {} programs have a faster schedule now, in {}/tuned.txt\n", won, done,
                    folder));
  return exit_done;
}

int run_list(const ListCommand& command) {
  print(kept_at(kept_in(command.dir)).to_string());
  return exit_done;
}

int run_merge(const ListCommand& command) {
  const std::string folder = kept_in(command.dir);
  TunedSchedules kept = kept_at(folder);
  std::vector<std::pair<std::string, TunedSchedules>> others;
  for (const std::string& path : command.files) { // all read before anything is written
    constexpr size_t longest_file = size_t{64} << 20;
    int64_t skipped = 0;
    others.emplace_back(
        path,
        TunedSchedules::parse(read_text_file(path, longest_file, "list of schedules"), &skipped));
    if (skipped > 0)
      throw Stop(exit_refused,
                 fmt::format("error: {}: {} lines are no records of volute tune: six fields with "
                             "tabs between them\n",
                             path, skipped));
  }
  for (const auto& [path, other] : others)
    print(fmt::format("{}: {} of {} taken\n", path, kept.merge(other), other.all().size()));
  keep(kept, folder);
  return exit_done;
}

int run_clear(const ListCommand& command) {
  const std::string folder = kept_in(command.dir);
  const size_t count = kept_at(folder).all().size();
  if (count > 0) keep(TunedSchedules(), folder);
  print(fmt::format("{} schedules forgotten\n", count));
  return exit_done;
}

} // namespace

void add_tune(CLI::App& app, Invocation& invocation, Actions& actions) {
  auto command = std::make_shared<TuneCommand>();
  CLI::App* sub =
      app.add_subcommand("tune", "Time the most promising schedules and remember the best");
  sub->footer(examples);
  sub->add_option("FILE", command->tasks.words,
                  "Programs' files, or suites; - is standard input. NAME=in.npy is an\n"
                  "input of one program")
      ->option_text("...");
  add_source_options(*sub, command->tasks.source);
  sub->add_option("--only", command->tasks.only,
                  "Programs whose names a regular expression is found in")
      ->type_name("REGEX");
  sub->add_option("--layout", command->tasks.layout,
                  "Programs on images with their channels first, or last (both)")
      ->type_name("ORDER")
      ->check(CLI::IsMember({"first", "last", "both"}));
  sub->add_option("--fill", command->tasks.fill, "What inputs hold, as in bench (normal)")
      ->type_name("HOW");
  sub->add_option("--seconds", command->seconds,
                  "Time for each program: compiling, measuring, comparing (10)")
      ->type_name("S");
  add_common_options(*sub, command->common);

  auto list = std::make_shared<ListCommand>();
  const auto below = [&](const char* name, const char* does) {
    CLI::App* one = sub->add_subcommand(name, does);
    one->add_option("--cache-dir", list->dir, "Where they are kept (~/.cache/volute)")
        ->type_name("DIR");
    return one;
  };
  CLI::App* all = below("list", "What was measured, a line each");
  CLI::App* merge =
      below("merge", "Take over lines of other files; of two, the one that gains more");
  merge->add_option("LIST", list->files, "Files of `volute tune list`")->required();
  CLI::App* clear = below("clear", "Forget all of them");

  actions.emplace_back(sub, [command, list, all, merge, clear, &invocation] {
    if (all->parsed()) return run_list(*list);
    if (merge->parsed()) return run_merge(*list);
    if (clear->parsed()) return run_clear(*list);
    return run_tune(*command, invocation);
  });
}

} // namespace volute::tools
