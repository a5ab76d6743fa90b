#include "ir/walk.h"

#include "ir/budget.h"
#include "ir/short_list.h"

#include <algorithm>
#include <unordered_set>
#include <vector>

namespace volute::ir {
namespace {

thread_local int64_t walked = 0;

// A node waits on the stack until its operands, which are put above it, are done.
struct Waiting {
  const Expr* expr;
  bool operands_done = false;
};

using Stack = ShortList<Waiting, 16>;

Stack stack_of(const Expr& expr) {
  Stack stack;
  stack.push_back({&expr});
  return stack;
}

// Puts the operands above the node, the first one on top.
void push_operands(const ExprNode& node, Stack& stack) {
  const size_t below = stack.size();
  for_each_part(node, [&](const Expr& operand) {
    if (operand) stack.push_back({&operand});
  });
  std::reverse(stack.begin() + below, stack.end());
}

// The nodes that a walk has met. Most expressions have a few, which are sooner compared than
// hashed.
template <class Node>
class Seen {
public:
  /// Whether it is met for the first time.
  bool insert(const Node* node) {
    if (!many_.empty()) return many_.insert(node).second;
    if (std::find(few_.begin(), few_.end(), node) != few_.end()) return false;
    few_.push_back(node);
    if (few_.size() == most_compared) many_.insert(few_.begin(), few_.end());
    return true;
  }

private:
  static constexpr size_t most_compared = 16;
  ShortList<const Node*, most_compared> few_;
  std::unordered_set<const Node*> many_;
};

void visit(const Expr& expr, const std::function<void(const ExprNode&)>& fn, Seen<ExprNode>& seen) {
  if (!expr) return;
  Stack stack = stack_of(expr);
  while (!stack.empty()) {
    const auto [at, operands_done] = stack.back();
    if (operands_done) {
      stack.pop_back();
      count_walked();
      fn(**at);
    } else if (!seen.insert(at->get())) {
      stack.pop_back();
    } else {
      stack.back().operands_done = true;
      push_operands(**at, stack);
    }
  }
}

} // namespace

int64_t nodes_walked() { return walked; }

void count_walked(int64_t nodes) {
  constexpr int64_t now_and_then = int64_t{1} << 12, seldom = int64_t{1} << 20;
  const int64_t before = walked;
  walked += nodes;
  if (before / seldom != walked / seldom)
    check_budget();
  else if (before / now_and_then != walked / now_and_then)
    check_time();
}

// ---- expressions ------------------------------------------------------------------------------

void visit(const Expr& expr, const std::function<void(const ExprNode&)>& fn) {
  Seen<ExprNode> seen;
  visit(expr, fn, seen);
}

Expr SourceGiver::operator()(const Expr& expr) {
  if (!expr || source_ == no_source) return expr;
  const auto is_done = [&](const Expr& node) {
    return node->source != no_source || done_.count(node.get());
  };
  const auto result = [&](const Expr& node) -> const Expr& {
    return node->source != no_source ? node : done_.at(node.get()).after;
  };
  Stack stack = stack_of(expr);
  while (!stack.empty()) {
    const auto [at, operands_done] = stack.back();
    const Expr& node = *at;
    if (is_done(node)) {
      stack.pop_back();
    } else if (!operands_done) {
      stack.back().operands_done = true;
      push_operands(*node, stack);
    } else {
      stack.pop_back();
      ++walked;
      auto copy = std::make_shared<ExprNode>(*node);
      copy->source = source_;
      for_each_part(*copy, [&](Expr& operand) {
        if (operand) operand = result(operand);
      });
      done_.emplace(node.get(), Result{node, std::move(copy)});
    }
  }
  return result(expr);
}

namespace {

bool is_leaf(const ExprNode& node) {
  bool leaf = true;
  for_each_part(node, [&](const Expr&) { leaf = false; });
  return leaf;
}

Expr given(const Expr& expr, SourceId source) {
  if (source == no_source) return expr;
  if (!is_leaf(*expr)) return SourceGiver(source)(expr);
  auto copy = std::make_shared<ExprNode>(*expr);
  copy->source = source;
  return copy;
}

} // namespace

Expr Rewriter::operator()(const Expr& expr) {
  if (!expr) return expr;
  Stack stack = stack_of(expr);
  while (!stack.empty()) {
    const auto [at, operands_done] = stack.back();
    const Expr& node = *at;
    if (!operands_done && done_.count(node.get())) {
      stack.pop_back();
    } else if (!operands_done) {
      stack.back().operands_done = true;
      push_operands(*node, stack);
    } else {
      stack.pop_back();
      count_walked();
      std::vector<Expr> operands;
      bool changed = false;
      for_each_part(*node, [&](const Expr& operand) {
        operands.push_back(done_.at(operand.get()).after);
        changed |= operands.back() != operand;
      });
      Expr after = fn_(changed ? with_children(node, std::move(operands)) : node);
      if (after && after->source == no_source) after = given(after, node->source);
      done_.emplace(node.get(), Result{node, std::move(after)});
    }
  }
  return done_.at(expr.get()).after;
}

Expr rewrite(const Expr& expr, const std::function<Expr(const Expr&)>& fn) {
  return Rewriter(fn)(expr);
}

// ---- statements -------------------------------------------------------------------------------

namespace {

void visit(const Stmt& s, const std::function<void(const StmtNode&)>& fn, Seen<StmtNode>& seen) {
  if (!s || !seen.insert(s.get())) return;
  count_walked();
  fn(*s);
  for_each_part(*s, [&](const Stmt& inner) { visit(inner, fn, seen); });
}

using Rewritten = std::unordered_map<const StmtNode*, Stmt>;

Stmt rewrite(const Stmt& s, const std::function<void(StmtNode&)>& fn, Rewritten& done) {
  if (!s) return s;
  if (const auto found = done.find(s.get()); found != done.end()) return found->second;
  count_walked();
  StmtNode node = *s;
  for_each_part(node, [&](Stmt& inner) { inner = rewrite(inner, fn, done); });
  fn(node);
  return done[s.get()] = normal(std::move(node));
}

} // namespace

void visit(const Stmt& s, const std::function<void(const StmtNode&)>& fn) {
  Seen<StmtNode> seen;
  visit(s, fn, seen);
}

void for_each_expression(const Stmt& s, const std::function<void(const Expr&)>& fn) {
  visit(s,
        [&](const StmtNode& node) { for_each_part(node, [&](const Expr& value) { fn(value); }); });
}

Stmt rewrite(const Stmt& s, const std::function<void(StmtNode&)>& fn) {
  Rewritten done;
  return rewrite(s, fn, done);
}

// ---- nests ------------------------------------------------------------------------------------

void visit(const Nest& nest, const std::function<void(const ExprNode&)>& fn) {
  Seen<ExprNode> seen;
  for_each_expression(nest, [&](const Expr& e) { visit(e, fn, seen); });
}

} // namespace volute::ir
