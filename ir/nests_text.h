// The text of nests with where each of its lines comes from, as LoopsText is that of loops.
#pragma once

#include "ir/nest.h"

#include <string>
#include <vector>

namespace volute::ir {

struct NestsText {
  /// A line of a nest. Declarations and axes are for all statements that the nest is for, a value
  /// for those that its nodes come from.
  struct Line {
    int nest = -1; // index into NestProgram::nests; -1: a line of no nest
    Sources sources;
  };
  std::string text; // to_string of the program
  std::vector<Line> lines;
};
NestsText text_of(const NestProgram& program);

} // namespace volute::ir
