// The copy that packs a weight: an ordinary nest.
#pragma once

#include "compiler/schedule/plan.h"
#include "compiler/specialise/specialise.h"

namespace volute::compiler {

/// What is packed: the weight's whole part of the arithmetic, or its narrow element where products
/// of those are added in groups.
ir::Expr packed_expression(const ir::Nest& nest, const Plan& plan);

/// The buffer and the copy that fills it. Elements beyond the weight's own are zero.
Packing make_packing(const ir::Nest& nest, const ir::Expr& weight, const PackedLayout& layout,
                     int32_t packed_buffer);

} // namespace volute::compiler
