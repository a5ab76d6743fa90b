// The options that run, inspect and bench share: what to compile for, how, and on what to run.
#pragma once

#include "compiler/compile.h"
#include "runtime/threads.h"
#include "tools/program_source.h"

#include <optional>
#include <string>

namespace volute::tools {

struct CommonOptions {
  std::string target;            // empty: what VOLUTE_TARGET says
  std::string schedule = "auto"; // auto, naive, a text, or @file
  std::string threads;           // empty: what VOLUTE_THREADS says
  std::optional<double> accuracy; // empty: what VOLUTE_ACCURACY says
  bool deterministic = false;
  std::string cache_dir;
  bool no_cache = false;
  bool verbose = false;
};
void add_common_options(CLI::App& app, CommonOptions& options);

/// The same with the environment and @file read; stops on what makes no sense.
struct Settings {
  compiler::CompileRequest request;
  int threads = 1;
  bool verbose = false;
};
Settings settings_of(const CommonOptions& options);

/// Compiles, or stops with the reasons at their places in the source. A line on standard error with
/// --verbose, and while it takes long.
compiler::Compiled compile_program(const ProgramSource& source, const ir::Program& program,
                                   const compiler::CompileRequest& request, bool verbose);

/// A pool of that many threads, or a stop when the system has not got them.
runtime::Threads make_threads(int count);

} // namespace volute::tools
