#include "compiler/nests/weight_expression.h"

#include "compiler/nests/strides.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace volute::compiler {

using namespace ir;

namespace {

bool reads(const Expr& e, int32_t operand) {
  bool found = false;
  visit(e, [&](const ExprNode& node) {
    const auto* read = std::get_if<Read>(&node.is);
    found |= read && read->operand == operand;
  });
  return found;
}

bool is_of_weight_alone(const Expr& e, int32_t weight) {
  bool alone = true;
  visit(e, [&](const ExprNode& node) {
    const auto* read = std::get_if<Read>(&node.is);
    alone &= !std::holds_alternative<Acc>(node.is) && !std::holds_alternative<Position>(node.is) &&
             (!read || read->operand == weight);
  });
  return alone;
}

} // namespace

Expr weight_expression(const Nest& nest) {
  if (nest.weight < 0 || nest.accumulators.empty() ||
      !reads(nest.accumulators.front().update, nest.weight))
    throw InternalError(fmt::format("nest {}: its weight is never read", nest.name));
  Expr at = nest.accumulators.front().update;
  while (!is_of_weight_alone(at, nest.weight))
    for (const Expr& child : children(at))
      if (reads(child, nest.weight)) {
        at = child;
        break;
      }
  return at;
}

const Read& weight_read(const Expr& weight_expression, int32_t weight) {
  const Read* found = nullptr;
  visit(weight_expression, [&](const ExprNode& node) {
    const auto* read = std::get_if<Read>(&node.is);
    if (read && read->operand == weight) found = read;
  });
  if (!found) throw InternalError("a weight's expression without the weight");
  return *found;
}

Nest with_packed_weight(const Nest& nest) {
  const Expr whole = weight_expression(nest);
  const Read& read = weight_read(whole, nest.weight);
  Nest packed = nest;
  for (Accumulator& a : packed.accumulators)
    a.update = rewrite(a.update, [&](const Expr& node) {
      return node.get() == whole.get() ? ir::read(whole->type, read.operand, read.index) : node;
    });
  return packed;
}

std::optional<DotForm> dot_form(const Nest& nest, Var axis) {
  if (nest.weight < 0 || nest.accumulators.size() != 1) return std::nullopt;
  const Accumulator& a = nest.accumulators.front();
  const auto* product = std::get_if<Fma>(&a.update->is);
  if (!product || !std::holds_alternative<Acc>(product->c->is)) return std::nullopt;
  const auto narrow = [](const Expr& e) -> Expr {
    const auto* op = std::get_if<UnaryOp>(&e->is);
    return op && op->fn == UnaryFn::convert ? op->a : nullptr;
  };
  DotForm form{0, a.type, narrow(product->a), narrow(product->b)};
  if (!form.image || !form.weight) return std::nullopt;
  const auto* image = std::get_if<Read>(&form.image->is);
  if (!image || !is_of_weight_alone(form.weight, nest.weight) || !reads(form.weight, nest.weight))
    return std::nullopt;
  if (a.type == ElementType::i32 && form.image->type == ElementType::u8 &&
      form.weight->type == ElementType::i8)
    form.ways = 4;
  if (a.type == ElementType::f32 && form.image->type == ElementType::bf16 &&
      form.weight->type == ElementType::bf16)
    form.ways = 2;
  if (form.ways == 0 || stride_along(nest, image->operand, image->index, axis) != 1)
    return std::nullopt;
  for (const Constraint& c : nest.constraints)
    if (c.value.depends_on(axis)) return std::nullopt;
  // Lanes run along one dimension.
  const auto along = std::count_if(image->index.begin(), image->index.end(),
                                   [&](const Subscript& s) { return s.at.depends_on(axis); });
  if (along != 1) return std::nullopt;
  return form;
}

} // namespace volute::compiler
