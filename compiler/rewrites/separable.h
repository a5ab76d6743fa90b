// A constant 2-D filter that is the product of a column and a row runs as two passes.
//
//     %y = conv %x, %w {pad = 2}              before: 25 multiply-adds a pixel
//
//     %y_rows = conv %x, %w_row {pad = ...}   after: 5 along w,
//     %y = conv %y_rows, %w_column, %b        and 5 along h
//
// For one channel in and out of each group (images of one channel, depthwise filters), f32 and f64,
// padding with zeros. The factors are exact: their product is the filter, bit for bit.
#pragma once

#include "ir/program.h"

#include <string>
#include <vector>

namespace volute::compiler {

/// A verified program; the result has the same inputs and outputs. `notes` gets a sentence for each
/// filter that was taken apart.
ir::Program separable(const ir::Program& program, std::vector<std::string>& notes);

} // namespace volute::compiler
