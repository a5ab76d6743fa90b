#include "ir/expr.h"
#include "ir/literals.h"
#include "ir/normal.h"
#include "ir/value_text.h"
#include "ir/walk.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_map>
#include <unordered_set>

namespace volute::ir {

std::string_view to_string(UnaryFn fn) {
  constexpr std::array<std::string_view, 15> names = {
      "neg",   "abs", "sqrt",  "rint", "convert", "bf16_flushed", "bf16_cut", "bitcast",
      "splat", "exp", "expm1", "log",  "log1p",   "tanh",         "erf"};
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

std::string value_type_text(ElementType type, int32_t lanes) {
  return lanes == 1 ? std::string(to_string(type)) : fmt::format("{}x{}", to_string(type), lanes);
}

bool is_reserved(std::string_view word) {
  constexpr std::string_view words[] = {
      "inf",   "nan",     "load",     "splat", "transpose", "let",     "for",  "unroll", "when",
      "store", "scatter", "prefetch", "fence", "registers", "scratch", "step", "nest"};
  const std::string_view element = word.substr(0, word.find('x'));
  return std::find(std::begin(words), std::end(words), word) != std::end(words) ||
         element_type_from(element).has_value();
}

std::string name_text(std::string_view name) {
  const bool is_word = !name.empty() && (name[0] < '0' || name[0] > '9');
  return is_word && !is_reserved(name) ? std::string(name) : fmt::format("%{}", name);
}

namespace {

// How tightly a printed expression holds together. An operand that holds less tightly than its
// place asks for gets parentheses; sums of floats are not associative, so the right operand of an
// infix operator asks for one more than the left.
enum Binding { loose, bits, sum, product, prefix, primary };

struct Printed {
  std::string text;
  Binding binding = primary;
  int depth = 1; // operations inside each other
  std::string at_least(Binding wanted) const {
    return binding >= wanted ? text : fmt::format("({})", text);
  }
};

ValueContext either(const ValueContext& a, const ValueContext& b) {
  return {a.type ? a.type : b.type, a.lanes ? a.lanes : b.lanes};
}

class ValuePrinter {
public:
  explicit ValuePrinter(const ExprNames& names) : names_(names) {}

  /// Prints a node whose operands have been printed.
  void print(const ExprNode& node) {
    told_[&node] = std::visit([&](const auto& is) { return told(node, is); }, node.is);
    Printed printed = std::visit([&](const auto& is) { return print(node, is); }, node.is);
    for_each_part(node, [&](const Expr& operand) {
      printed.depth = std::max(printed.depth, printed_.at(operand.get()).depth + 1);
    });
    printed_[&node] = std::move(printed);
  }

  const Printed& printed(const ExprNode& node) const { return printed_.at(&node); }
  void name(const ExprNode& node, std::string name) {
    printed_[&node] = {std::move(name)};
    told_[&node] = {node.type, node.lanes};
  }
  const ValueContext& told(const Expr& e) const { return told_.at(e.get()); }

  /// The value where `context` is known of it.
  std::string in_context(const Expr& e, const ValueContext& context) const {
    const ValueContext known = either(told(e), context);
    const std::string& text = printed_.at(e.get()).text;
    if (known.type == e->type && known.lanes.value_or(1) == e->lanes) return text;
    return fmt::format("({}: {})", text, value_type_text(e->type, e->lanes));
  }

private:
  // ---- what a value's text says of its type and lanes
  ValueContext told(const ExprNode&, const Imm&) const { return {}; }
  ValueContext told(const ExprNode& node, const Position&) const { return {node.type, {}}; }
  ValueContext told(const ExprNode& node, const Read&) const { return {node.type, node.lanes}; }
  ValueContext told(const ExprNode& node, const Acc&) const { return {node.type, node.lanes}; }
  ValueContext told(const ExprNode& node, const Load&) const { return {node.type, node.lanes}; }
  ValueContext told(const ExprNode& node, const Reg&) const { return {node.type, node.lanes}; }
  ValueContext told(const ExprNode& node, const UnaryOp& op) const {
    if (op.fn == UnaryFn::splat) return {told(op.a).type, {}};
    if (op.fn == UnaryFn::convert || op.fn == UnaryFn::flushed || op.fn == UnaryFn::cut ||
        op.fn == UnaryFn::bitcast)
      return {node.type, told(op.a).lanes};
    return told(op.a);
  }
  ValueContext told(const ExprNode&, const BinaryOp& op) const {
    return either(told(op.a), told(op.b));
  }
  ValueContext told(const ExprNode&, const Fma& op) const {
    return either(told(op.a), either(told(op.b), told(op.c)));
  }
  ValueContext told(const ExprNode&, const Select& op) const {
    const ValueContext branches = either(told(op.then), told(op.otherwise));
    return {branches.type, either(branches, either(told(op.a), told(op.b))).lanes};
  }
  ValueContext told(const ExprNode&, const Dot& op) const { return told(op.acc); }

  // ---- the text itself
  Printed print(const ExprNode& node, const Imm& number) const {
    if (is_integer(node.type))
      return {fmt::format("{}", number.integer), number.integer < 0 ? prefix : primary};
    if (std::isnan(number.real))
      return std::signbit(number.real) ? Printed{"-nan", prefix} : Printed{"nan"};
    return {shortest(number.real, node.type), std::signbit(number.real) ? prefix : primary};
  }

  // Lanes that count upwards are told: i64[16*w + 2*lane].
  Printed print(const ExprNode& node, const Position& position) const {
    std::vector<std::string> vars = names_.vars;
    Affine value = position.value;
    if (node.lanes > 1 && position.lane_step != 0) {
      value += position.lane_step * Affine(Var{static_cast<int32_t>(vars.size())});
      vars.emplace_back("lane");
    }
    return {fmt::format("{}[{}]", to_string(node.type), to_string(value, vars))};
  }

  Printed print(const ExprNode& node, const Read&) const { return {names_.leaf(node)}; }
  Printed print(const ExprNode& node, const Acc&) const { return {names_.leaf(node)}; }
  Printed print(const ExprNode& node, const Reg&) const { return {names_.leaf(node)}; }
  Printed print(const ExprNode& node, const Load&) const {
    const std::string text = names_.leaf(node);
    if (!text.starts_with("load ")) return {text};
    return {text, text.find(" else ") == std::string::npos ? prefix : loose};
  }

  Printed print(const ExprNode& node, const UnaryOp& op) const {
    const Printed& a = printed_.at(op.a.get());
    const ValueContext lanes_only{{}, node.lanes};
    switch (op.fn) {
    case UnaryFn::neg: {
      // -5 is a number, -(5) its negation.
      const bool is_number = std::holds_alternative<Imm>(op.a->is);
      return {is_number ? fmt::format("-({})", a.text) : fmt::format("-{}", a.at_least(primary)),
              prefix};
    }
    case UnaryFn::splat: {
      const std::string text = in_context(op.a, {node.type, {}});
      return {text == a.text ? fmt::format("splat {}", a.at_least(prefix))
                             : fmt::format("splat {}", text),
              prefix};
    }
    case UnaryFn::convert:
      return {fmt::format("{}({})", to_string(node.type), in_context(op.a, lanes_only))};
    case UnaryFn::flushed:
    case UnaryFn::cut:
      return {fmt::format("{}({})", to_string(op.fn), in_context(op.a, lanes_only))};
    case UnaryFn::bitcast:
      return {fmt::format("bits_as_{}({})", to_string(node.type), in_context(op.a, lanes_only))};
    default: return {fmt::format("{}({})", to_string(op.fn), a.text)};
    }
  }

  Printed print(const ExprNode&, const BinaryOp& op) const {
    const Printed& a = printed_.at(op.a.get());
    const Printed& b = printed_.at(op.b.get());
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

  Printed print(const ExprNode&, const Fma& op) const {
    return {fmt::format("fma({}, {}, {})", printed_.at(op.a.get()).text,
                        printed_.at(op.b.get()).text, printed_.at(op.c.get()).text)};
  }

  Printed print(const ExprNode& node, const Select& op) const {
    const ValueContext compared{told(op.b).type, node.lanes};
    const std::string a_text = in_context(op.a, compared);
    const Printed& a = printed_.at(op.a.get());
    const Printed& b = printed_.at(op.b.get());
    const std::string condition =
        op.compare == Compare::unordered
            ? fmt::format("unordered({}, {})", a_text, b.text)
            : fmt::format("{} {} {}", a_text == a.text ? a.at_least(bits) : a_text,
                          to_string(op.compare), b.at_least(bits));
    return {fmt::format("{} ? {} : {}", condition, printed_.at(op.then.get()).at_least(bits),
                        printed_.at(op.otherwise.get()).at_least(bits)),
            loose};
  }

  Printed print(const ExprNode& node, const Dot& op) const {
    const ValueContext narrow{{}, node.lanes * op.ways};
    return {fmt::format("dot{}({}, {}, {})", op.ways, printed_.at(op.acc.get()).text,
                        in_context(op.a, narrow), in_context(op.b, narrow))};
  }

  const ExprNames& names_;
  std::unordered_map<const ExprNode*, Printed> printed_;
  std::unordered_map<const ExprNode*, ValueContext> told_;
};

// What is longer is named rather than written again, and what is deeper is named anyway.
constexpr size_t longest_repeated = 16;
constexpr int deepest = 24;

} // namespace

namespace {

/// Of each node: the first of the named ones that it is part of, or how many there are.
std::vector<size_t> lets_of(const std::vector<const ExprNode*>& order,
                            const std::vector<const ExprNode*>& named) {
  std::vector<size_t> lets(order.size(), named.size());
  if (named.empty()) return lets;
  std::unordered_map<const ExprNode*, size_t> place;
  for (size_t i = 0; i < order.size(); ++i) place[order[i]] = i;
  for (size_t let = 0; let < named.size(); ++let) {
    std::vector<const ExprNode*> parts = {named[let]};
    while (!parts.empty()) {
      const ExprNode& node = *parts.back();
      parts.pop_back();
      size_t& own = lets[place.at(&node)];
      if (own < named.size()) continue;
      own = let;
      for_each_part(node, [&](const Expr& operand) { parts.push_back(operand.get()); });
    }
  }
  return lets;
}

} // namespace

ValueTexts value_texts(const std::vector<ValueToPrint>& values, const ExprNames& names,
                       const std::set<std::string>& taken) {
  Interner intern;
  std::vector<ValueToPrint> distinct;
  std::unordered_map<const ExprNode*, int> uses;
  std::vector<const ExprNode*> order; // operands first
  std::unordered_set<const ExprNode*> seen;
  for (const ValueToPrint& given : values) {
    distinct.push_back({intern(given.value), given.context});
    ++uses[distinct.back().value.get()];
    visit(distinct.back().value, [&](const ExprNode& node) {
      if (seen.insert(&node).second) order.push_back(&node);
    });
  }
  std::unordered_set<const ExprNode*> operands;
  for (const ExprNode* node : order)
    for_each_part(*node, [&](const Expr& operand) {
      ++uses[operand.get()];
      operands.insert(operand.get());
    });

  ValueTexts texts;
  ValuePrinter printer(names);
  int number = 0;
  std::vector<const ExprNode*> named;
  for (const ExprNode* node : order) {
    printer.print(*node);
    const Printed& printed = printer.printed(*node);
    const bool again = uses[node] > 1 && printed.text.size() > longest_repeated;
    const bool deep = printed.depth >= deepest && operands.count(node) > 0;
    if (!again && !deep) continue;
    std::string name;
    do name = fmt::format("t{}", ++number);
    while (taken.count(name));
    const bool usual = node->type == ElementType::f32 && node->lanes == 1;
    texts.lets.push_back(fmt::format(
        "let {}{} = {}", name,
        usual ? "" : fmt::format(": {}", value_type_text(node->type, node->lanes)), printed.text));
    printer.name(*node, name);
    named.push_back(node);
  }
  texts.let_of = lets_of(order, named);
  for (const auto& [value, context] : distinct)
    texts.values.push_back(printer.in_context(value, context));
  return texts;
}

std::string to_string(const Expr& expr, const ExprNames& names) {
  ValuePrinter printer(names);
  visit(expr, [&](const ExprNode& node) { printer.print(node); });
  return printer.printed(*expr).text;
}

} // namespace volute::ir
