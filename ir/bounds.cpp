#include "ir/bounds.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>

namespace volute::ir {
namespace {

// Each clipped loop around an access doubles or trebles the ways to bound it. Real nests have three
// of them at most; past this many eliminations the rest is simply not known.
constexpr int elimination_budget = 4000;

// Numbers beyond this are not reasoned with, so that no sum or product below overflows.
constexpr int64_t limit = int64_t{1} << 61;

bool is_small(const Affine& affine) {
  const auto small = [](int64_t v) { return -limit < v && v < limit; };
  return small(affine.constant_term()) &&
         std::all_of(affine.terms().begin(), affine.terms().end(),
                     [&](const Affine::Term& term) { return small(term.coefficient); });
}

int64_t largest_number(const Affine& affine) {
  int64_t largest = std::abs(affine.constant_term());
  for (const Affine::Term& term : affine.terms())
    largest = std::max(largest, std::abs(term.coefficient));
  return largest;
}

// affine + factor * other, or nothing when its numbers leave the limit.
std::optional<Affine> combine(const Affine& affine, int64_t factor, const Affine& other) {
  if (!is_small(affine) || !is_small(other)) return std::nullopt;
  int64_t product = 0;
  if (__builtin_mul_overflow(largest_number(other), factor, &product) || std::abs(product) >= limit)
    return std::nullopt;
  Affine sum = affine;
  sum.add(other, factor);
  if (!is_small(sum)) return std::nullopt;
  return sum;
}

// An inequality over whole numbers by the divisor that its coefficients share, the constant rounded
// down.
Affine divided(const Affine& nonnegative) {
  int64_t divisor = 0;
  for (const Affine::Term& term : nonnegative.terms())
    divisor = std::gcd(divisor, term.coefficient);
  if (divisor <= 1) return nonnegative;
  Affine result = -ceil_div(-nonnegative.constant_term(), divisor);
  for (const Affine::Term& term : nonnegative.terms())
    result.add(term.var, term.coefficient / divisor);
  return result;
}

} // namespace

void Bounds::declare(Var var) { order_.push_back({var}); }

void Bounds::declare(Var var, const ParameterRange& range) {
  order_.push_back({var, Interval{range.least, range.most}});
  if (range.multiple > 1) units_.emplace_back(var, range.multiple);
  assume(Affine(var) - range.least);
  assume(range.most - Affine(var));
}

// The expression with the quotient of each parameter that is a multiple in that parameter's place.
std::optional<Affine> Bounds::in_units(const Affine& affine) const {
  std::optional<Affine> result = affine;
  for (const auto& [var, unit] : units_)
    if (result && affine.depends_on(var))
      result = combine(*result, unit - 1, Affine(var) * affine.coefficient(var));
  return result;
}

int Bounds::depth(Var var) const {
  for (size_t i = order_.size(); i-- > 0;)
    if (order_[i].var == var) return static_cast<int>(i);
  return -1;
}

std::optional<Bounds::Interval> Bounds::between(const Affine& affine) const {
  if (!is_small(affine)) return std::nullopt;
  const auto is_far = [](__int128 v) { return v <= -limit || v >= limit; };
  __int128 least = affine.constant_term(), most = least;
  for (const Affine::Term& term : affine.terms()) {
    const int at = depth(term.var);
    if (at < 0 || !order_[static_cast<size_t>(at)].between) return std::nullopt;
    const Interval& of_var = *order_[static_cast<size_t>(at)].between;
    const __int128 factor = term.coefficient;
    least += factor * (factor > 0 ? of_var.least : of_var.most);
    most += factor * (factor > 0 ? of_var.most : of_var.least);
    if (is_far(least) || is_far(most)) return std::nullopt;
  }
  return Interval{static_cast<int64_t>(least), static_cast<int64_t>(most)};
}

Var Bounds::innermost(const Affine& affine) const {
  Var best;
  int deepest = -2;
  for (const Affine::Term& term : affine.terms()) {
    const int at = depth(term.var);
    if (at > deepest) {
      deepest = at;
      best = term.var;
    }
  }
  return best;
}

void Bounds::assume(const Affine& nonnegative) {
  if (!is_small(nonnegative)) return;
  std::optional<Affine> fact = in_units(nonnegative);
  if (fact) facts_.push_back({divided(*fact), innermost(*fact)});
}

void Bounds::assume_in(const Affine& value, const Affine& lo, const Affine& hi) {
  if (!is_small(value) || !is_small(lo) || !is_small(hi)) return;
  assume(value - lo);
  assume(hi - 1 - value);
}

// k >= ceil(n / d) is d * k - n >= 0, and k < ceil(n / d) is n - 1 - d * k >= 0: for whole numbers
// nothing is lost.
void Bounds::enter(Var var, const Range& range) {
  std::optional<int64_t> least, most;
  for (const Bound& bound : range.lo)
    if (const auto first = between(bound.numerator)) {
      const int64_t value = ceil_div(first->least, bound.divisor);
      least = least ? std::max(*least, value) : value;
    }
  for (const Bound& bound : range.hi)
    if (const auto end = between(bound.numerator)) {
      const int64_t value = ceil_div(end->most, bound.divisor) - 1;
      most = most ? std::min(*most, value) : value;
    }
  declare(var);
  if (least && most) order_.back().between = Interval{*least, *most};
  for (const Bound& bound : range.lo)
    if (const auto negated = combine(0, -1, bound.numerator))
      if (const auto fact = combine(*negated, bound.divisor, var)) assume(*fact);
  for (const Bound& bound : range.hi)
    if (const auto last = combine(-1, 1, bound.numerator))
      if (const auto fact = combine(*last, -bound.divisor, var)) assume(*fact);
}

void Bounds::forget(Mark mark) {
  order_.erase(order_.begin() + static_cast<std::ptrdiff_t>(mark.order), order_.end());
  facts_.erase(facts_.begin() + static_cast<std::ptrdiff_t>(mark.facts), facts_.end());
}

std::optional<int64_t> Bounds::minimum(const Affine& affine) const {
  if (!is_small(affine)) return std::nullopt;
  const std::optional<Affine> bounded = in_units(affine);
  int budget = elimination_budget;
  if (bounded)
    if (const auto least = minimum(*bounded, budget)) return least;
  const auto inside = between(affine);
  return inside ? std::optional(inside->least) : std::nullopt;
}

std::optional<int64_t> Bounds::maximum(const Affine& affine) const {
  if (!is_small(affine)) return std::nullopt;
  const auto negated = minimum(affine * -1);
  if (!negated) return std::nullopt;
  return -*negated;
}

std::optional<int64_t> Bounds::minimum(const Affine& affine, int& budget) const {
  if (affine.is_constant()) return affine.number();
  if (--budget < 0) return std::nullopt;
  const Var var = innermost(affine);
  const int64_t wanted = affine.coefficient(var);
  std::optional<int64_t> best;
  const auto consider = [&](const std::optional<Affine>& estimate) {
    if (!estimate) return;
    const auto value = minimum(*estimate, budget);
    if (value && (!best || *value > *best)) best = value;
  };
  for (const Fact& fact : facts_) {
    // A fact about an inner variable would bring that one in instead.
    if (fact.innermost != var) continue;
    const int64_t held = fact.nonnegative.coefficient(var);
    if ((held > 0) != (wanted > 0)) continue;

    // Subtracting a multiple of the fact removes the variable and raises nothing.
    if (wanted % held == 0) consider(combine(affine, -(wanted / held), fact.nonnegative));
    if (std::abs(held) == 1) continue;

    // held * var + rest >= 0 is var >= ceil(-rest / held), or the mirror image of it: rounding the
    // quotient to a whole number can gain what the subtraction leaves.
    const Affine rest = fact.nonnegative.filter([&](Var v) { return v != var; }, true);
    const auto least = minimum(rest * -1, budget);
    if (!least) continue;
    const int64_t nearest = ceil_div(*least, std::abs(held));
    const Affine without = affine.filter([&](Var v) { return v != var; }, true);
    consider(combine(without, wanted > 0 ? wanted : -wanted, nearest));
  }
  return best;
}

bool Bounds::is_inside(const Affine& affine, const Affine& lo, const Affine& hi) const {
  if (!is_small(affine) || !is_small(lo) || !is_small(hi)) return false;
  if (lo.is_constant() && hi.is_constant())
    if (const auto inside = between(affine);
        inside && inside->least >= lo.number() && inside->most < hi.number())
      return true;
  const auto below = minimum(affine - lo);
  if (!below || *below < 0) return false;
  const auto above = minimum(hi - 1 - affine);
  return above && *above >= 0;
}

bool Bounds::runs(const Range& range) const {
  const auto below = [&](const Bound& lo, const Bound& hi) {
    // ceil(a / d) < ceil(b / d) when b is ahead by d; in general by the outermost values of both.
    if (lo.divisor == hi.divisor) {
      const auto ahead = combine(hi.numerator, -1, lo.numerator);
      const auto least = ahead ? minimum(*ahead) : std::nullopt;
      if (least && *least >= lo.divisor) return true;
    }
    const auto last = maximum(lo.numerator);
    const auto first = minimum(hi.numerator);
    return last && first && ceil_div(*last, lo.divisor) < ceil_div(*first, hi.divisor);
  };
  return std::all_of(range.lo.begin(), range.lo.end(), [&](const Bound& lo) {
    return std::all_of(range.hi.begin(), range.hi.end(),
                       [&](const Bound& hi) { return below(lo, hi); });
  });
}

std::string Bounds::interval(const Affine& affine) const {
  const auto text = [](std::optional<int64_t> value) {
    return value ? fmt::format("{}", *value) : std::string("?");
  };
  std::optional<int64_t> end = maximum(affine);
  if (end) ++*end;
  return fmt::format("{}..{}", text(minimum(affine)), text(end));
}

} // namespace volute::ir
