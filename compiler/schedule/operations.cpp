#include "compiler/schedule/operations.h"

#include "compiler/nests/expand_math.h"
#include "ir/walk.h"

namespace volute::compiler {

using namespace ir;

namespace {

constexpr int64_t of_a_function = 6;

} // namespace

int64_t operations(const ExprNode& node) {
  if (std::holds_alternative<Select>(node.is)) return 2;
  if (std::holds_alternative<Fma>(node.is)) return is_integer(node.type) ? 3 : 1;
  if (const auto* op = std::get_if<BinaryOp>(&node.is)) return op->fn == BinaryFn::div ? 16 : 1;
  if (is_function(node)) return of_a_function; // as expand_math writes it
  if (const auto* op = std::get_if<UnaryOp>(&node.is)) {
    switch (op->fn) {
    case UnaryFn::sqrt: return 16;
    case UnaryFn::flushed:
    case UnaryFn::cut: return of_a_rounding; // half a register is not had for less
    case UnaryFn::bitcast: return 0;         // the register as it is
    case UnaryFn::convert:
      if (node.type == ElementType::bf16) return of_a_rounding; // and more for denormals
      return is_float(node.type) && size_of(op->a->type) < 4 ? 2 : 1;
    default: return 1;
    }
  }
  return 0;
}

int64_t operations(const Expr& e, Conversions conversions) {
  int64_t count = 0;
  visit(e, [&](const ExprNode& node) {
    const auto* op = std::get_if<UnaryOp>(&node.is);
    if (conversions == Conversions::counted || !op || op->fn != UnaryFn::convert)
      count += operations(node);
  });
  return count;
}

} // namespace volute::compiler
