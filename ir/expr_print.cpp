#include "ir/expr.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

namespace volute::ir {

std::string_view to_string(UnaryFn fn) {
  constexpr std::array<std::string_view, 13> names = {
      "neg", "abs",   "sqrt", "rint",  "convert", "bitcast", "splat",
      "exp", "expm1", "log",  "log1p", "tanh",    "erf"};
  return names[static_cast<size_t>(fn)];
}

std::string_view to_string(BinaryFn fn) {
  constexpr std::array<std::string_view, 11> names = {"+", "-", "*", "/",  "max", "min",
                                                      "&", "|", "^", "<<", ">>"};
  return names[static_cast<size_t>(fn)];
}

std::string_view to_string(Compare compare) {
  constexpr std::array<std::string_view, 7> names = {"<", "<=", ">", ">=", "==", "!=", "unordered"};
  return names[static_cast<size_t>(compare)];
}

std::string to_string(const Index& index, const std::vector<std::string>& names,
                      const std::vector<std::string>& tables) {
  std::string text = "[";
  for (const Subscript& subscript : index) {
    if (text.size() > 1) text += ", ";
    const std::string at = to_string(subscript.at, names);
    text += subscript.table < 0
                ? at
                : fmt::format("{}[{}]", tables.at(static_cast<size_t>(subscript.table)), at);
  }
  return text + "]";
}

namespace {

// How tightly a printed expression holds together. An operand that holds less tightly than its
// place asks for gets parentheses; sums of floats are not associative, so the right operand of an
// infix operator asks for one more than the left.
enum Binding { loose, bits, sum, product, prefix, primary };

struct Printed {
  std::string text;
  Binding binding = primary;
  std::string at_least(Binding wanted) const {
    return binding >= wanted ? text : fmt::format("({})", text);
  }
};

Printed print(const Expr& expr, const ExprNames& names);

Printed print_imm(const Imm& number, ElementType type) {
  if (is_integer(type))
    return {fmt::format("{}", number.integer), number.integer < 0 ? prefix : primary};
  // The fewest digits that read back as the same number of the type.
  const std::string digits = type == ElementType::f64
                                 ? fmt::format("{}", number.real)
                                 : fmt::format("{}", static_cast<float>(number.real));
  return {digits, std::signbit(number.real) ? prefix : primary};
}

Printed print_unary(const ExprNode& node, const UnaryOp& op, const ExprNames& names) {
  const Printed a = print(op.a, names);
  switch (op.fn) {
  case UnaryFn::neg: return {fmt::format("-{}", a.at_least(primary)), prefix};
  case UnaryFn::splat: return {fmt::format("splat {}", a.at_least(primary)), prefix};
  case UnaryFn::convert: return {fmt::format("{}({})", to_string(node.type), a.text)};
  case UnaryFn::bitcast: return {fmt::format("bits_as_{}({})", to_string(node.type), a.text)};
  default: return {fmt::format("{}({})", to_string(op.fn), a.text)};
  }
}

Printed print_binary(const BinaryOp& op, const ExprNames& names) {
  const Printed a = print(op.a, names);
  const Printed b = print(op.b, names);
  const auto infix = [&](Binding binding, Binding left, Binding right) {
    return Printed{fmt::format("{} {} {}", a.at_least(left), to_string(op.fn), b.at_least(right)),
                   binding};
  };
  switch (op.fn) {
  case BinaryFn::max:
  case BinaryFn::min: return {fmt::format("{}({}, {})", to_string(op.fn), a.text, b.text)};
  case BinaryFn::add:
  case BinaryFn::sub: return infix(sum, sum, product);
  case BinaryFn::mul:
  case BinaryFn::div: return infix(product, product, prefix);
  default: return infix(bits, prefix, prefix); // nobody remembers where << and & stand
  }
}

Printed print_select(const Select& op, const ExprNames& names) {
  const Printed a = print(op.a, names);
  const Printed b = print(op.b, names);
  const std::string condition =
      op.compare == Compare::unordered
          ? fmt::format("unordered({}, {})", a.text, b.text)
          : fmt::format("{} {} {}", a.at_least(bits), to_string(op.compare), b.at_least(bits));
  return {fmt::format("{} ? {} : {}", condition, print(op.then, names).at_least(bits),
                      print(op.otherwise, names).at_least(bits)),
          loose};
}

// Lanes that count upwards are told: i64(16*w + 2*lane).
Printed print_position(const ExprNode& node, const Position& position, const ExprNames& names) {
  std::vector<std::string> vars = names.vars;
  Affine value = position.value;
  if (node.lanes > 1 && position.lane_step != 0) {
    value += position.lane_step * Affine(Var{static_cast<int32_t>(vars.size())});
    vars.emplace_back("lane");
  }
  return {fmt::format("{}({})", to_string(node.type), to_string(value, vars))};
}

Printed print(const Expr& expr, const ExprNames& names) {
  if (const auto* number = std::get_if<Imm>(&expr->is)) return print_imm(*number, expr->type);
  if (const auto* position = std::get_if<Position>(&expr->is))
    return print_position(*expr, *position, names);
  if (const auto* op = std::get_if<UnaryOp>(&expr->is)) return print_unary(*expr, *op, names);
  if (const auto* op = std::get_if<BinaryOp>(&expr->is)) return print_binary(*op, names);
  if (const auto* op = std::get_if<Select>(&expr->is)) return print_select(*op, names);
  if (const auto* op = std::get_if<Fma>(&expr->is))
    return {fmt::format("fma({}, {}, {})", print(op->a, names).text, print(op->b, names).text,
                        print(op->c, names).text)};
  if (const auto* op = std::get_if<Dot>(&expr->is))
    return {fmt::format("dot{}({}, {}, {})", op->ways, print(op->acc, names).text,
                        print(op->a, names).text, print(op->b, names).text)};
  return {names.leaf(*expr)};
}

} // namespace

std::string to_string(const Expr& expr, const ExprNames& names) { return print(expr, names).text; }

} // namespace volute::ir
