// Which written statements a rewritten program's statements come from. A rewrite says nothing of
// it: it is read off what it was given and what it has made.
//
//     %0 = conv %x, %w                  1        %y = conv %x, %w_scaled, %y_bias      1, 2
//     %y = batch_norm %0, ...           2
#pragma once

#include "ir/program.h"

namespace volute::compiler {

/// The program as it is written: each statement is its own source.
ir::Program with_own_sources(ir::Program program);

/// Adds to what the statements of `after` say themselves:
/// - what defines a value that a statement of `before` defined has the sources of that;
/// - a statement that is gone, unless it was a constant, leaves its sources to its readers;
/// - a statement that was put in has those of its readers.
/// Both programs number the values of `before` alike.
void hand_on_sources(const ir::Program& before, ir::Program& after);

} // namespace volute::compiler
