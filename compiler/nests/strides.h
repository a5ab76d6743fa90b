// How accesses move: what every decision about vectors, registers and prefetching asks of a nest.
#pragma once

#include "ir/nest.h"

namespace volute::compiler {

/// Elements between neighbours along `axis` in an access; 0 when it does not move.
int64_t stride_along(const ir::Nest& nest, int32_t operand, const ir::Index& index, ir::Var axis);

/// Whether a place moves with the axis; of a value, whether anything that it reads does.
bool moves(const ir::Index& index, ir::Var axis);
bool moves(const ir::Expr& value, ir::Var axis);

/// Whether the nest reads and writes neighbours along the axis as neighbours.
bool lie_beside(const ir::Nest& nest, ir::Var axis);

/// Whether the axis meets a border together with another parallel axis, as two digits of one
/// position do: then a border is no number of tiles, and the axis is not tiled.
bool shares_border(const ir::Nest& nest, ir::Var axis);

/// Whether every access moves along one dimension at most, and not through a table, as the axis
/// goes on; of the results alone (what is written, and what is read for that), or of the sums too.
bool lanes_may_run_along(const ir::Nest& nest, ir::Var axis, bool sums_too = true);

/// Every read of the accumulators' updates (of the writes, where there are none), each once.
std::vector<ir::Read> inner_reads(const ir::Nest& nest);

} // namespace volute::compiler
