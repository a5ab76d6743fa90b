// The options that run, compile, inspect and bench share: what to compile for, how, and on what to
// run.
#pragma once

#include "compiler/compile.h"
#include "runtime/session.h"
#include "tools/program_source.h"

#include <optional>
#include <string>
#include <string_view>

namespace volute::tools {

struct CommonOptions {
  std::string target;                    // empty: what VOLUTE_TARGET says
  std::string schedule = "auto";         // auto, naive, a text, or @file
  std::string threads;                   // empty: what VOLUTE_THREADS says
  std::optional<double> accuracy;        // empty: what VOLUTE_ACCURACY says
  std::optional<double> compile_seconds; // empty: what VOLUTE_COMPILE_SECONDS says
  std::string compile_memory;            // empty: what VOLUTE_COMPILE_MEMORY says
  bool flush_denormals = false;
  bool deterministic = false;
  std::string cache_dir; // empty: what VOLUTE_CACHE_DIR and its like say
  bool no_cache = false;
  bool verbose = false;
};
void add_common_options(CLI::App& app, CommonOptions& options);

/// Of a folder that need not be there yet, from / on.
std::string whole_path(const std::string& path);
/// All of a text file of at most so many bytes; `what` it should be stands in the refusal. Stops on
/// one.
std::string read_text_file(const std::string& path, size_t longest, std::string_view what);
/// Where kernels and measured schedules are kept: `dir`, or where it is empty what the environment
/// says. Stops where that is nowhere.
std::string kept_in(const std::string& dir);

/// The same with the environment and @file read: a session, and how it shall compile. Stops on what
/// makes no sense, and when the system has not got the threads.
struct Settings {
  runtime::Session session;
  runtime::CompileOptions compile;
};
Settings settings_of(const CommonOptions& options);

/// Compiles by the session, or stops with the reasons at their places in the source. Says so on
/// standard error while it takes long.
runtime::Kernel compile_program(const ProgramSource& source, const ir::Program& program,
                                Settings& settings);
/// What the session's compiler is asked for, to be added to; stops likewise.
compiler::CompileRequest request_of(const ProgramSource& source, const ir::Program& program,
                                    const Settings& settings);

} // namespace volute::tools
