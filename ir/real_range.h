// What a float expression can be, whatever the data: enough to see that a conversion to an integer
// needs no test for NaN and no clamp.
#pragma once

#include "ir/expr.h"

#include <limits>

namespace volute::ir {

struct RealRange {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool may_be_nan = true;
};

/// Of a float expression. Numbers, whole numbers converted, products, max, min and rint are looked
/// through, `depth` of them deep, since expressions share what they are made of; anything else may
/// be any number, or NaN. Numbers are rounded to their types, as ir/normal.h leaves them.
RealRange range_of(const Expr& expr, int32_t depth = 8);

} // namespace volute::ir
