// A weight whose numbers are known when compiling: which taps are 0 and need not be there, and the
// number of each tap that is.
//
//     acc <- fma(x[h - 1, w], k[0, 1], acc)      k = [0, -1, 0, ...]
//     acc <- fma(x[h - 1, w], -1, acc)           with its number put in
#pragma once

#include "ir/nest.h"

#include <optional>
#include <vector>

namespace volute::compiler {

/// Values of a nest's variables, as far as they are known where code is written.
using KnownValues = std::vector<std::optional<int64_t>>;

class ConstantWeight {
public:
  /// Nothing when the nest's weight is not a table.
  static std::optional<ConstantWeight> of(const ir::Nest& nest,
                                          const std::vector<ir::Buffer>& buffers);

  /// Few enough to stand in the code, each tap by itself.
  bool is_small() const;
  /// Whether so many taps are 0 for all channels that the loops over taps are better copied out.
  bool has_empty_taps() const { return has_empty_taps_; }
  /// The share of the weights that are not 0.
  double density() const { return density_; }
  int64_t count() const { return count_; }
  bool moves_along(ir::Var axis) const { return strides_[static_cast<size_t>(axis.id)] != 0; }
  bool is_tap(ir::Var axis) const { return taps_[static_cast<size_t>(axis.id)]; }

  /// Are all weights at these values 0?
  bool is_zero(const KnownValues& known) const;
  /// The expression with the numbers of all tables put in whose place is known. Null when it is an
  /// accumulator as it was: the tap adds nothing.
  ir::Expr put_in(const ir::Expr& update, const KnownValues& known) const;

private:
  ConstantWeight(const ir::Nest& nest, int32_t operand, const std::vector<ir::Buffer>& buffers)
      : nest_(&nest), operand_(operand), buffers_(&buffers) {}
  const ir::View& view() const { return nest_->operands[static_cast<size_t>(operand_)]; }
  bool read_access();
  void find_zeros();
  bool finds_empty_taps() const;
  bool is_zero_from(size_t axis, int64_t offset, const KnownValues& known) const;
  ir::Expr number(const ir::ExprNode& read, const KnownValues& known) const;

  const ir::Nest* nest_;
  int32_t operand_;
  const std::vector<ir::Buffer>* buffers_;
  std::vector<int64_t> strides_; // elements of the weight, by nest variable
  std::vector<bool> taps_;       // positions of the kernel, by nest variable
  int64_t first_ = 0, count_ = 1;
  std::vector<bool> zeros_; // by element in memory: what adds nothing
  bool has_empty_taps_ = false;
  double density_ = 1;
};

} // namespace volute::compiler
