// Statements whose operands are all constants become constants: a weight that is reordered,
// converted or padded costs nothing when the kernel runs.
//
//     %k = const [1, 2, 3] : i8[...]          before
//     %f = convert %k : f32[...]
//     %y = conv %x, %f
//
//     %f = const [1, 2, 3] : f32[...]         after
//     %y = conv %x, %f
//
// Their values are the reference's: integers exactly, floats rounded once. A program without inputs
// is left as it is: all of it is constants, and computing them is what it was compiled for.
#pragma once

#include "ir/program.h"

namespace volute::compiler {

/// A verified program; the result has the same inputs and outputs.
ir::Program fold_constants(const ir::Program& program);

} // namespace volute::compiler
