#include "ir/value_parse.h"

#include "ir/literals.h"
#include "ir/number.h"
#include "ir/verify_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace volute::ir {
namespace {

// Deeper values are refused: what is printed names its parts long before.
constexpr int deepest = 256;

// The number of the lane, within an index: lanes that count upwards.
constexpr Var lane{std::numeric_limits<int32_t>::max()};

ValueContext either(const ValueContext& a, const ValueContext& b) {
  return {a.type ? a.type : b.type, a.lanes ? a.lanes : b.lanes};
}

Expr make(ElementType type, int32_t lanes, decltype(ExprNode::is) is) {
  return std::make_shared<const ExprNode>(ExprNode{type, lanes, std::move(is)});
}

std::optional<UnaryFn> function_called(std::string_view word) {
  for (UnaryFn fn : {UnaryFn::abs, UnaryFn::sqrt, UnaryFn::rint, UnaryFn::exp, UnaryFn::expm1,
                     UnaryFn::log, UnaryFn::log1p, UnaryFn::tanh, UnaryFn::erf})
    if (to_string(fn) == word) return fn;
  return std::nullopt;
}

} // namespace

size_t ValueParser::add(LineCursor& line, Node node) {
  for (size_t operand : node.operands) node.depth = std::max(node.depth, nodes_[operand].depth + 1);
  if (node.depth > deepest)
    line.refuse_at(node.where,
                   fmt::format("a value of more than {} operations inside each other", deepest),
                   "name a part of it with let");
  nodes_.push_back(std::move(node));
  return nodes_.size() - 1;
}

// ---- the tree ---------------------------------------------------------------------------------

Expr ValueParser::parse(LineCursor& line, const ValueContext& context) {
  nodes_.clear();
  depth_ = 0;
  const size_t root = select(line);
  return line.failed() ? nullptr : build(line, root, context);
}

void ValueParser::parse_let(LineCursor& line) {
  const Location at = line.where();
  const std::string name = line.name("a name for the value");
  LineCursor::Type type;
  if (line.accept(":")) type = line.expect_type();
  line.expect("=", "'=' after the name");
  Expr value = parse(line, {type.element, type.lanes});
  line.end_of_line();
  if (!value) return;
  if (value->type != type.element || value->lanes != type.lanes)
    return line.refuse_at(
        at,
        fmt::format("{} is {}, and its value is {}", name,
                    value_type_text(type.element, type.lanes),
                    value_type_text(value->type, value->lanes)),
        fmt::format("write `let {}: {} = `", name, value_type_text(value->type, value->lanes)));
  if (!lets_.emplace(name, std::move(value)).second)
    line.refuse_at(at, fmt::format("there is a value called {} already", quoted(name)));
}

size_t ValueParser::select(LineCursor& line) {
  if (++depth_ > deepest)
    line.refuse(fmt::format("more than {} parentheses inside each other", deepest));
  const Location where = line.where();
  size_t a = 0, b = 0;
  std::optional<Compare> compare;
  if (line.is("unordered") && line.token(1).is("(")) {
    compare = Compare::unordered;
    line.advance(), line.advance();
    a = select(line);
    line.expect(",", "',' between the two values");
    b = select(line);
    line.expect(")", "')' after the two values");
  } else {
    a = bits(line);
    for (Compare c : {Compare::lt, Compare::le, Compare::gt, Compare::ge, Compare::eq, Compare::ne})
      if (!compare && line.accept(to_string(c))) compare = c, b = bits(line);
  }
  --depth_;
  if (!compare) return a;
  line.expect("?", "'?' after the condition");
  const size_t then = bits(line);
  line.expect(":", "':' between the two cases");
  const size_t otherwise = bits(line);
  Node node{Node::Kind::select, where, {a, b, then, otherwise}};
  node.compare = *compare;
  node.closed = false;
  node.told = either(told(then), told(otherwise));
  node.told.lanes = either(node.told, either(told(a), told(b))).lanes;
  return add(line, std::move(node));
}

size_t ValueParser::infix(LineCursor& line, Node::Kind kind, BinaryFn fn, Location where, size_t a,
                          size_t b) {
  Node node{kind, where, {a, b}};
  node.binary = fn;
  node.closed = false;
  node.told = either(told(a), told(b));
  return add(line, std::move(node));
}

