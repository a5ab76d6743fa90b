// Machine code as text that knows where it comes from.
//
//     loops line 31    acc[w_r][o_v] = fma(x_, w_[o_v], acc[w_r][o_v])
//     statement  %0    conv %x, %w, %b
//     instruction      vfmadd231ps %ymm8, %ymm10, %ymm0
//
// The way of an instruction back is Line::place: its line of the loops text (Listing::loops), and
// the statement, an index into LoopProgram::sources, which says the statements of the program as it
// was written. A line of loops may be for several statements (`store y[...] = max(0, acc)` stores
// what a convolution and a relu have made); each of its instructions is for one.
//
// What a machine loop does and what it keeps on the stack is counted here, from the instructions.
#pragma once

#include "ir/loops.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace volute::compiler {

/// Where a line of code comes from.
struct CodePlace {
  int line = 0;                        // of the loops text, from 1; 0: no line
  ir::SourceId source = ir::no_source; // into LoopProgram::sources
  bool operator==(const CodePlace&) const = default;
};

/// Instructions by what they do. Memory that is the function's own stack counts as spills and as
/// nothing else: the code keeps nothing there but registers that it ran out of.
struct CodeWork {
  int64_t instructions = 0;
  int64_t multiply_adds = 0;   // instructions: fused ones, and dot products
  int64_t products = 0;        // of elements, that those multiply
  int64_t multiplications = 0; // of floats, where they are not fused
  int64_t loads = 0, load_bytes = 0;
  int64_t stores = 0, store_bytes = 0;
  int64_t vector_spills = 0, vector_reloads = 0;
  int64_t scalar_spills = 0, scalar_reloads = 0;
  void add(const CodeWork& other);
};

/// What one instruction does; `frame` says whether %rbp is the stack's.
CodeWork work_of(std::string_view instruction, bool frame);

struct Listing {
  struct Line {
    enum class Kind : uint8_t { instruction, label, other }; // other: directives, data
    Kind kind = Kind::other;
    std::string text; // as it is written, without the end of the line
    CodePlace place;  // of instructions
  };
  /// Instructions that run again and again: from a label to the last jump back to it.
  struct Loop {
    size_t begin = 0, end = 0; // lines; `begin` is the label
    int depth = 1;             // 1: in no other
    bool innermost = true;
    CodeWork work; // of one trip, loops inside it once
  };
  struct Step {
    size_t begin = 0, end = 0; // lines; `begin` is the label
    std::vector<Loop> loops;   // in the order of their labels
    CodeWork work;
  };

  std::vector<Line> lines;
  std::vector<Step> steps; // of the program, in order
  ir::LoopsText loops;     // the text that places are lines of; it has no data of tables
  std::vector<ir::Sources> sources;

  /// The statements of the program as it was written that a line of code is for.
  const ir::Sources& sources_of(const Line& line) const;
  /// As an assembler takes it.
  std::string text() const;
};

/// Reads what LLVM wrote of a module with lines (emit_lines.h).
Listing listing_of(std::string_view assembly, ir::LoopsText loops, const ir::LoopProgram& program);

/// The LLVM IR as text, and where each of its lines comes from.
struct LlvmListing {
  std::string text;
  std::vector<CodePlace> places; // by line; line 0 for what is no instruction
};

} // namespace volute::compiler
