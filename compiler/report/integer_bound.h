// Whether the sums of an integer convolution fit 32 bits, by what is known when it is compiled.
//
//     |sum| <= taps * max |x - x_zero_point| * max |w - w_zero_point|
//
// x and an input w may be anything that their element types hold; of a constant w the actual values
// are summed, output channel by output channel. A constant bias is counted. A bias that is an input
// may be any i32, so it is left out of the bound, and what remains for it is told instead: the sum
// of the products is then what is proven, and the bias is the caller's to keep small.
#pragma once

#include "ir/def_use.h"

#include <cstdint>
#include <optional>
#include <string>

namespace volute::compiler {

struct IntegerBound {
  int64_t taps = 0;        // products in one sum
  int64_t largest_x = 0;   // |x - x_zero_point|
  int64_t largest_w = 0;   // |w - w_zero_point|
  int64_t largest_sum = 0; // of the products' magnitudes; saturated far beyond 32 bits
  bool weight_is_constant = false;
  std::optional<int64_t> bias; // the largest magnitude of a constant one; 0 without a bias

  /// Taps whose sum, with a constant bias, cannot wrap whatever they are; nothing when no number of
  /// them can.
  std::optional<int64_t> safe_taps() const;
  bool is_proven() const;
};

/// Of a conv or conv_transpose of bytes; nothing for every other statement.
std::optional<IntegerBound> integer_bound(const ir::DefUse& uses, const ir::Statement& statement);

/// "i32: proven (...)" or "i32: may wrap above 33,025 taps (...)".
std::string to_string(const IntegerBound& bound);

} // namespace volute::compiler