size_t ValueParser::bits(LineCursor& line) {
  size_t a = sum(line);
  while (true) {
    std::optional<BinaryFn> fn;
    for (BinaryFn f : {BinaryFn::bit_and, BinaryFn::bit_or, BinaryFn::bit_xor, BinaryFn::shift_left,
                       BinaryFn::shift_right})
      if (line.is(to_string(f))) fn = f;
    if (!fn) return a;
    const Location where = line.where();
    const std::string_view word = line.token().text;
    line.advance();
    const size_t b = sum(line);
    if (!nodes_[a].closed || !nodes_[b].closed)
      line.refuse_at(where, fmt::format("{} stands beside another operation", quoted(word)),
                     "parentheses say which comes first");
    a = infix(line, Node::Kind::binary, *fn, where, a, b);
  }
}

size_t ValueParser::sum(LineCursor& line) {
  size_t a = product(line);
  while (line.is("+") || line.is("-")) {
    const Location where = line.where();
    const BinaryFn fn = line.is("+") ? BinaryFn::add : BinaryFn::sub;
    line.advance();
    const size_t b = product(line);
    a = infix(line, Node::Kind::binary, fn, where, a, b);
  }
  return a;
}

size_t ValueParser::product(LineCursor& line) {
  size_t a = prefix(line);
  while (line.is("*") || line.is("/")) {
    const Location where = line.where();
    const BinaryFn fn = line.is("*") ? BinaryFn::mul : BinaryFn::div;
    line.advance();
    const size_t b = prefix(line);
    a = infix(line, Node::Kind::binary, fn, where, a, b);
  }
  return a;
}

size_t ValueParser::prefix(LineCursor& line) {
  const Location where = line.where();
  const bool is_number = line.token(1).kind == LineToken::Kind::number || line.token(1).is("inf") ||
                         line.token(1).is("nan");
  if (line.is("-") && !is_number) {
    line.advance();
    Node node{Node::Kind::unary, where, {primary(line)}};
    node.told = told(node.operands[0]);
    return add(line, std::move(node));
  }
  if (line.is("splat") && !line.token(1).is("[") && !line.token(1).is("(")) {
    line.advance();
    if (++depth_ > deepest)
      line.refuse(fmt::format("more than {} operations inside each other", deepest));
    Node node{Node::Kind::unary, where, {prefix(line)}};
    --depth_;
    node.unary = UnaryFn::splat;
    node.told = {told(node.operands[0]).type, {}};
    return add(line, std::move(node));
  }
  if (line.is("splat") && line.token(1).is("(")) {
    line.advance();
    Node node{Node::Kind::unary, where, {parenthesised(line)}};
    node.unary = UnaryFn::splat;
    node.told = {told(node.operands[0]).type, {}};
    return add(line, std::move(node));
  }
  return primary(line);
}

size_t ValueParser::parenthesised(LineCursor& line) {
  const Location where = line.where();
  line.expect("(", "'('");
  size_t inner = select(line);
  if (line.accept(":")) {
    const LineCursor::Type type = line.expect_type();
    Node node{Node::Kind::typed, where, {inner}};
    node.told = {type.element, type.lanes};
    inner = add(line, std::move(node));
  }
  line.expect(")", "')' after the value");
  Node closed = nodes_[inner];
  if (!closed.closed) {
    closed.closed = true;
    nodes_[inner] = std::move(closed);
  }
  return inner;
}

/// A function's operands in parentheses; the cursor stands at its name.
size_t ValueParser::call(LineCursor& line, Node node, size_t operands) {
  const std::string name(line.token().text);
  line.advance();
  line.expect("(", fmt::format("'(' after {}", name));
  for (size_t i = 0; i < operands; ++i) {
    if (i > 0) line.expect(",", fmt::format("',' and another value: {} takes {}", name, operands));
    node.operands.push_back(select(line));
    node.told = either(node.told, told(node.operands.back()));
    if (line.failed()) break;
  }
  line.expect(")", fmt::format("')' after the value{} of {}", operands > 1 ? "s" : "", name));
  while (node.operands.size() < operands) node.operands.push_back(node.operands.back());
  return add(line, std::move(node));
}

