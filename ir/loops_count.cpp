// Counts that follow from a step's loops alone, in a time that does not depend on their lengths.
//
// What a statement counts for is multiplied by the number of times that it runs: the points of all
// loops around it. Loops whose bounds have no variable in common (the rows of an image with the
// taps that meet them, its columns with theirs) are counted apart, and multiply.
//
// Where a loop's length depends on one around it, as that of tap loops clipped at a border does,
// the values at which one bound overtakes another cut the outer one's range into pieces. Within a
// piece all lengths are affine in the variable, so the count is a polynomial in it (one for each
// residue, where bounds are quotients), and a few values give the sum of all.

#include "ir/loops.h"
#include "ir/walk.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace volute::ir {
namespace {

using Wide = __int128;

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

/// What one statement of a step counts for, without the statements in it.
using Weight = int64_t (*)(const Step&, const StmtNode&);

template <int64_t (*in)(const Expr&)>
int64_t expressions_of(const StmtNode& node) {
  int64_t count = 0;
  for_each_part(node, [&](const Expr& value) { count = plus(count, in(value)); });
  return count;
}

const RegisterArray& array_of(const Step& step, const TileRegister& at) {
  return step.arrays[static_cast<size_t>(at.array)];
}

/// Rows that a tile statement of this kind takes from memory, or puts there.
int64_t tile_rows_of(const Step& step, const StmtNode& node, Tile::Kind kind) {
  const auto* tile = std::get_if<Tile>(&node.is);
  return tile && tile->kind == kind ? array_of(step, tile->tile).rows : 0;
}

int64_t fmas_of(const Step& step, const StmtNode& node) {
  const auto* tile = std::get_if<Tile>(&node.is);
  if (!tile || tile->kind != Tile::Kind::multiply) return expressions_of<fmas_in>(node);
  return array_of(step, tile->tile).elements() * array_of(step, tile->a).lanes;
}

int64_t loads_of(const Step& step, const StmtNode& node) {
  return plus(expressions_of<loads_in>(node), tile_rows_of(step, node, Tile::Kind::load));
}

int64_t stores_of(const Step& step, const StmtNode& node) {
  if (std::holds_alternative<Store>(node.is) || std::holds_alternative<Scatter>(node.is)) return 1;
  return tile_rows_of(step, node, Tile::Kind::store);
}

class Counter {
public:
  Counter(const Step& step, Weight weight) : step_(step), weight_(weight) {
    for (const ParameterVar& parameter : step.parameters)
      values_[parameter.var] =
          ceil_div(parameter.range.least, parameter.range.multiple) * parameter.range.multiple;
    for (const ItemLoop& item : step.items)
      around_.push_back({&item, item.var, {{{0, 1}}, {{item.count, 1}}}, std::nullopt});
  }

  int64_t run(const Stmt& body) {
    count(body);
    return total_;
  }

private:
  struct Interval {
    int64_t lo, hi; // inclusive
    bool is_fixed = true;
  };

  /// A loop or a condition around the statement that is looked at.
  struct Link {
    const void* from; // which tells it from others
    Var var;          // none: of a condition
    Range range;
    std::optional<When> when;

    bool mentions(Var other) const {
      const auto in = [&](const std::vector<Bound>& bounds) {
        return std::any_of(bounds.begin(), bounds.end(),
                           [&](const Bound& b) { return b.numerator.depends_on(other); });
      };
      return when ? when->value.depends_on(other) : in(range.lo) || in(range.hi);
    }
  };
  using Chain = std::vector<const Link*>; // the outer one first

  // ---- every statement with the loops around it -------------------------------------------------

  void count(const Stmt& s) {
    count_walked();
    if (const auto* block = std::get_if<Block>(&s->is)) {
      int64_t here = 0;
      for (const Stmt& inner : block->stmts)
        if (is_loop(*inner))
          count(inner);
        else
          here = plus(here, of(inner));
      add(here);
    } else if (const auto* loop = std::get_if<For>(&s->is)) {
      around_.push_back({s.get(), loop->var, loop->range, std::nullopt});
      count(loop->body);
      around_.pop_back();
    } else if (const auto* when = std::get_if<When>(&s->is)) {
      around_.push_back({s.get(), Var{}, {}, *when});
      count(when->body);
      around_.pop_back();
    } else {
      add(of(s));
    }
  }

