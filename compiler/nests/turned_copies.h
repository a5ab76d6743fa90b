// Copies across memory, by tiles that are turned in registers.
//
// What lies along one axis where it is read and along another where it is written would be gathered
// or scattered an element at a time:
//
//     y[n, c, h, w] = x[n, h, w, c]
//
// With the value as an accumulator that is set once, the nest is like a convolution of one tap: its
// vectors may run along what is read, and the store turns the tile.
//
//     acc = 0
//     acc <- x[n, h, w, c]
//     y[n, c, h, w] = acc
#pragma once

#include "ir/nest.h"

namespace volute::compiler {

/// The nest with its values in accumulators, where it has none and copies across memory: no read
/// moves along the axis whose elements are neighbours in the result, as neighbours, and some read
/// does along another axis. Any other nest as it is.
ir::Nest with_turned_copy(ir::Nest nest);

} // namespace volute::compiler
