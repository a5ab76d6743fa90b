// The rules for operations: which types and lanes go together.

#include "ir/verify_rules.h"
#include "ir/walk.h"

#include <fmt/format.h>

namespace volute::ir {

bool check_complete(const Expr& expr, const std::string& where, Findings& findings) {
  bool complete = expr != nullptr;
  visit(expr, [&](const ExprNode& node) {
    for_each_part(node, [&](const Expr& operand) { complete &= operand != nullptr; });
  });
  if (!complete) findings.add(fmt::format("{}: a value is missing", where));
  return complete;
}

namespace {

std::string_view operation_name(const ExprNode& node) {
  if (const auto* op = std::get_if<UnaryOp>(&node.is)) return to_string(op->fn);
  if (const auto* op = std::get_if<BinaryOp>(&node.is)) return to_string(op->fn);
  if (std::holds_alternative<Fma>(node.is)) return "fma";
  if (std::holds_alternative<Select>(node.is)) return "select";
  if (std::holds_alternative<Dot>(node.is)) return "dot";
  if (std::holds_alternative<Position>(node.is)) return "position";
  return "value";
}

class OperationRules {
public:
  OperationRules(const ExprNode& node, Findings& findings) : node_(node), findings_(findings) {}

  void check() {
    if (node_.lanes < 1 || node_.lanes > max_lanes)
      return bad(fmt::format("{} lanes; a value has 1 to {}", node_.lanes, max_lanes));
    if (const auto* op = std::get_if<UnaryOp>(&node_.is)) return check_unary(*op);
    if (const auto* op = std::get_if<BinaryOp>(&node_.is)) {
      operand(op->a, node_.type, node_.lanes);
      operand(op->b, node_.type, node_.lanes);
      if (op->fn > BinaryFn::min) needs(is_integer(node_.type), "an integer");
    }
    if (const auto* op = std::get_if<Fma>(&node_.is))
      for (const Expr* e : {&op->a, &op->b, &op->c}) operand(*e, node_.type, node_.lanes);
    if (const auto* op = std::get_if<Select>(&node_.is)) {
      operand(op->a, op->a->type, node_.lanes);
      operand(op->b, op->a->type, node_.lanes);
      operand(op->then, node_.type, node_.lanes);
      operand(op->otherwise, node_.type, node_.lanes);
    }
    if (const auto* op = std::get_if<Dot>(&node_.is)) check_dot(*op);
    if (const auto* position = std::get_if<Position>(&node_.is)) {
      needs(is_integer(node_.type), "an integer");
      constexpr int64_t most = int64_t{1} << 56; // times the lanes, still an i64
      if (position->lane_step < -most || position->lane_step > most)
        bad(fmt::format("lanes {} apart", position->lane_step));
    }
  }

private:
  void bad(const std::string& message) {
    findings_.add(fmt::format("{}: {}", operation_name(node_), message));
  }

  void operand(const Expr& e, ElementType type, int32_t lanes) {
    if (e->type != type || e->lanes != lanes)
      bad(fmt::format("an operand is {} where {} is needed", value_type_text(e->type, e->lanes),
                      value_type_text(type, lanes)));
  }

  void needs(bool satisfied, std::string_view kind) {
    if (!satisfied) bad(fmt::format("needs {} type, not {}", kind, to_string(node_.type)));
  }

  void check_unary(const UnaryOp& op) {
    switch (op.fn) {
    case UnaryFn::splat:
      if (op.a->lanes < 1 || node_.lanes % op.a->lanes != 0)
        return bad(fmt::format("{} lanes do not divide {}", op.a->lanes, node_.lanes));
      return operand(op.a, node_.type, op.a->lanes);
    case UnaryFn::convert: return operand(op.a, op.a->type, node_.lanes);
    case UnaryFn::flushed:
    case UnaryFn::cut:
      operand(op.a, ElementType::f32, node_.lanes);
      if (node_.type != ElementType::bf16)
        bad(fmt::format("it is made for bf16 alone, not for {}", to_string(node_.type)));
      return;
    case UnaryFn::bitcast:
      operand(op.a, op.a->type, node_.lanes);
      if (size_of(op.a->type) != size_of(node_.type))
        bad(fmt::format("{} has {} bytes and {} has {}", to_string(op.a->type), size_of(op.a->type),
                        to_string(node_.type), size_of(node_.type)));
      return;
    case UnaryFn::neg:
    case UnaryFn::abs: return operand(op.a, node_.type, node_.lanes);
    default: operand(op.a, node_.type, node_.lanes); needs(is_float(node_.type), "a float");
    }
  }

  void check_dot(const Dot& op) {
    operand(op.acc, node_.type, node_.lanes);
    const bool fits = op.ways > 1 && size_of(op.a->type) * op.ways == size_of(node_.type) &&
                      size_of(op.b->type) == size_of(op.a->type) &&
                      is_float(op.a->type) == is_float(node_.type) &&
                      is_float(op.b->type) == is_float(node_.type);
    if (!fits)
      return bad(fmt::format("{} of {} and {} do not fill a lane of {}", op.ways,
                             to_string(op.a->type), to_string(op.b->type), to_string(node_.type)));
    operand(op.a, op.a->type, node_.lanes * op.ways);
    operand(op.b, op.b->type, node_.lanes * op.ways);
  }

  const ExprNode& node_;
  Findings& findings_;
};

} // namespace

void check_operation(const ExprNode& node, Findings& findings) {
  OperationRules(node, findings).check();
}

} // namespace volute::ir
