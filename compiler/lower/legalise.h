// Programs to programs that lowering takes: statements put in where an operator, as it is written,
// is not one nest over its operands' memory. Everything put in is an ordinary statement, so the
// report and the dumps show it.
//
//     %y = conv %x, %w {padding_mode = reflect, pad = 1}      before
//
//     %x_padded = pad %x {pad = 1, mode = reflect}            after
//     %y = conv %x_padded, %w
//
// - padding that copies elements (reflect, replicate, circular) becomes a pad statement;
// - an operand split along an axis in which the operator moves, or in a way that does not go with
//   the splits of its other operands, is reordered to a whole layout first;
// - so is a result, afterwards, whose layout the operator cannot write;
// - but a value that only one element-wise statement reads is made whole where it is made.
#pragma once

#include "compiler/lower/fuse.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/splits.h"
#include "ir/program.h"

namespace volute::compiler {

/// A verified program; the result needs no verification and has the same inputs and outputs.
ir::Program legalise(const ir::Program& program, const LowerOptions& options = {});

/// Whether the layouts of statements that become one nest, head first, go together.
bool layouts_go_together(const ir::Program& program, const Together& statements);

} // namespace volute::compiler
