// The form of a convolution of narrow elements that machines add several products of at a time:
// four of bytes, two of bf16. Lowering brings the image into the order that the instructions take
// (lower/grouped_products.cpp), and the schedule's innermost loop is a `dot`.
//
//     acc += x[i] * w[i]                                        direct: each product widened
//     acc += x[i] * w[i] + ... + x[i + 3] * w[i + 3]            dot
//
// The same for a matrix unit, whose rows are pixels: there the image has its padding beside it, and
// as many channels as fill the products.
#pragma once

#include "compiler/lower/lower.h"
#include "compiler/target/target.h"
#include "ir/program.h"

#include <optional>
#include <string>

namespace volute::compiler {

std::optional<std::string> dot_products_obstacle(const ir::Program& program,
                                                 const ir::Statement& statement,
                                                 const Target& target);
double dot_products_error(const ir::Program& program, const ir::Statement& statement);
void lower_as_dot_products(LowerOptions& options, ir::ValueId result);

std::optional<std::string> matrix_products_obstacle(const ir::Program& program,
                                                    const ir::Statement& statement,
                                                    const Target& target);
void lower_as_matrix_products(LowerOptions& options, ir::ValueId result);

} // namespace volute::compiler