size_t ValueParser::primary(LineCursor& line) {
  const Location where = line.where();
  const std::string_view word = line.token().text;
  const bool is_call = line.token(1).is("(");
  const bool is_number = line.token().kind == LineToken::Kind::number || line.is("-") ||
                         ((word == "inf" || word == "nan") && !is_call);
  if (is_number) {
    Node node{Node::Kind::number, where, {}};
    node.number = line.number("a number");
    return add(line, std::move(node));
  }
  if (line.is("(")) return parenthesised(line);
  if (!line.is_name()) {
    line.unexpected("a value");
    return add(line, Node{Node::Kind::number, where, {}});
  }
  if (const auto found = lets_.find(std::string(word)); found != lets_.end() && !is_call) {
    line.advance();
    Node node{Node::Kind::leaf, where, {}};
    node.leaf = found->second;
    node.told = {node.leaf->type, node.leaf->lanes};
    return add(line, std::move(node));
  }
  if (const auto type = line.type(); type && type->lanes == 1) {
    if (is_call) {
      Node node{Node::Kind::unary, where, {}};
      node.unary = UnaryFn::convert;
      const size_t at = call(line, std::move(node), 1);
      nodes_[at].told.type = type->element;
      return at;
    }
    line.advance();
    line.expect("[", "'(' and a value to convert, or '[' and an index to count with");
    Node node{Node::Kind::position, where, {}};
    node.position = line.affine([this](std::string_view name) -> std::optional<Var> {
      if (const auto var = names_.variables(name)) return var;
      return name == "lane" ? std::optional(lane) : std::nullopt;
    });
    line.expect("]", "']' after the index");
    node.told = {type->element, {}};
    return add(line, std::move(node));
  }
  if (is_call) {
    Node node{Node::Kind::unary, where, {}};
    if (const auto fn = function_called(word)) {
      node.unary = *fn;
      return call(line, std::move(node), 1);
    }
    if (word.starts_with("bits_as_"))
      if (const auto type = element_type_from(word.substr(8))) {
        node.unary = UnaryFn::bitcast;
        const size_t at = call(line, std::move(node), 1);
        nodes_[at].told.type = *type;
        return at;
      }
    for (const UnaryFn to_bf16 : {UnaryFn::flushed, UnaryFn::cut})
      if (word == to_string(to_bf16)) {
        node.unary = to_bf16;
        const size_t at = call(line, std::move(node), 1);
        nodes_[at].told.type = ElementType::bf16;
        return at;
      }
    if (word == "max" || word == "min") {
      node.kind = Node::Kind::binary;
      node.binary = word == "max" ? BinaryFn::max : BinaryFn::min;
      return call(line, std::move(node), 2);
    }
    if (word == "fma") {
      node.kind = Node::Kind::fma;
      return call(line, std::move(node), 3);
    }
    if (word.starts_with("dot"))
      if (const auto ways = parse_integer(word.substr(3));
          ways && *ways > 0 && *ways <= max_lanes) {
        node.kind = Node::Kind::dot;
        node.ways = static_cast<int32_t>(*ways);
        const size_t at = call(line, std::move(node), 3);
        nodes_[at].told = told(nodes_[at].operands[0]);
        return at;
      }
    line.refuse(fmt::format("there is no function {}", quoted(word)));
    return add(line, Node{Node::Kind::number, where, {}});
  }
  Node node{Node::Kind::leaf, where, {}};
  node.leaf = names_.leaf(line);
  if (node.leaf) node.told = {node.leaf->type, node.leaf->lanes};
  return add(line, std::move(node));
}

// ---- types ------------------------------------------------------------------------------------

Expr ValueParser::number(LineCursor& line, const Node& node, const ValueContext& known) {
  const int32_t lanes = known.lanes.value_or(1);
  if (!known.type) {
    line.refuse_at(node.where,
                   fmt::format("the type of {} does not follow from anything", quoted(node.number)),
                   fmt::format("say it: ({}: f32)", node.number));
    return nullptr;
  }
  if (is_float(*known.type)) {
    const bool negative_nan = node.number == "-nan";
    const auto value = parse_real(negative_nan ? "nan" : node.number, *known.type);
    if (value)
      return make(*known.type, lanes, Imm{negative_nan ? std::copysign(*value, -1.0) : *value, 0});
  } else if (const auto value = parse_integer(node.number);
             value && *value >= lowest(*known.type) && *value <= highest(*known.type)) {
    return make(*known.type, lanes, Imm{0, *value});
  }
  line.refuse_at(node.where,
                 fmt::format("{} is no number of {}", quoted(node.number), to_string(*known.type)));
  return nullptr;
}

