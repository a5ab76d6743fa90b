// Counts that follow from a step's loops alone. A loop whose body does not look at its variable is
// counted once and multiplied; only tap loops clipped at the border make their outer loops matter.

#include "ir/loops.h"
#include "ir/walk.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <unordered_map>

namespace volute::ir {
namespace {

// A count that would overflow stays at the largest number.
int64_t times(int64_t a, int64_t b) {
  int64_t product = 0;
  return __builtin_mul_overflow(a, b, &product) ? std::numeric_limits<int64_t>::max() : product;
}

int64_t plus(int64_t a, int64_t b) {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<int64_t>::max() : sum;
}

int64_t fmas_in(const Expr& expr) {
  int64_t count = 0;
  visit(expr, [&](const ExprNode& node) {
    if (std::holds_alternative<Fma>(node.is)) count += node.lanes;
    if (const auto* dot = std::get_if<Dot>(&node.is)) count += int64_t{node.lanes} * dot->ways;
  });
  return count;
}

int64_t loads_in(const Expr& expr) {
  int64_t count = 0;
  visit(expr, [&](const ExprNode& node) { count += std::holds_alternative<Load>(node.is); });
  return count;
}

/// What one statement counts for, without the statements in it.
using Weight = int64_t (*)(const StmtNode&);

template <int64_t (*in)(const Expr&)>
int64_t expressions_of(const StmtNode& node) {
  int64_t count = 0;
  for_each_part(node, [&](const Expr& value) { count = plus(count, in(value)); });
  return count;
}

int64_t stores_of(const StmtNode& node) {
  return std::holds_alternative<Store>(node.is) || std::holds_alternative<Scatter>(node.is) ? 1 : 0;
}

constexpr int64_t longest_border = 256;

bool has_any(const Stmt& s, Weight weight) {
  bool found = false;
  visit(s, [&](const StmtNode& node) { found = found || weight(node) > 0; });
  return found;
}

class Counter {
public:
  Counter(const Step& step, Weight weight) : weight_(weight) {
    for (const ParameterVar& parameter : step.parameters)
      values_[parameter.var] =
          ceil_div(parameter.range.least, parameter.range.multiple) * parameter.range.multiple;
  }

  int64_t count_items(const Step& step, size_t depth = 0) {
    if (depth == step.items.size()) return count(step.body);
    const ItemLoop& item = step.items[depth];
    return sum_over(item.var, 0, value_of(item.count), deciding(step.body).count(item.var) > 0,
                    [&] { return count_items(step, depth + 1); });
  }

private:
  using Vars = std::set<Var>;

  // The variables that decide how often something inside the statement runs.
  const Vars& deciding(const Stmt& s) {
    const auto [entry, is_new] = deciding_.try_emplace(s.get());
    if (!is_new) return entry->second;
    Vars vars;
    const auto mention = [&](const Affine& affine) {
      for (const Affine::Term& term : affine.terms()) vars.insert(term.var);
    };
    const auto inside = [&](const Stmt& inner) {
      const Vars& decided = deciding(inner);
      vars.insert(decided.begin(), decided.end());
    };
    if (std::holds_alternative<For>(s->is) || std::holds_alternative<When>(s->is))
      for_each_part(*s, overloaded{mention, inside});
    else
      for_each_part(*s, inside);
    return deciding_[s.get()] = std::move(vars);
  }

  template <class Count>
  int64_t sum_over(Var var, int64_t begin, int64_t end, bool decides, const Count& count) {
    if (end <= begin) return 0;
    int64_t& value = values_[var];
    value = begin;
    if (!decides) return times(end - begin, count());
    const auto at = [&](int64_t i) {
      values_[var] = i;
      return count();
    };
    int64_t sum = 0;
    // A clipped loop has fewer taps towards both ends and the same number between: where three
    // places far inside agree, all between them do.
    const int64_t left = begin + longest_border, right = end - 1 - longest_border;
    if (left < right) {
      const int64_t inside = at(left);
      if (inside == at(right) && inside == at(left + (right - left) / 2)) {
        sum = times(right - left + 1, inside);
        for (int64_t i = begin; i < left; ++i) sum = plus(sum, at(i));
        begin = right + 1;
      }
    }
    for (int64_t i = begin; i < end; ++i) sum = plus(sum, at(i));
    return sum;
  }

  int64_t value_of(const Affine& affine) const {
    return affine.evaluate([&](Var var) {
      const auto found = values_.find(var);
      return found == values_.end() ? 0 : found->second;
    });
  }

  int64_t bound(const std::vector<Bound>& bounds, bool largest) const {
    int64_t best = 0;
    for (size_t i = 0; i < bounds.size(); ++i) {
      const int64_t value = ceil_div(value_of(bounds[i].numerator), bounds[i].divisor);
      best = i == 0 ? value : largest ? std::max(best, value) : std::min(best, value);
    }
    return best;
  }

  int64_t count(const Stmt& s) {
    return std::visit(overloaded{[&](const Block& block) {
                                   int64_t sum = 0;
                                   for (const Stmt& inner : block.stmts)
                                     sum = plus(sum, count(inner));
                                   return sum;
                                 },
                                 [&](const For& loop) {
                                   return sum_over(loop.var, bound(loop.range.lo, true),
                                                   bound(loop.range.hi, false),
                                                   deciding(loop.body).count(loop.var) > 0,
                                                   [&] { return count(loop.body); });
                                 },
                                 [&](const When& when) {
                                   const int64_t value = value_of(when.value);
                                   return when.lo <= value && value < when.hi ? count(when.body)
                                                                              : 0;
                                 },
                                 [&](const auto&) { return here(s); }},
                      s->is);
  }

  // Unrolled loops and clipped ones come by one statement often.
  int64_t here(const Stmt& s) {
    const auto [entry, is_new] = here_.try_emplace(s.get());
    if (is_new) entry->second = weight_(*s);
    return entry->second;
  }

  Weight weight_;
  std::unordered_map<const StmtNode*, int64_t> here_;
  std::unordered_map<const StmtNode*, Vars> deciding_;
  std::map<Var, int64_t> values_;
};

} // namespace

namespace {

int64_t count(const Step& step, Weight weight) {
  return step.body && has_any(step.body, weight) ? Counter(step, weight).count_items(step) : 0;
}

} // namespace

int64_t count_fmas(const Step& step) { return count(step, expressions_of<fmas_in>); }

StepWork count_work(const Step& step) {
  return {count_fmas(step), count(step, expressions_of<loads_in>), count(step, stores_of)};
}

} // namespace volute::ir
