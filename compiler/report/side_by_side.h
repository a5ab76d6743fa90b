// Every stage as text whose lines know where they come from: what a page shows side by side.
//
//     program   %y = relu %0                                          statement 1
//     nest      y[n, h, w, o] = max(0, acc)                           statements 0, 1
//     schedule  registers w 4, o 16 vector 8                          statements 0, 1
//     loops     store y[0, h, w, 8*o_v] x8 = max(0, acc[w_r][o_v])    statements 0, 1; line 40
//     llvm      %61 = call <8 x float> @llvm.maxnum...                statement 1; line 40
//     asm       vmaxps %ymm2, %ymm0, %ymm2                            statement 1; line 40
//
// Nothing is found by what a text says: statements are those that nodes and instructions carry, a
// line of LLVM IR or of assembly has its line of the loops from the line table.
#pragma once

#include "compiler/report/listing.h"
#include "compiler/stages.h"

#include <string>
#include <vector>

namespace volute::compiler {

/// A line, without its end.
struct StageLine {
  std::string text;
  std::vector<int32_t> statements = {}; // of the program as it was written, ascending
  int loops_line = 0;                   // of LLVM IR, assembly, and of the loops themselves
  std::string nest = {};                // of nests and schedules, its name; of loops, the step's
};

struct StageText {
  std::string stage; // as --stage calls it
  std::vector<StageLine> lines;
};

/// Program, nest, schedule and loops, as far as there are some. Loops are without data of tables.
std::vector<StageText> side_by_side(const Stages& stages);
/// LLVM IR: its text, and by line where it comes from.
StageText stage_of_llvm(const std::string& text, const std::vector<CodePlace>& places,
                        const std::vector<ir::Sources>& sources);
/// Assembly, a line each of the listing.
StageText stage_of_assembly(const Listing& listing);

/// The line (from 1) of ir::to_string(program) on which each of its statements stands.
std::vector<int> statement_lines(const ir::Program& program);

} // namespace volute::compiler
