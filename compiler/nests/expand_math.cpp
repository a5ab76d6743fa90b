#include "compiler/nests/expand_math.h"

#include "compiler/nests/expand_math_lanes.h"
#include "ir/diagnostic.h"

#include <fmt/format.h>

namespace volute::compiler {

using ir::ElementType;
using ir::Expr;
using ir::UnaryFn;

bool is_function(const ir::ExprNode& node) {
  const auto* op = std::get_if<ir::UnaryOp>(&node.is);
  return op && op->fn >= UnaryFn::exp;
}

Expr expand_math(const Expr& expr) {
  return rewrite(expr, [](const Expr& node) {
    if (!is_function(*node)) return node;
    const auto* op = std::get_if<ir::UnaryOp>(&node->is);
    if (node->type != ElementType::f32 && node->type != ElementType::f64)
      throw InternalError(fmt::format("{} of {}: lowering computes functions in f32 or f64",
                                      to_string(op->fn), to_string(node->type)));
    const Lanes in{node->type, node->lanes};
    switch (op->fn) {
    case UnaryFn::exp: return expand_exp(in, op->a);
    case UnaryFn::expm1: return expand_expm1(in, op->a);
    case UnaryFn::log: return expand_log(in, op->a);
    case UnaryFn::log1p: return expand_log1p(in, op->a);
    case UnaryFn::tanh: return expand_tanh(in, op->a);
    case UnaryFn::erf: return expand_erf(in, op->a);
    default: return node;
    }
  });
}

Expr split_fma(const Expr& expr) {
  return rewrite(expr, [](const Expr& node) {
    const auto* op = std::get_if<ir::Fma>(&node->is);
    return op && is_float(node->type) ? op->a * op->b + op->c : node;
  });
}

ir::Nest with_expressions(ir::Nest nest, const std::function<Expr(const Expr&)>& rewrite) {
  for (ir::Accumulator& a : nest.accumulators)
    a.initial = rewrite(a.initial), a.update = rewrite(a.update);
  for (ir::Write& w : nest.writes) {
    w.value = rewrite(w.value);
    if (w.offset) w.offset = rewrite(w.offset);
  }
  return nest;
}

} // namespace volute::compiler
