#include "ir/expr.h"

#include <unordered_map>
#include <unordered_set>
#include <utility>

namespace volute::ir {
namespace {

Expr node(ElementType type, int32_t lanes, decltype(ExprNode::is) is) {
  return std::make_shared<const ExprNode>(ExprNode{type, lanes, std::move(is)});
}

} // namespace

// ---- making them ------------------------------------------------------------------------------

Expr imm(double value, ElementType type, int32_t lanes) { return node(type, lanes, Imm{value, 0}); }

Expr imm_integer(int64_t value, ElementType type, int32_t lanes) {
  return node(type, lanes, Imm{0, value});
}

Expr position(Affine value, ElementType type) { return node(type, 1, Position{std::move(value)}); }

Expr read(ElementType type, int32_t operand, Index index) {
  return node(type, 1, Read{operand, std::move(index)});
}

Expr acc(ElementType type, int32_t accumulator) { return node(type, 1, Acc{accumulator}); }

Expr load(ElementType type, int32_t lanes, Load load) { return node(type, lanes, std::move(load)); }

Expr reg(ElementType type, int32_t lanes, int32_t array, std::vector<Affine> index) {
  return node(type, lanes, Reg{array, std::move(index)});
}

Expr unary(UnaryFn fn, Expr a) {
  const ElementType type = a->type;
  const int32_t lanes = a->lanes;
  return node(type, lanes, UnaryOp{fn, std::move(a)});
}

Expr convert_to(ElementType type, Expr a) {
  if (a->type == type) return a;
  const int32_t lanes = a->lanes;
  return node(type, lanes, UnaryOp{UnaryFn::convert, std::move(a)});
}

Expr bitcast_to(ElementType type, Expr a) {
  if (a->type == type) return a;
  const int32_t lanes = a->lanes;
  return node(type, lanes, UnaryOp{UnaryFn::bitcast, std::move(a)});
}

Expr splat_to(int32_t lanes, Expr a) {
  if (a->lanes == lanes) return a;
  const ElementType type = a->type;
  return node(type, lanes, UnaryOp{UnaryFn::splat, std::move(a)});
}

Expr binary(BinaryFn fn, Expr a, Expr b) {
  const ElementType type = a->type;
  const int32_t lanes = a->lanes;
  return node(type, lanes, BinaryOp{fn, std::move(a), std::move(b)});
}

Expr fma(Expr a, Expr b, Expr c) {
  const ElementType type = a->type;
  const int32_t lanes = a->lanes;
  return node(type, lanes, Fma{std::move(a), std::move(b), std::move(c)});
}

Expr select(Compare compare, Expr a, Expr b, Expr then, Expr otherwise) {
  const ElementType type = then->type;
  const int32_t lanes = then->lanes;
  return node(type, lanes,
              Select{compare, std::move(a), std::move(b), std::move(then), std::move(otherwise)});
}

Expr dot(int32_t ways, Expr acc, Expr a, Expr b) {
  const ElementType type = acc->type;
  const int32_t lanes = acc->lanes;
  return node(type, lanes, Dot{ways, std::move(acc), std::move(a), std::move(b)});
}

// ---- walking them -----------------------------------------------------------------------------

std::vector<Expr> children(const Expr& expr) {
  if (const auto* op = std::get_if<UnaryOp>(&expr->is)) return {op->a};
  if (const auto* op = std::get_if<BinaryOp>(&expr->is)) return {op->a, op->b};
  if (const auto* op = std::get_if<Fma>(&expr->is)) return {op->a, op->b, op->c};
  if (const auto* op = std::get_if<Select>(&expr->is))
    return {op->a, op->b, op->then, op->otherwise};
  if (const auto* op = std::get_if<Dot>(&expr->is)) return {op->acc, op->a, op->b};
  return {};
}

Expr with_children(const Expr& expr, std::vector<Expr> operands) {
  ExprNode copy = *expr;
  if (auto* op = std::get_if<UnaryOp>(&copy.is)) {
    op->a = std::move(operands.at(0));
  } else if (auto* op = std::get_if<BinaryOp>(&copy.is)) {
    op->a = std::move(operands.at(0));
    op->b = std::move(operands.at(1));
  } else if (auto* op = std::get_if<Fma>(&copy.is)) {
    op->a = std::move(operands.at(0));
    op->b = std::move(operands.at(1));
    op->c = std::move(operands.at(2));
  } else if (auto* op = std::get_if<Select>(&copy.is)) {
    op->a = std::move(operands.at(0));
    op->b = std::move(operands.at(1));
    op->then = std::move(operands.at(2));
    op->otherwise = std::move(operands.at(3));
  } else if (auto* op = std::get_if<Dot>(&copy.is)) {
    op->acc = std::move(operands.at(0));
    op->a = std::move(operands.at(1));
    op->b = std::move(operands.at(2));
  }
  return std::make_shared<const ExprNode>(std::move(copy));
}

namespace {

// A polynomial names its argument many times, so expressions are graphs. Each node is rewritten
// once: the work stays proportional to the graph, and what was shared stays shared.
using Rewritten = std::unordered_map<const ExprNode*, Expr>;

Expr rewrite(const Expr& expr, const std::function<Expr(const Expr&)>& fn, Rewritten& done) {
  if (const auto found = done.find(expr.get()); found != done.end()) return found->second;
  std::vector<Expr> operands = children(expr);
  bool changed = false;
  for (Expr& operand : operands) {
    Expr replacement = rewrite(operand, fn, done);
    changed |= replacement != operand;
    operand = std::move(replacement);
  }
  Expr result = fn(changed ? with_children(expr, std::move(operands)) : expr);
  done.emplace(expr.get(), result);
  return result;
}

void visit(const Expr& expr, const std::function<void(const ExprNode&)>& fn,
           std::unordered_set<const ExprNode*>& seen) {
  if (!seen.insert(expr.get()).second) return;
  for (const Expr& operand : children(expr)) visit(operand, fn, seen);
  fn(*expr);
}

} // namespace

Expr rewrite(const Expr& expr, const std::function<Expr(const Expr&)>& fn) {
  Rewritten done;
  return rewrite(expr, fn, done);
}

void visit(const Expr& expr, const std::function<void(const ExprNode&)>& fn) {
  std::unordered_set<const ExprNode*> seen;
  visit(expr, fn, seen);
}

} // namespace volute::ir
