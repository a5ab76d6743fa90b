// What is known about the variables of a nest or step, and what follows for an affine expression.
//
// Everything known is an inequality: some affine expression is at least 0. A loop k in lo..hi gives
// k - lo >= 0 and hi - 1 - k >= 0, a clipped loop gives more of them, and so does a `where`. To
// bound an expression from below, its innermost variable is eliminated with each inequality that
// holds it on the right side, and the best result counts:
//
//     for h in 0..56:  for kh in max(0, 1 - h)..min(3, 57 - h):   h + kh - 1 >= 0 ?
//     by kh >= 0:      h - 1   >= -1
//     by kh >= 1 - h:  0       >= 0        the best: yes
//
// A parameter that is a multiple of m stands for m times a whole number of its own, and a fact
// whose coefficients share a divisor is divided by it: 4*n - 4*k - 1 >= 0 says n - k - 1 >= 0.
//
// Most accesses are inside by the numbers alone that each variable lies between, and those are
// asked first.
//
// An answer is always true; whether it is the tightest is not promised, but for boxes and for
// loops clipped to what they access it is.
#pragma once

#include "ir/affine.h"
#include "ir/loops.h"
#include "ir/parameter.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace volute::ir {

class Bounds {
public:
  /// Adds a variable inside the ones before, about which nothing is known yet.
  void declare(Var var);
  /// A parameter, with what its range says about it; before any fact mentions it.
  void declare(Var var, const ParameterRange& range);
  /// `nonnegative` >= 0 from here on.
  void assume(const Affine& nonnegative);
  /// lo <= value < hi from here on.
  void assume_in(const Affine& value, const Affine& lo, const Affine& hi);
  /// A loop variable within its range: the loop's body runs, so its range is not empty.
  void enter(Var var, const Range& range);

  /// A number that the expression is never below (above); nothing when none is known.
  std::optional<int64_t> minimum(const Affine& affine) const;
  std::optional<int64_t> maximum(const Affine& affine) const;
  /// Whether lo <= affine < hi is certain.
  bool is_inside(const Affine& affine, const Affine& lo, const Affine& hi) const;
  /// Whether a loop over the range runs at least once, for certain.
  bool runs(const Range& range) const;
  /// `-1..57`: from the minimum to just past the maximum, `?` for what is not known. For messages.
  std::string interval(const Affine& affine) const;

  /// What was known before: `const auto mark = b.mark(); ...; b.forget(mark);`
  struct Mark {
    size_t order, facts;
  };
  Mark mark() const { return {order_.size(), facts_.size()}; }
  void forget(Mark mark);

private:
  struct Interval {
    int64_t least, most;
  };
  /// From the numbers that each variable lies between; nothing where one is not known.
  std::optional<Interval> between(const Affine& affine) const;
  std::optional<Affine> in_units(const Affine& affine) const;
  std::optional<int64_t> minimum(const Affine& affine, int& budget) const;
  int depth(Var var) const;
  Var innermost(const Affine& affine) const;

  struct Variable {
    Var var;
    std::optional<Interval> between = {};
  };
  std::vector<Variable> order_;                // outermost first
  std::vector<std::pair<Var, int64_t>> units_; // parameters that are multiples: of what
  struct Fact {
    Affine nonnegative;
    Var innermost;
  };
  std::vector<Fact> facts_;
};

} // namespace volute::ir
