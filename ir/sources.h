// Where things come from: which statements of a program, as it was written, a statement, a nest or
// a line of loops was made for.
//
// Sources travel beside what is compiled, from a program down to each instruction (DebugLoc in the
// code generator), and say nothing of what a thing is: no pass decides by them, no text shows them,
// and things that differ in them only are equal.
#pragma once

#include <cstdint>
#include <vector>

namespace volute::ir {

/// Indices into Program::statements of the program as written, ascending, each once.
struct Sources {
  std::vector<int32_t> statements; // the indices

  /// Puts others in.
  void add(const Sources& more);
  /// Whether there are none.
  bool empty() const { return statements.empty(); }
  bool operator==(const Sources&) const { return true; } // they do not make programs differ
};

/// A node's source: an index into NestProgram::sources or LoopProgram::sources.
using SourceId = int32_t;
constexpr SourceId no_source = -1;

} // namespace volute::ir
