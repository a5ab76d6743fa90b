#include "ir/expr.h"

#include "ir/walk.h"

#include <utility>

namespace volute::ir {
namespace {

Expr node(ElementType type, int32_t lanes, decltype(ExprNode::is) is, SourceId source = no_source) {
  return std::make_shared<const ExprNode>(ExprNode{type, lanes, std::move(is), source});
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

Expr load(ElementType type, int32_t lanes, Load load, SourceId source) {
  return node(type, lanes, std::move(load), source);
}

Expr reg(ElementType type, int32_t lanes, int32_t array, std::vector<Affine> index,
         SourceId source) {
  return node(type, lanes, Reg{array, std::move(index)}, source);
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

Expr flushed_bf16(Expr a) {
  const int32_t lanes = a->lanes;
  return node(ElementType::bf16, lanes, UnaryOp{UnaryFn::flushed, std::move(a)});
}

Expr cut_bf16(Expr a) {
  const int32_t lanes = a->lanes;
  return node(ElementType::bf16, lanes, UnaryOp{UnaryFn::cut, std::move(a)});
}

Expr bitcast_to(ElementType type, Expr a) {
  if (a->type == type) return a;
  const int32_t lanes = a->lanes;
  return node(type, lanes, UnaryOp{UnaryFn::bitcast, std::move(a)});
}

Expr splat_to(int32_t lanes, Expr a) {
  if (a->lanes == lanes) return a;
  const ElementType type = a->type;
  const SourceId source = a->source;
  return node(type, lanes, UnaryOp{UnaryFn::splat, std::move(a)}, source);
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

// ---- taking them apart ------------------------------------------------------------------------

std::vector<Expr> children(const Expr& expr) {
  std::vector<Expr> operands;
  for_each_part(*expr, [&](const Expr& operand) { operands.push_back(operand); });
  return operands;
}

Expr with_children(const Expr& expr, std::vector<Expr> operands) {
  ExprNode copy = *expr;
  size_t next = 0;
  for_each_part(copy, [&](Expr& operand) { operand = std::move(operands.at(next++)); });
  return std::make_shared<const ExprNode>(std::move(copy));
}

} // namespace volute::ir
