// What a step does to memory: which buffers it reads, and which it writes.
//
//     for i in 0..8:  acc = fma(x[i], w_packed[i], acc)      reads  b, w_packed, x
//     store y[0] = acc + b[0]                                writes y
//
// It is read off the body and not off the views: a step may have a view of a weight whose numbers
// stand in its code.
#pragma once

#include "ir/loops.h"

#include <cstdint>
#include <vector>

namespace volute::ir {

/// Buffers by index, in ascending order, each once. What is asked for ahead of its use (Prefetch)
/// counts as read.
struct Effects {
  std::vector<int32_t> reads, writes;
};

/// Every statement and every expression is visited once, however often it is shared.
Effects effects(const Step& step);

} // namespace volute::ir
