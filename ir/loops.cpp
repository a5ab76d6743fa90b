#include "ir/loops.h"

#include "ir/walk.h"

#include <algorithm>

namespace volute::ir {
namespace {

// Constant bounds of one side become one constant bound, and the constant comes first: what remains
// of a clipped range after its variables are replaced by numbers is a plain range again.
void fold_constants(std::vector<Bound>& bounds, bool keep_largest) {
  std::optional<int64_t> folded;
  std::vector<Bound> kept;
  for (Bound& bound : bounds) {
    if (!bound.numerator.is_constant()) {
      if (std::find(kept.begin(), kept.end(), bound) == kept.end()) kept.push_back(bound);
      continue;
    }
    const int64_t value = ceil_div(bound.numerator.number(), bound.divisor);
    if (!folded) folded = value;
    folded = keep_largest ? std::max(*folded, value) : std::min(*folded, value);
  }
  if (folded) kept.insert(kept.begin(), Bound{*folded, 1});
  bounds = std::move(kept);
}

Range folded(Range range) {
  fold_constants(range.lo, true);
  fold_constants(range.hi, false);
  return range;
}

} // namespace

bool Range::is_constant() const {
  return lo.size() == 1 && hi.size() == 1 && lo.front().divisor == 1 && hi.front().divisor == 1 &&
         lo.front().numerator.is_constant() && hi.front().numerator.is_constant();
}

Stmt stmt(decltype(StmtNode::is) is, std::string note) {
  return std::make_shared<const StmtNode>(StmtNode{std::move(is), std::move(note)});
}

// Blocks without a note of their own dissolve into the block around them.
Stmt block(std::vector<Stmt> stmts, std::string note) {
  std::vector<Stmt> flat;
  for (Stmt& s : stmts) {
    const auto* inner = std::get_if<Block>(&s->is);
    if (inner && inner->stmts.empty()) continue;
    if (inner && s->note.empty())
      flat.insert(flat.end(), inner->stmts.begin(), inner->stmts.end());
    else
      flat.push_back(std::move(s));
  }
  if (flat.size() == 1 && note.empty()) return flat.front();
  if (flat.size() == 1 && flat.front()->note.empty()) {
    StmtNode only = *flat.front();
    only.note = std::move(note);
    return std::make_shared<const StmtNode>(std::move(only));
  }
  return stmt(Block{std::move(flat)}, std::move(note));
}

Stmt for_loop(Var var, Range range, For::Kind kind, Stmt body, std::string note) {
  range = folded(std::move(range));
  if (range.is_constant()) {
    if (range.end() <= range.begin()) return block({});
    if (range.end() - range.begin() == 1)
      return block({substitute(body, var, range.begin())}, std::move(note));
  }
  return stmt(For{var, std::move(range), kind, std::move(body)}, std::move(note));
}

Stmt with_source(const Stmt& s, SourceId source) {
  if (!s || source == no_source || s->source != no_source) return s;
  StmtNode copy = *s;
  if (auto* inner = std::get_if<Block>(&copy.is)) // which dissolves into others
    for (Stmt& statement : inner->stmts) statement = with_source(statement, source);
  else
    copy.source = source;
  return std::make_shared<const StmtNode>(std::move(copy));
}

namespace {

Stmt made_normal(StmtNode node) {
  if (auto* inner = std::get_if<Block>(&node.is))
    return block(std::move(inner->stmts), std::move(node.note));
  if (auto* loop = std::get_if<For>(&node.is))
    return for_loop(loop->var, std::move(loop->range), loop->kind, std::move(loop->body),
                    std::move(node.note));
  if (auto* when = std::get_if<When>(&node.is); when && when->value.is_constant()) {
    const int64_t value = when->value.number();
    if (value < when->lo || value >= when->hi) return block({});
    return block({std::move(when->body)}, std::move(node.note));
  }
  return std::make_shared<const StmtNode>(std::move(node));
}

} // namespace

Stmt normal(StmtNode node) {
  const SourceId source = node.source;
  return with_source(made_normal(std::move(node)), source);
}

namespace {

Rewriter substitution(Var var, const Affine& value) {
  return Rewriter([var, value](const Expr& node) {
    bool mentioned = false;
    for_each_part(*node, [&](const Affine& at) { mentioned |= at.depends_on(var); });
    if (!mentioned) return node;
    ExprNode copy = *node;
    for_each_part(copy, [&](Affine& at) { at = at.substitute(var, value); });
    return Expr(std::make_shared<const ExprNode>(std::move(copy)));
  });
}

} // namespace

Expr substitute(const Expr& e, Var var, const Affine& value) { return substitution(var, value)(e); }

Stmt substitute(const Stmt& s, Var var, const Affine& value) {
  Rewriter in_values = substitution(var, value);
  return rewrite(s, [&](StmtNode& node) {
    for_each_part(node, overloaded{[&](Affine& at) { at = at.substitute(var, value); },
                                   [&](Expr& e) { e = in_values(e); }});
  });
}

int64_t RegisterArray::count() const {
  int64_t product = 1;
  for (int64_t extent : shape) product *= extent;
  return product;
}

int64_t Step::work() const {
  int64_t product = 1;
  for (const ItemLoop& item : items) product *= item.count.number();
  return product;
}

int64_t Step::work(const std::function<int64_t(Var)>& value_of) const {
  int64_t product = 1;
  for (const ItemLoop& item : items) product *= item.count.evaluate(value_of);
  return product;
}

} // namespace volute::ir
