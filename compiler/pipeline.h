// Program -> nests -> loops: everything before code generation, needs no LLVM. Every stage is kept,
// so that it can be printed and evaluated.
#pragma once

#include "compiler/image/tensor_strides.h"
#include "compiler/report/report.h"
#include "compiler/schedule/schedule.h"
#include "compiler/target/target.h"
#include "ir/loops.h"
#include "ir/nest.h"
#include "ir/program.h"

#include <map>
#include <string>
#include <vector>

namespace volute::compiler {

struct CompileRequest {
  Target target = host();
  std::string schedule = "auto";          // auto, naive, or a schedule's text
  std::string schedule_name = "schedule"; // what messages call that text
  /// The largest error that a form may make, in multiples of direct f32's (rewrites/form.h).
  double accuracy = 2;
  /// Of inputs and outputs that are not dense, by name, in elements; `compile` checks them.
  StridesByName strides;
  bool llvm_text = false; // keep the LLVM IR as text
  bool assembly = false;  // keep the assembly as text
};

struct Stages {
  ir::Program program;   // as legalised
  ir::NestProgram nests; // as lowered
  Schedules schedules;   // by nest, every default filled in
  ir::LoopProgram loops; // what the code generator receives
  Report report;
};

/// Lowers, schedules and specialises; every result is verified. Failures are the program's
/// (an operator that is not compiled yet) or the schedule's.
Expected<Stages> specialise_program(const ir::Program& program, const CompileRequest& request);

/// The same from nests on, which may have parameters; nests that do not pass verify are refused.
Expected<Stages> specialise_nests(const ir::NestProgram& nests, const CompileRequest& request);

} // namespace volute::compiler
