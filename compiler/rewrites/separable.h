// The form of a convolution whose constant 2-D filter is the product of a column and a row: two
// passes.
//
//     %y = conv %x, %w {pad = 2}              direct: 25 multiply-adds a pixel
//
//     %y_rows = conv %x, %w_row {pad = ...}   separable: 5 along w,
//     %y = conv %y_rows, %w_column, %b        and 5 along h
//
// For one channel in and out of each group (images of one channel, depthwise filters), f32 and f64,
// padding with zeros. The factors are exact, or their product is within an ulp of each tap.
#pragma once

#include "compiler/rewrites/edit.h"
#include "compiler/target/target.h"
#include "ir/program.h"

#include <optional>
#include <string>

namespace volute::compiler {

std::optional<std::string> separable_obstacle(const ir::Program& program,
                                              const ir::Statement& statement, const Target& target);
double separable_error(const ir::Program& program, const ir::Statement& statement);
/// The program with the convolution that defines `result` as two; the same inputs and outputs.
void separable(Edit& edit, ir::ValueId result);

} // namespace volute::compiler