Expr ValueParser::build(LineCursor& line, size_t at, const ValueContext& given) {
  const Node& node = nodes_[at];
  const ValueContext known = either(node.told, given);
  const int32_t lanes = known.lanes.value_or(1);
  std::array<Expr, 4> operands;
  const auto operand = [&](size_t i, const ValueContext& context) {
    operands[i] = build(line, node.operands[i], context);
    return operands[i] != nullptr;
  };
  switch (node.kind) {
  case Node::Kind::leaf: return node.leaf;
  case Node::Kind::number: return number(line, node, known);
  case Node::Kind::position: {
    const int64_t step = node.position.coefficient(lane);
    if (lanes == 1 && step != 0) {
      line.refuse_at(node.where, "a value of one lane does not count lanes");
      return nullptr;
    }
    return make(*node.told.type, lanes,
                Position{node.position.filter([](Var v) { return v != lane; }, true), step});
  }
  case Node::Kind::typed: return build(line, node.operands[0], node.told);
  case Node::Kind::unary:
    switch (node.unary) {
    case UnaryFn::convert:
    case UnaryFn::flushed:
    case UnaryFn::cut:
    case UnaryFn::bitcast:
      if (!operand(0, {{}, lanes})) return nullptr;
      return make(*node.told.type, operands[0]->lanes, UnaryOp{node.unary, operands[0]});
    case UnaryFn::splat:
      if (!operand(0, {known.type, {}})) return nullptr;
      return make(operands[0]->type, lanes, UnaryOp{node.unary, operands[0]});
    default:
      if (!operand(0, known)) return nullptr;
      return make(operands[0]->type, operands[0]->lanes, UnaryOp{node.unary, operands[0]});
    }
  case Node::Kind::binary:
    if (!operand(0, known) || !operand(1, known)) return nullptr;
    return binary(node.binary, operands[0], operands[1]);
  case Node::Kind::fma:
    if (!operand(0, known) || !operand(1, known) || !operand(2, known)) return nullptr;
    return fma(operands[0], operands[1], operands[2]);
  case Node::Kind::select:
    if (!operand(0, {told(node.operands[1]).type, lanes}) ||
        !operand(1, {told(node.operands[0]).type, lanes}) || !operand(2, known) ||
        !operand(3, known))
      return nullptr;
    return ir::select(node.compare, operands[0], operands[1], operands[2], operands[3]);
  case Node::Kind::dot:
    if (!operand(0, known)) return nullptr;
    for (size_t i : {1, 2})
      if (!operand(i, {{}, operands[0]->lanes * node.ways})) return nullptr;
    return dot(node.ways, operands[0], operands[1], operands[2]);
  }
  return nullptr;
}

namespace {

Subscript parse_subscript(LineCursor& line, size_t tables, const LineCursor::Variables& variables) {
  int32_t table = -1;
  for (size_t i = 0; i < tables; ++i)
    if (line.token(1).is("[") && line.is(fmt::format("table{}", i)))
      table = static_cast<int32_t>(i);
  if (table < 0) return line.affine(variables);
  line.advance(), line.advance();
  Subscript looked_up(line.affine(variables), table);
  line.expect("]", "']' behind the entry of the table");
  return looked_up;
}

} // namespace

Index parse_subscripts(LineCursor& line, size_t tables, const LineCursor::Variables& variables,
                       const char* opening) {
  Index index;
  line.expect("[", opening);
  while (!line.failed() && !line.is("]")) {
    if (!index.empty()) line.expect(",", "',' or ']' behind the subscript");
    index.push_back(parse_subscript(line, tables, variables));
  }
  line.expect("]", "']' behind the subscripts");
  return index;
}

} // namespace volute::ir