  static bool is_loop(const StmtNode& node) {
    return std::holds_alternative<Block>(node.is) || std::holds_alternative<For>(node.is) ||
           std::holds_alternative<When>(node.is);
  }

  // Unrolled loops and clipped ones come by one statement often.
  int64_t of(const Stmt& s) {
    const auto [entry, is_new] = weights_.try_emplace(s.get());
    if (is_new) entry->second = weight_(step_, *s);
    return entry->second;
  }

  void add(int64_t weight) {
    if (weight > 0) total_ = plus(total_, times(weight, runs()));
  }

  /// How often the statement runs: for each set of loops that have to do with each other.
  int64_t runs() {
    std::vector<size_t> group(around_.size());
    std::iota(group.begin(), group.end(), size_t{0});
    for (size_t i = 0; i < around_.size(); ++i)
      for (size_t outer = 0; outer < i; ++outer) {
        if (group[outer] == group[i] || around_[outer].when) continue;
        if (!around_[i].mentions(around_[outer].var)) continue;
        const size_t joined = group[outer];
        for (size_t other = 0; other <= i; ++other)
          if (group[other] == joined) group[other] = group[i];
      }
    int64_t product = 1;
    for (size_t g = 0; g < around_.size(); ++g) {
      Chain chain;
      std::vector<const void*> name;
      for (size_t i = 0; i < around_.size(); ++i)
        if (group[i] == g) chain.push_back(&around_[i]), name.push_back(around_[i].from);
      if (chain.empty()) continue;
      const auto [entry, is_new] = counted_.try_emplace(std::move(name));
      if (is_new) entry->second = points(chain, 0);
      product = times(product, entry->second);
    }
    return product;
  }

  // ---- where a count changes its form -----------------------------------------------------------

  // The values of a variable beside which some bound overtakes another, for some values of the
  // loops inside: between such windows the count is a polynomial of no more than `degree`, for each
  // residue modulo `period`.
  struct Form {
    std::vector<Interval> windows;
    int64_t period = 1;
    int degree = 0;
  };
  using Inside = std::map<Var, Interval>; // the loop that is summed over, and those inside it

  static int64_t floor_div(Wide a, Wide b) { // b > 0
    return static_cast<int64_t>(a / b - (a % b < 0));
  }

  Interval range_of(Var v, const Inside& inside) const {
    const auto found = inside.find(v);
    return found == inside.end() ? Interval{value_of(v), value_of(v)} : found->second;
  }

  // Where a / da = b / db, as the variable moves.
  void meet(const Bound& a, const Bound& b, Var var, const Inside& inside, Form& form) const {
    const auto slope_along = [&](Var v) {
      return static_cast<Wide>(a.numerator.coefficient(v)) * b.divisor -
             static_cast<Wide>(b.numerator.coefficient(v)) * a.divisor;
    };
    Wide lo = static_cast<Wide>(a.numerator.constant_term()) * b.divisor -
              static_cast<Wide>(b.numerator.constant_term()) * a.divisor;
    Wide hi = lo;
    bool is_fixed = true;
    const auto add = [&](Var v) {
      const Wide slope = slope_along(v);
      if (v == var || slope == 0) return;
      const Interval range = range_of(v, inside);
      is_fixed &= range.is_fixed;
      lo += slope * (slope > 0 ? range.lo : range.hi);
      hi += slope * (slope > 0 ? range.hi : range.lo);
    };
    for (const Affine::Term& t : a.numerator.terms()) add(t.var);
    for (const Affine::Term& t : b.numerator.terms())
      if (!a.numerator.depends_on(t.var)) add(t.var);
    const Wide slope = slope_along(var);
    if (slope == 0) { // one overtakes the other along a loop inside, wherever that begins and ends
      if (!is_fixed && lo <= 0 && hi >= 0) form.windows.push_back(inside.at(var));
      return;
    }
    const Wide magnitude = slope > 0 ? slope : -slope;
    const int64_t first = slope > 0 ? floor_div(-hi, magnitude) : floor_div(lo, magnitude);
    const int64_t last = slope > 0 ? floor_div(-lo, magnitude) : floor_div(hi, magnitude);
    form.windows.push_back({first, last + 1});
  }

