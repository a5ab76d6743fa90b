// A program that runs without code: its nests, as they are when nothing is left to do to them but
// to schedule them, and the tables of an image around them, a step for each nest.
#pragma once

#include "compiler/image/image.h"
#include "compiler/stages.h"
#include "ir/nest.h"

#include <cstdint>
#include <vector>

namespace volute::compiler {

struct PlainProgram {
  Image image;                // without code; the work of each step is left open
  ir::NestProgram nests;      // a nest for each step
  std::vector<int32_t> slots; // by buffer of the nests: its place among the image's, or -1
};

/// What a program computes, in direct sums whose order is that of a deterministic kernel where one
/// is asked for. Refused is what the compiler refuses of a program.
Expected<PlainProgram> plain_program(const ir::Program& program, const CompileRequest& request);

} // namespace volute::compiler
