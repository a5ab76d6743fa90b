// Which programs `volute bench` measures, and on what data.
#pragma once

#include "bench/bench.h"
#include "tools/program_source.h"

#include <string>
#include <vector>

namespace volute::tools {

struct TaskOptions {
  SourceOptions source;
  std::vector<std::string> words; // FILE, suite, x=x.npy
  std::string only, layout = "both";
  std::string fill;
};

/// A program to measure.
struct Task {
  const ProgramSource* source;
  const ir::Program* program;
  int uses;          // by its network
  std::string group; // what it is summed up in; empty where it stands alone
};

struct Tasks {
  std::vector<ProgramSource> sources; // that the tasks point into
  std::vector<Task> all;
  bench::FillInputs fill; // null: made up
};

/// Everything that the command line names, found right before any work begins.
Tasks tasks_of(const TaskOptions& options, Invocation& invocation);

} // namespace volute::tools
