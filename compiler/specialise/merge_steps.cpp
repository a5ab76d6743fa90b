#include "compiler/specialise/merge_steps.h"

#include "ir/walk.h"

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
    for (const RegisterArray& array : step.arrays) {
      const auto same = std::find_if(into.arrays.begin(), into.arrays.end(), [&](const auto& a) {
        return array.rows > 0 && a.rows == array.rows && a.lanes == array.lanes &&
               a.type == array.type && a.shape == array.shape;
      });
      const bool shared = same != into.arrays.end();
      if (shared)
        array_numbers_.push_back(static_cast<int32_t>(same - into.arrays.begin()));
      else
        array_numbers_.push_back(arrays_ + added_++);
    }
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

  Stmt operator()(const Stmt& s) const {
    Rewriter in_values([this](const Expr& node) {
      auto copy = std::make_shared<ExprNode>(*node);
      renumber(*copy, [](const Expr&) {});
      return Expr(copy);
    });
    return rewrite(
        s, [&](StmtNode& node) { renumber(node, [&](Expr& value) { value = in_values(value); }); });
  }

  /// Tiles of a matrix unit, of which there are few, serve both steps where their shapes agree:
  /// each sets them before it uses them.
  bool is_added(size_t array) const { return array_numbers_[array] >= arrays_; }

private:
  template <class Node, class Value>
  void renumber(Node& node, const Value& value) const {
    for_each_part(node, overloaded{[this](Affine& affine) { affine = (*this)(affine); },
                                   [this](LoopVariable, Var& var) { var = (*this)(var); },
                                   [this](ViewId, int32_t& id) { id += views_; },
                                   [this](ArrayId, int32_t& id) {
                                     id = array_numbers_.at(static_cast<size_t>(id));
                                   },
                                   [this](TableId, int32_t& id) { id += tables_; }, value});
  }

  int32_t vars_, views_, arrays_, tables_;
  int32_t added_ = 0;
  std::vector<int32_t> array_numbers_;
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
  append(merged.statements, second.statements);
  append(merged.vars, second.vars);
  append(merged.views, second.views);
  append(merged.tables, second.tables);
  for (size_t i = 0; i < second.arrays.size(); ++i) {
    if (!renumber.is_added(i)) continue;
    RegisterArray array = second.arrays[i]; // names are for people, who want to tell them apart
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
