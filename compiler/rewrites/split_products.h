// Convolutions of f32 by products of bf16, as a form: each operand is a sum of two or three bf16,
// and of the products of their parts those count that f32 has digits for, three or six. Of f16,
// which is the sum of two, all four are exact. On units that multiply bf16 so many times faster
// than f32, a matrix unit above all, that is worth it. The nests are lower/split_products.cpp's.
#pragma once

#include "compiler/lower/lower.h"
#include "compiler/target/target.h"
#include "ir/program.h"

#include <cstdint>
#include <optional>
#include <string>

namespace volute::compiler {

/// By so many products of parts: 6, 4 or 3.
std::optional<std::string> split_products_obstacle(const ir::Program& program,
                                                   const ir::Statement& statement,
                                                   const Target& target, int64_t products);
double split_products_error(const ir::Program& program, const ir::Statement& statement,
                            int64_t products);
/// Whether the target multiplies and adds f32 faster than the products of their parts, however well
/// it goes.
bool split_products_too_slow(const Target& target, int64_t products);

/// The functions of a row of the table of forms.
template <int64_t products>
struct SplitProductsForm {
  static std::optional<std::string> obstacle(const ir::Program& program,
                                             const ir::Statement& statement, const Target& target) {
    return split_products_obstacle(program, statement, target, products);
  }
  static double error(const ir::Program& program, const ir::Statement& statement) {
    return split_products_error(program, statement, products);
  }
  static bool too_slow(const Target& target) { return split_products_too_slow(target, products); }
  static void lower(LowerOptions& options, ir::ValueId result) {
    options.split_products[result] = products;
  }
};

} // namespace volute::compiler
