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

bool is_of_alone(const Expr& e, int32_t operand) {
  bool alone = true;
  visit(e, [&](const ExprNode& node) {
    const auto* read = std::get_if<Read>(&node.is);
    alone &= !std::holds_alternative<Acc>(node.is) && !std::holds_alternative<Position>(node.is) &&
             (!read || read->operand == operand);
  });
  return alone;
}

} // namespace

Expr part_of_operand(const Nest& nest, int32_t operand) {
  if (nest.accumulators.empty() || !reads(nest.accumulators.front().update, operand))
    return nullptr;
  Expr at = nest.accumulators.front().update;
  while (!is_of_alone(at, operand))
    for (const Expr& child : children(at))
      if (reads(child, operand)) {
        at = child;
        break;
      }
  return at;
}

Expr weight_expression(const Nest& nest) {
  Expr part = nest.weight < 0 ? nullptr : part_of_operand(nest, nest.weight);
  if (!part) throw InternalError(fmt::format("nest {}: its weight is never read", nest.name));
  return part;
}

const Read& read_in_part(const Expr& part, int32_t operand) {
  const Read* found = nullptr;
  visit(part, [&](const ExprNode& node) {
    const auto* read = std::get_if<Read>(&node.is);
    if (read && read->operand == operand) found = read;
  });
  if (!found) throw InternalError("an operand's part of an expression without the operand");
  return *found;
}

Nest with_packed(const Nest& nest, int32_t operand) {
  const Expr whole = part_of_operand(nest, operand);
  const Read& read = read_in_part(whole, operand);
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
  if (!image || !is_of_alone(form.weight, nest.weight) || !reads(form.weight, nest.weight))
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
