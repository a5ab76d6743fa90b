#include "compiler/rewrites/dot_products.h"

#include "ir/operators.h"

#include <fmt/format.h>

namespace volute::compiler {

using ir::Axis;
using ir::ElementType;

namespace {

/// Whatever adds them.
std::optional<std::string> groups_obstacle(const ir::Program& program,
                                           const ir::Statement& statement) {
  const std::optional<ir::Convolution> conv = ir::convolution(statement.operation);
  if (!conv) return "it is no convolution";
  const ir::TensorType &x = program.type(statement.operands[0]),
                       &w = program.type(statement.operands[1]);
  const bool bytes = is_integer(x.element);
  if (!bytes && x.element != ElementType::bf16)
    return fmt::format("its elements are {}, and there are instructions for bytes and bf16",
                       to_string(x.element));
  const int64_t inputs = conv->inputs(w), ways = bytes ? 4 : 2;
  if (inputs < 2) return "it adds one input channel, so there are no groups";
  if (conv->outputs(w) < 2) return "it has one output channel a group, and vectors run along them";
  if (w.parts(Axis::i) > 1) return "its weight's input channels are split";
  if (x.parts(Axis::c) > 1 && inputs % ways != 0)
    return fmt::format("its image's channels are split, and {} are no multiple of {}", inputs,
                       ways);
  return std::nullopt;
}

bool is_conv_of_bf16(const ir::Program& program, const ir::Statement& statement) {
  return ir::convolution(statement.operation) &&
         program.type(statement.operands[0]).element == ElementType::bf16;
}

} // namespace

std::optional<std::string> dot_products_obstacle(const ir::Program& program,
                                                 const ir::Statement& statement,
                                                 const Target& target) {
  const auto obstacle = groups_obstacle(program, statement);
  if (!is_conv_of_bf16(program, statement) || target.has("avx512bf16")) return obstacle;
  return "the target has no vdpbf16ps";
}

std::optional<std::string> matrix_products_obstacle(const ir::Program& program,
                                                    const ir::Statement& statement,
                                                    const Target& target) {
  if (const auto obstacle = groups_obstacle(program, statement)) return obstacle;
  if (!target.has_tiles_for(program.type(statement.operands[0]).element))
    return "the target has no matrix unit for them";
  return std::nullopt;
}

double dot_products_error(const ir::Program& program, const ir::Statement& statement) {
  // Sums of bytes are exact. Of bf16 a pair of products is added with the roundings of two steps or
  // fewer, in another order than that of a direct sum: 0.7 to 1.1 times its error, measured.
  return is_integer(program.type(statement.operands[0]).element) ? 0 : 1.5;
}

void lower_as_dot_products(LowerOptions& options, ir::ValueId result) {
  options.dot_products.insert(result);
}

void lower_as_matrix_products(LowerOptions& options, ir::ValueId result) {
  options.dot_products.insert(result);
  options.matrix_products.insert(result);
}

} // namespace volute::compiler