  static void note_period(const Bound& bound, Var var, int degree, Form& form) {
    const int64_t factor = bound.numerator.coefficient(var);
    if (bound.divisor > 1 && (factor != 0 || degree > 0))
      form.period =
          std::lcm(form.period,
                   degree > 0 ? bound.divisor : bound.divisor / std::gcd(bound.divisor, factor));
    form.period = std::min(form.period, most_walked + 1);
  }

  int64_t extreme(const Bound& bound, const Inside& inside, bool largest) const {
    int64_t sum = bound.numerator.constant_term();
    for (const Affine::Term& t : bound.numerator.terms()) {
      const Interval range = range_of(t.var, inside);
      sum = plus(sum, t.coefficient * ((t.coefficient > 0) == largest ? range.hi : range.lo));
    }
    return ceil_div(sum, bound.divisor);
  }

  /// Of the count of the links from `at` on, as the variable of the one before moves.
  Form form_along(Var var, Interval of_var, const Chain& chain, size_t at) const {
    Form form;
    Inside inside = {{var, of_var}};
    for (; at < chain.size(); ++at) {
      const Link& link = *chain[at];
      if (link.when) {
        meet({link.when->value, 1}, {link.when->lo, 1}, var, inside, form);
        meet({link.when->value, 1}, {link.when->hi, 1}, var, inside, form);
        continue;
      }
      std::vector<Bound> all = link.range.lo;
      all.insert(all.end(), link.range.hi.begin(), link.range.hi.end());
      for (size_t i = 0; i < all.size(); ++i) {
        note_period(all[i], var, form.degree, form);
        for (size_t other = 0; other < i; ++other) meet(all[i], all[other], var, inside, form);
      }
      Interval range = {INT64_MIN, INT64_MAX, link.range.is_constant()};
      for (const Bound& b : link.range.lo) range.lo = std::max(range.lo, extreme(b, inside, false));
      for (const Bound& b : link.range.hi)
        range.hi = std::min(range.hi, extreme(b, inside, true) - 1);
      range.hi = std::max(range.hi, range.lo);
      inside[link.var] = range;
      form.degree += range.is_fixed ? 0 : 1;
    }
    return form;
  }

  // ---- sums -------------------------------------------------------------------------------------

  // Values that are counted one by one: within a window, and of a period.
  static constexpr int64_t most_walked = int64_t{1} << 12;
  static constexpr int64_t short_loop = 8;

  /// How often the innermost of the links runs, from `at` on.
  int64_t points(const Chain& chain, size_t at) {
    if (at == chain.size()) return 1;
    count_walked();
    const Link& link = *chain[at];
    if (link.when) {
      const int64_t value = value_of(link.when->value);
      return link.when->lo <= value && value < link.when->hi ? points(chain, at + 1) : 0;
    }
    const int64_t begin = bound(link.range.lo, true), end = bound(link.range.hi, false);
    if (end <= begin) return 0;
    values_[link.var] = begin;
    const bool decides =
        std::any_of(chain.begin() + static_cast<std::ptrdiff_t>(at) + 1, chain.end(),
                    [&](const Link* inner) { return inner->mentions(link.var); });
    if (!decides) return times(end - begin, points(chain, at + 1));
    const auto count_at = [&](int64_t i) {
      values_[link.var] = i;
      return points(chain, at + 1);
    };
    if (end - begin <= short_loop) return walk(begin, end, count_at);
    Form form = form_along(link.var, {begin, end - 1}, chain, at + 1);
    std::sort(form.windows.begin(), form.windows.end(),
              [](const Interval& a, const Interval& b) { return a.lo < b.lo; });
    int64_t sum = 0, done = begin;
    for (const Interval& window : form.windows) {
      const int64_t first = std::clamp(window.lo, done, end);
      const int64_t after = std::clamp(window.hi < INT64_MAX ? window.hi + 1 : end, first, end);
      sum = plus(sum, sum_piece(done, first, form, count_at));
      sum = plus(sum, walk(first, after, count_at));
      done = after;
    }
    return plus(sum, sum_piece(done, end, form, count_at));
  }

