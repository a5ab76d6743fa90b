// The table of passes: program -> nests -> loops -> code, in the order in which they run.
//
// A pass is a function from value to value (stages.h). The table is the one place where what a pass
// has made is verified, timed and shown; a pass does none of that itself. To add one, write its
// function in the room that it belongs to, and a row here.
#pragma once

#include "compiler/stages.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace volute::compiler {

/// What a pass makes: how that is checked, and how it reads.
struct Level {
  std::string_view name;
  std::vector<Diagnostic> (*verify)(const Stages&);
  std::string (*text)(const Stages&);
};

struct Pass {
  std::string_view name;
  std::string_view takes; // the level that it reads: that of a pass before it
  const Level& makes;
  std::string_view sentence; // what it does
  Expected<Stages> (*run)(Stages, const CompileRequest&);
};

/// From a program to loops: everything before code generation, which needs no LLVM. The passes
/// after them are in compile.h.
std::span<const Pass> passes_to_loops();

/// Runs passes over a value. What each makes is verified (a fault is an InternalError that names
/// the pass), takes its time in Report::passes, and is shown to `request.watch`.
Expected<Stages> run(std::span<const Pass> passes, Stages value, const CompileRequest& request);

/// Lowers, schedules and specialises. Failures are the program's (an operator that is not compiled
/// yet) or the schedule's.
Expected<Stages> specialise_program(const ir::Program& program, const CompileRequest& request);

/// The same from nests on, which may have parameters: those of a program that was lowered before,
/// or written by hand. Refused are nests that do not pass verify, and what cannot be told from a
/// nest alone: a place in bands that it does not fit, memory that is read and never written.
Expected<Stages> specialise_nests(const ir::NestProgram& nests, const CompileRequest& request);

/// The same from loops on, in which no decision is left: they are brought into the form that a text
/// of loops stands for, and reported on. Refused likewise, and so is any schedule.
Expected<Stages> finish_loops(const ir::LoopProgram& loops, const CompileRequest& request);

/// A program on the way to loops as far as nests that can run as they are (Stages::pieces), their
/// functions spelt out as operations; a schedule is not looked at.
Expected<Stages> lower_program(const ir::Program& program, const CompileRequest& request);

/// A table of passes for people, a line each: "legalise  program -> program  ...".
std::string to_string(std::span<const Pass> passes);

} // namespace volute::compiler
