// How a sum over channels is cut into the products of a matrix unit, each of as many elements as
// fill a row of its registers, or a little less.
#pragma once

#include "compiler/nests/weight_expression.h"
#include "ir/nest.h"

#include <cstdint>

namespace volute::compiler {

/// Elements of each product, a multiple of `ways` and no more than `most`: as few products as there
/// can be, all alike. Together they may be more than `extent`.
int64_t even_steps(int64_t extent, int64_t ways, int64_t most);

/// The same of an axis along which a nest adds groups of products, where the image has no fewer
/// elements than all products take; 0 where there is no such number.
int64_t matrix_step(const ir::Nest& nest, const DotForm& form, ir::Var axis);

/// Channels that an image of so many should be copied into, where it is copied.
int64_t channels_in_steps(int64_t channels, int64_t ways, int64_t most);
/// Whether it can well stay as it is: even steps, or nearly as few.
bool has_good_steps(int64_t channels, int64_t ways, int64_t most);

/// Elements from one pixel of an image that is copied for a matrix unit to the next: its channels,
/// and a cache line more where the rows of a register, and of those beside it, would fall into the
/// same few sets of L1.
int64_t pitch(int64_t channels, int64_t element_bytes);

} // namespace volute::compiler
