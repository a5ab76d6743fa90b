// The value that passes through the pipeline: a program at every level that it has reached, and
// what was decided on the way. Every level is kept, so that it can be printed and evaluated.
#pragma once

#include "compiler/image/tensor_strides.h"
#include "compiler/lower/lower.h"
#include "compiler/report/report.h"
#include "compiler/schedule/asked.h"
#include "compiler/schedule/choose.h"
#include "compiler/schedule/plan.h"
#include "compiler/schedule/schedule.h"
#include "compiler/specialise/steps.h"
#include "compiler/target/target.h"
#include "ir/budget.h"
#include "ir/loops.h"
#include "ir/nest.h"
#include "ir/program.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace volute::compiler {

class Generation;
struct CInterface;
struct DebugObject;
struct Image;
struct Listing;
struct Pass;
struct Stages;

struct CompileRequest {
  Target target = host();
  std::string schedule = "auto";          // auto, naive, or a schedule's text
  std::string schedule_name = "schedule"; // what messages call that text
  std::string schedule_note = "";         // what the report says of where it comes from
  /// The largest error that a form may make, in multiples of direct f32's (rewrites/form.h).
  double accuracy = 2;
  /// Direct sums of floats, added up in the order of schedule/sum_order.h: schedules of another
  /// order are refused, and every schedule gives the same bits.
  bool deterministic = false;
  /// Of inputs and outputs that are not dense, by name, in elements; `compile` checks them.
  StridesByName strides;
  /// What compiling may take before it is given up.
  Budget budget;
  /// What the functions of an object file begin with, that is made besides; empty: none is.
  std::string object_name;
  bool llvm_text = false; // keep the LLVM IR as text
  bool assembly = false;  // keep the assembly, with where each instruction comes from
  /// Where debuggers are to find the text of the loops: makes a DebugObject. Empty: none.
  std::string debug_folder = "";
  bool spills = false; // count what the code keeps on the stack, for the report
  /// Sees the value after each pass; what it throws ends the compilation there.
  std::function<void(const Pass&, const Stages&)> watch = nullptr;
};

struct Stages {
  /// Says of a pass that it has left everything as it was, and verified.
  bool unchanged = false;
  ir::Program written;
  ir::Program program;                  // as legalised
  ir::NestProgram nests;                // as lowered
  ir::NestProgram pieces;               // cut into bands, flattened, math expanded: as specialised
  std::map<std::string, Choice> why;    // by nest: its schedule as asked for or chosen
  Schedules schedules;                  // by nest, every default filled in
  std::map<std::string, Plan> plans;    // by nest: what they mean for it
  ir::LoopProgram loops;                // what the code generator receives
  std::vector<PendingPacking> packings; // operands that are still to be packed
  std::shared_ptr<Generation> generation; // of code, on its way
  std::string llvm, assembly;             // as text, on request
  std::shared_ptr<const Listing> listing; // the assembly, on request
  std::shared_ptr<DebugObject> debug;     // on request
  /// Of the object file that is asked for: its functions, and the tables that they are made from.
  std::shared_ptr<const CInterface> interface;
  std::shared_ptr<const Image> tables;
  double aside_ms = 0; // CPU time that only looking took
  Report report;

  Asked asked;           // which schedules
  LowerOptions lowering; // of the program in the forms that were chosen
};

} // namespace volute::compiler
