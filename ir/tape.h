// Expressions laid out for being evaluated many times: what both evaluators run on.
//
//     fma(splat x[h], k, acc)   becomes   0: x[h]   1: splat 0   2: k   3: acc   4: fma 1 2 3
//
// A node that is shared is evaluated once. All lanes of all nodes live in one array that is
// allocated when the tape is made, so a run allocates nothing.
#pragma once

#include "ir/expr.h"

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace volute::ir {

/// An affine expression over an array of variable values.
class Linear {
public:
  Linear() = default;
  /// Throws InternalError when a variable is not one of `variables`.
  Linear(const Affine& affine, size_t variables);
  int64_t operator()(const std::vector<int64_t>& values) const {
    int64_t sum = constant_;
    for (const auto& [var, coefficient] : terms_) sum += coefficient * values[var];
    return sum;
  }

private:
  std::vector<std::pair<size_t, int64_t>> terms_;
  int64_t constant_ = 0;
};

class Tape {
public:
  /// Fills the lanes of a leaf (Position, Read, Acc, Load, Reg).
  using Leaf = std::function<void(Scalar*)>;
  /// `leaf` makes the reader of a leaf. Throws InternalError when lanes do not fit together.
  Tape(const Expr& expr, const std::function<Leaf(const ExprNode&)>& leaf);

  int32_t lanes() const { return expr_->lanes; }
  ElementType type() const { return expr_->type; }
  /// The lanes of the value; valid until the next run.
  const Scalar* run();

private:
  enum class Kind : uint8_t { constant, leaf, splat, add32, mul32, fma32, dot, other };
  struct Op {
    Kind kind = Kind::other;
    const ExprNode* node = nullptr;
    size_t to = 0;       // first lane in values_
    size_t from[4] = {}; // those of the operands
    Leaf leaf;
  };
  void run(const Op& op);
  void run_dot(const Op& op, const Dot& dot);

  Expr expr_; // keeps the nodes alive
  std::vector<Op> ops_;
  std::vector<Scalar> values_;
};

} // namespace volute::ir
