// Convolutions of f32 by products of bf16, as a form: each operand is a sum of two or three bf16,
// and of the products of their parts those count that f32 has digits for, three or six. On units
// that multiply bf16 so many times faster than f32, a matrix unit above all, that is worth it. The
// nests are lower/split_products.cpp's.
#pragma once

#include "compiler/lower/lower.h"
#include "compiler/target/target.h"
#include "ir/program.h"

#include <cstdint>
#include <optional>
#include <string>

namespace volute::compiler {

/// Of operands in so many parts, 2 or 3.
std::optional<std::string> split_products_obstacle(const ir::Program& program,
                                                   const ir::Statement& statement,
                                                   const Target& target);
double split_products_error(const ir::Program& program, const ir::Statement& statement,
                            int64_t parts);
/// Whether the target multiplies and adds f32 faster than the products of their parts, however well
/// it goes.
bool split_products_too_slow(const Target& target, int64_t parts);

/// The functions of a row of the table of forms.
template <int64_t parts>
struct SplitProductsForm {
  static std::optional<std::string> obstacle(const ir::Program& program,
                                             const ir::Statement& statement, const Target& target) {
    return split_products_obstacle(program, statement, target);
  }
  static double error(const ir::Program& program, const ir::Statement& statement) {
    return split_products_error(program, statement, parts);
  }
  static bool too_slow(const Target& target) { return split_products_too_slow(target, parts); }
  static void lower(LowerOptions& options, ir::ValueId result) {
    options.split_products[result] = parts;
  }
};

} // namespace volute::compiler
