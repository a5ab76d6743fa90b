#include "compiler/specialise/merge_steps.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace volute::compiler {

using namespace ir;

namespace {

/// Gives the parts of a step their numbers in a step that has others before them.
class Renumber {
public:
  Renumber(const Step& step, const Step& into)
      : vars_(static_cast<int32_t>(into.vars.size())),
        views_(static_cast<int32_t>(into.views.size())),
        arrays_(static_cast<int32_t>(into.arrays.size())),
        tables_(static_cast<int32_t>(into.tables.size())) {
    for (size_t i = 0; i < step.items.size(); ++i)
      shared_.emplace_back(step.items[i].var, into.items[i].var);
  }

  Var operator()(Var var) const {
    for (const auto& [own, other] : shared_)
      if (own == var) return other;
    return {var.id + vars_};
  }

  Affine operator()(const Affine& affine) const {
    Affine result = affine.constant_term();
    for (const Affine::Term& t : affine.terms()) result += Affine((*this)(t.var)) * t.coefficient;
    return result;
  }

  std::vector<Affine> operator()(std::vector<Affine> list) const {
    for (Affine& affine : list) affine = (*this)(affine);
    return list;
  }

  Index operator()(Index index) const {
    for (Subscript& s : index) {
      s.at = (*this)(s.at);
      if (s.table >= 0) s.table += tables_;
    }
    return index;
  }

  Expr operator()(const Expr& e) const {
    return rewrite(e, [&](const Expr& node) -> Expr {
      auto copy = std::make_shared<ExprNode>(*node);
      if (auto* load = std::get_if<Load>(&copy->is))
        load->view += views_, load->index = (*this)(load->index);
      else if (auto* reg = std::get_if<Reg>(&copy->is))
        reg->array += arrays_, reg->index = (*this)(reg->index);
      else if (auto* position = std::get_if<Position>(&copy->is))
        position->value = (*this)(position->value);
      else
        return node;
      return copy;
    });
  }

  Range operator()(Range range) const {
    for (auto* bounds : {&range.lo, &range.hi})
      for (Bound& bound : *bounds) bound.numerator = (*this)(bound.numerator);
    return range;
  }

  Stmt operator()(const Stmt& s) const {
    return std::visit([&](auto is) { return stmt(renumbered(std::move(is)), s->note); }, s->is);
  }

private:
  Block renumbered(Block block) const {
    for (Stmt& s : block.stmts) s = (*this)(s);
    return block;
  }
  For renumbered(For loop) const {
    loop.var = (*this)(loop.var);
    loop.range = (*this)(loop.range);
    loop.body = (*this)(loop.body);
    return loop;
  }
  When renumbered(When when) const {
    when.value = (*this)(when.value);
    when.body = (*this)(when.body);
    return when;
  }
  Set renumbered(Set set) const {
    return {set.array + arrays_, (*this)(set.index), (*this)(set.value)};
  }
  Store renumbered(Store store) const {
    store.view += views_;
    store.index = (*this)(store.index);
    store.value = (*this)(store.value);
    return store;
  }
  Scatter renumbered(Scatter scatter) const {
    scatter.view += views_;
    scatter.index = (*this)(scatter.index);
    scatter.offset = (*this)(scatter.offset);
    scatter.value = (*this)(scatter.value);
    return scatter;
  }
  Transpose renumbered(Transpose turn) const {
    turn.to += arrays_;
    turn.from += arrays_;
    turn.from_index = (*this)(turn.from_index);
    return turn;
  }
  Fence renumbered(Fence fence) const { return fence; }
  Prefetch renumbered(Prefetch prefetch) const {
    return {prefetch.view + views_, (*this)(prefetch.offset)};
  }

  int32_t vars_, views_, arrays_, tables_;
  std::vector<std::pair<Var, Var>> shared_; // item loops
};

template <class T>
void append(std::vector<T>& to, const std::vector<T>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

} // namespace

Step merge_steps(const Step& first, const Step& second) {
  const auto same = [](const ItemLoop& a, const ItemLoop& b) { return a.count == b.count; };
  if (!std::equal(first.items.begin(), first.items.end(), second.items.begin(), second.items.end(),
                  same))
    throw InternalError(
        fmt::format("steps {} and {} have different work items", first.name, second.name));
  Step merged = first;
  const Renumber renumber(second, first);
  merged.name = second.name;
  merged.origin = fmt::format("{}, {}", first.origin, second.origin);
  merged.body = block(
      {stmt(Block{{first.body}}, first.name), stmt(Block{{renumber(second.body)}}, second.name)});
  append(merged.vars, second.vars);
  append(merged.views, second.views);
  append(merged.tables, second.tables);
  for (RegisterArray array : second.arrays) { // names are for people, who want to tell them apart
    const std::string name = array.name;
    const auto is_taken = [&] {
      return std::any_of(merged.arrays.begin(), merged.arrays.end(),
                         [&](const RegisterArray& a) { return a.name == array.name; });
    };
    for (int number = 2; is_taken(); ++number) array.name = fmt::format("{}{}", name, number);
    merged.arrays.push_back(std::move(array));
  }
  merged.scratch_bytes = std::max(first.scratch_bytes, second.scratch_bytes);
  return merged;
}

} // namespace volute::compiler
