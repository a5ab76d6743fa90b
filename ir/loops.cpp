#include "ir/loops.h"

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

Index substitute(Index index, Var var, const Affine& value) {
  for (Subscript& subscript : index) subscript.at = subscript.at.substitute(var, value);
  return index;
}

std::vector<Affine> substitute(std::vector<Affine> index, Var var, const Affine& value) {
  for (Affine& at : index) at = at.substitute(var, value);
  return index;
}

Range substitute(Range range, Var var, const Affine& value) {
  for (std::vector<Bound>* side : {&range.lo, &range.hi})
    for (Bound& bound : *side) bound.numerator = bound.numerator.substitute(var, value);
  return range;
}

Stmt substitute_for(const For& loop, const std::string& note, Var var, const Affine& value) {
  Stmt body = loop.var == var ? loop.body : substitute(loop.body, var, value);
  return for_loop(loop.var, substitute(loop.range, var, value), loop.kind, std::move(body), note);
}

Stmt substitute_when(const When& when, const std::string& note, Var var, const Affine& value) {
  const Affine tested = when.value.substitute(var, value);
  Stmt body = substitute(when.body, var, value);
  if (!tested.is_constant()) return stmt(When{tested, when.lo, when.hi, std::move(body)}, note);
  const bool runs = when.lo <= tested.number() && tested.number() < when.hi;
  return runs ? block({std::move(body)}, note) : block({});
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
  if (flat.size() == 1 && flat.front()->note.empty())
    return stmt(flat.front()->is, std::move(note));
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

Expr substitute(const Expr& e, Var var, const Affine& value) {
  return rewrite(e, [&](const Expr& node) {
    ExprNode copy = *node;
    if (auto* position = std::get_if<Position>(&copy.is))
      position->value = position->value.substitute(var, value);
    else if (auto* read = std::get_if<Read>(&copy.is))
      read->index = substitute(std::move(read->index), var, value);
    else if (auto* load = std::get_if<Load>(&copy.is))
      load->index = substitute(std::move(load->index), var, value);
    else if (auto* reg = std::get_if<Reg>(&copy.is))
      reg->index = substitute(std::move(reg->index), var, value);
    else
      return node;
    return Expr(std::make_shared<const ExprNode>(std::move(copy)));
  });
}

Stmt substitute(const Stmt& s, Var var, const Affine& value) {
  if (const auto* loop = std::get_if<For>(&s->is))
    return substitute_for(*loop, s->note, var, value);
  if (const auto* when = std::get_if<When>(&s->is))
    return substitute_when(*when, s->note, var, value);
  if (const auto* inner = std::get_if<Block>(&s->is)) {
    std::vector<Stmt> stmts;
    for (const Stmt& child : inner->stmts) stmts.push_back(substitute(child, var, value));
    return block(std::move(stmts), s->note);
  }
  StmtNode copy = *s;
  if (auto* set = std::get_if<Set>(&copy.is)) {
    set->index = substitute(std::move(set->index), var, value);
    set->value = substitute(set->value, var, value);
  } else if (auto* store = std::get_if<Store>(&copy.is)) {
    store->index = substitute(std::move(store->index), var, value);
    store->value = substitute(store->value, var, value);
  } else if (auto* scatter = std::get_if<Scatter>(&copy.is)) {
    scatter->index = substitute(std::move(scatter->index), var, value);
    scatter->offset = substitute(scatter->offset, var, value);
    scatter->value = substitute(scatter->value, var, value);
  } else if (auto* transpose = std::get_if<Transpose>(&copy.is)) {
    transpose->from_index = substitute(std::move(transpose->from_index), var, value);
  } else if (auto* prefetch = std::get_if<Prefetch>(&copy.is)) {
    prefetch->offset = prefetch->offset.substitute(var, value);
  } else {
    return s;
  }
  return std::make_shared<const StmtNode>(std::move(copy));
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