  template <class At>
  int64_t walk(int64_t begin, int64_t end, const At& at) {
    // A window is as wide as the loops inside move a bound past it: a tile. A wider one counts as
    // its middle does.
    if (end - begin > most_walked) return times(end - begin, at(begin + (end - begin) / 2));
    int64_t sum = 0;
    for (int64_t i = begin; i < end; ++i) sum = plus(sum, at(i));
    return sum;
  }

  // The sum over [begin, end) of a polynomial for each residue: from its first values, by Newton's
  // forward differences.
  template <class At>
  int64_t sum_piece(int64_t begin, int64_t end, const Form& form, const At& at) {
    const int64_t samples = form.degree + 1;
    if (end - begin <= form.period * samples) return walk(begin, end, at);
    if (form.period > most_walked) return walk(begin, end, at);
    long double about = 0; // the sum, to see whether the exact one fits
    Wide sum = 0;
    for (int64_t residue = 0; residue < form.period; ++residue) {
      const int64_t terms = ceil_div(end - begin - residue, form.period);
      std::vector<Wide> differences;
      for (int64_t i = 0; i < samples; ++i)
        differences.push_back(at(begin + residue + i * form.period));
      for (int64_t order = 1; order < samples; ++order)
        for (int64_t i = samples - 1; i >= order; --i)
          differences[static_cast<size_t>(i)] -= differences[static_cast<size_t>(i) - 1];
      Wide choose = terms; // terms over order + 1
      long double choose_about = static_cast<long double>(terms);
      for (int64_t order = 0; order < samples; ++order) {
        const Wide difference = differences[static_cast<size_t>(order)];
        about += static_cast<long double>(difference) * choose_about;
        if (std::abs(about) > 0x1p100L) return std::numeric_limits<int64_t>::max();
        sum += difference * choose;
        choose = choose * (terms - order - 1) / (order + 2);
        choose_about *= static_cast<long double>(terms - order - 1) / (order + 2);
      }
    }
    return sum > INT64_MAX ? INT64_MAX : static_cast<int64_t>(sum);
  }

  int64_t value_of(Var var) const {
    const auto found = values_.find(var);
    return found == values_.end() ? 0 : found->second;
  }
  int64_t value_of(const Affine& affine) const {
    return affine.evaluate([&](Var var) { return value_of(var); });
  }

  int64_t bound(const std::vector<Bound>& bounds, bool largest) const {
    int64_t best = 0;
    for (size_t i = 0; i < bounds.size(); ++i) {
      const int64_t value = ceil_div(value_of(bounds[i].numerator), bounds[i].divisor);
      best = i == 0 ? value : largest ? std::max(best, value) : std::min(best, value);
    }
    return best;
  }

  const Step& step_;
  Weight weight_;
  std::vector<Link> around_; // of the statement that is looked at
  int64_t total_ = 0;
  std::unordered_map<const StmtNode*, int64_t> weights_;
  std::map<std::vector<const void*>, int64_t> counted_; // by the links of a chain
  std::map<Var, int64_t> values_;
};

int64_t count(const Step& step, Weight weight) {
  return step.body ? Counter(step, weight).run(step.body) : 0;
}

} // namespace

int64_t count_fmas(const Step& step) { return count(step, fmas_of); }

StepWork count_work(const Step& step) {
  return {count_fmas(step), count(step, loads_of), count(step, stores_of)};
}

} // namespace volute::ir
