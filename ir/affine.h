// Integer index expressions in normal form: sum of coefficient * variable, plus a constant.
//
// Shapes are constants when a kernel is made, so nearly every index here has constant coefficients
// and "simplify" is an invariant of this type, not a pass: no zero terms, variables in order. The
// few extents that are not constants are named parameters, which are variables like any other.
#pragma once

#include "ir/short_list.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace volute::ir {

/// A loop variable, axis or parameter of the nest or step that declares it. Its identity is the
/// number; its name is in the owner's table and is for people.
struct Var {
  int32_t id = -1; // a place in the owner's table
  /// By the number.
  auto operator<=>(const Var&) const = default;
};

/// A constant and so many times each of some variables, in normal form.
class Affine {
public:
  /// One variable.
  struct Term {
    Var var;             // each once
    int64_t coefficient; // never 0
    bool operator==(const Term&) const = default;
  };

  /// 0.
  Affine() = default;
  Affine(int64_t constant) : constant_(constant) {} // NOLINT: a number is an affine expression
  Affine(Var var) { terms_.push_back({var, 1}); }   // NOLINT: and so is a variable

  /// Most have three at most: these lie in the expression, which then asks for no memory.
  using Terms = ShortList<Term, 3>;
  /// In the order of the variables' numbers.
  const Terms& terms() const { return terms_; }
  /// What is left when every variable is 0.
  int64_t constant_term() const { return constant_; }
  /// The value of an expression without variables; of another one, an InternalError: a parameter
  /// is not 0.
  int64_t number() const {
    if (!terms_.empty()) refuse_number();
    return constant_;
  }
  /// Whether it has no variables.
  bool is_constant() const { return terms_.empty(); }
  /// How many times a variable is in it, and whether it is.
  int64_t coefficient(Var var) const;
  bool depends_on(Var var) const { return coefficient(var) != 0; }

  /// Sums, and products with numbers. `add` takes another expression so many times.
  Affine& add(const Affine& other, int64_t times);
  Affine& operator+=(const Affine& other) { return add(other, 1); }
  Affine& operator-=(const Affine& other) { return add(other, -1); }
  Affine& operator*=(int64_t factor);
  friend Affine operator+(Affine a, const Affine& b) { return a += b; }
  friend Affine operator-(Affine a, const Affine& b) { return a -= b; }
  friend Affine operator*(Affine a, int64_t factor) { return a *= factor; }
  friend Affine operator*(int64_t factor, Affine a) { return a *= factor; }
  bool operator==(const Affine&) const = default;

  /// The expression with `var` replaced.
  Affine substitute(Var var, const Affine& value) const;
  /// The terms for which `keep` holds; the constant only if `keep_constant`.
  Affine filter(const std::function<bool(Var)>& keep, bool keep_constant) const;
  /// Its value for those of its variables.
  int64_t evaluate(const std::function<int64_t(Var)>& value_of) const;

private:
  [[noreturn]] void refuse_number() const;
  Terms terms_; // ordered by variable, no zero coefficients
  int64_t constant_ = 0;
};

/// `2*h + kh - 3`; names by Var::id.
std::string to_string(const Affine& affine, const std::vector<std::string>& names);

/// Quotient rounded up, for any sign of the numerator; divisor > 0.
constexpr int64_t ceil_div(int64_t numerator, int64_t divisor) {
  return numerator / divisor + (numerator % divisor > 0 ? 1 : 0);
}

} // namespace volute::ir
