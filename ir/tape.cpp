#include "ir/tape.h"

#include "ir/diagnostic.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace volute::ir {
namespace {

constexpr int32_t max_ways = 16;

[[noreturn]] void refuse(const std::string& message) {
  throw InternalError("evaluate: " + message);
}

// How many lanes operand `i` of a node must have.
int64_t operand_lanes(const ExprNode& node, size_t i) {
  if (const auto* op = std::get_if<UnaryOp>(&node.is); op && op->fn == UnaryFn::splat) {
    const int32_t group = op->a->lanes; // any that divides the lanes
    return group > 0 && node.lanes % group == 0 ? group : 1;
  }
  if (const auto* op = std::get_if<Dot>(&node.is); op && i > 0)
    return int64_t{node.lanes} * op->ways;
  return node.lanes;
}

} // namespace

Linear::Linear(const Affine& affine, size_t variables) : constant_(affine.constant_term()) {
  for (const Affine::Term& term : affine.terms()) {
    const auto id = static_cast<size_t>(term.var.id);
    if (term.var.id < 0 || id >= variables)
      refuse(fmt::format("variable {} of {} does not exist", term.var.id, variables));
    terms_.emplace_back(id, term.coefficient);
  }
}

Tape::Tape(const Expr& expr, const std::function<Leaf(const ExprNode&)>& leaf) : expr_(expr) {
  std::unordered_map<const ExprNode*, size_t> place;
  visit(expr, [&](const ExprNode& node) {
    if (node.lanes < 1) refuse(fmt::format("a value of {} lanes", node.lanes));
    Op op;
    op.node = &node;
    op.to = values_.size();
    place[&node] = op.to;
    values_.resize(values_.size() + static_cast<size_t>(node.lanes));
    const bool f32 = node.type == ElementType::f32;

    // An alias, so that the operands of a node on the stack can be asked for.
    const std::vector<Expr> operands = children(Expr(Expr(), &node));
    if (const auto* dot = std::get_if<Dot>(&node.is);
        dot && (dot->ways < 1 || dot->ways > max_ways))
      refuse(fmt::format("a dot product of {} ways", dot->ways));
    for (size_t i = 0; i < operands.size(); ++i) {
      if (operands[i]->lanes != operand_lanes(node, i))
        refuse(fmt::format("an operand of {} lanes where {} are needed", operands[i]->lanes,
                           operand_lanes(node, i)));
      op.from[i] = place.at(operands[i].get());
    }

    if (std::holds_alternative<Imm>(node.is)) {
      op.kind = Kind::constant;
      std::fill_n(values_.begin() + static_cast<std::ptrdiff_t>(op.to), node.lanes,
                  apply(node, nullptr));
    } else if (operands.empty()) {
      op.kind = Kind::leaf;
      op.leaf = leaf(node);
    } else if (std::holds_alternative<Fma>(node.is)) {
      if (f32) op.kind = Kind::fma32;
    } else if (std::holds_alternative<Dot>(node.is)) {
      op.kind = Kind::dot;
    } else if (const auto* unary = std::get_if<UnaryOp>(&node.is)) {
      if (unary->fn == UnaryFn::splat) op.kind = Kind::splat;
    } else if (const auto* binary = std::get_if<BinaryOp>(&node.is); binary && f32) {
      if (binary->fn == BinaryFn::add) op.kind = Kind::add32;
      if (binary->fn == BinaryFn::mul) op.kind = Kind::mul32;
    }
    if (op.kind != Kind::constant) ops_.push_back(std::move(op));
  });
}

const Scalar* Tape::run() {
  for (const Op& op : ops_) run(op);
  return &values_[values_.size() - static_cast<size_t>(expr_->lanes)];
}

void Tape::run(const Op& op) {
  Scalar* to = &values_[op.to];
  const Scalar* a = &values_[op.from[0]];
  const Scalar* b = &values_[op.from[1]];
  const Scalar* c = &values_[op.from[2]];
  const Scalar* d = &values_[op.from[3]];
  const int32_t lanes = op.node->lanes;
  switch (op.kind) {
  case Kind::constant: return;
  case Kind::leaf: return op.leaf(to);
  case Kind::splat: {
    const int32_t group = std::get<UnaryOp>(op.node->is).a->lanes;
    for (int32_t l = 0; l < lanes; l += group) std::copy_n(a, group, to + l);
    return;
  }
  case Kind::add32:
    for (int32_t l = 0; l < lanes; ++l)
      to[l].real = static_cast<float>(a[l].real) + static_cast<float>(b[l].real);
    return;
  case Kind::mul32:
    for (int32_t l = 0; l < lanes; ++l)
      to[l].real = static_cast<float>(a[l].real) * static_cast<float>(b[l].real);
    return;
  case Kind::fma32:
    for (int32_t l = 0; l < lanes; ++l)
      to[l].real = std::fma(static_cast<float>(a[l].real), static_cast<float>(b[l].real),
                            static_cast<float>(c[l].real));
    return;
  case Kind::dot: return run_dot(op, std::get<Dot>(op.node->is));
  case Kind::other:
    for (int32_t l = 0; l < lanes; ++l) {
      const Scalar operands[4] = {a[l], b[l], c[l], d[l]};
      to[l] = apply(*op.node, operands);
    }
    return;
  }
}

void Tape::run_dot(const Op& op, const Dot& dot) {
  Scalar operands[1 + 2 * max_ways];
  for (int32_t l = 0; l < op.node->lanes; ++l) {
    const auto lane = static_cast<size_t>(l);
    const auto group = lane * static_cast<size_t>(dot.ways);
    operands[0] = values_[op.from[0] + lane];
    std::copy_n(&values_[op.from[1] + group], dot.ways, operands + 1);
    std::copy_n(&values_[op.from[2] + group], dot.ways, operands + 1 + dot.ways);
    values_[op.to + lane] = apply(*op.node, operands);
  }
}

} // namespace volute::ir
