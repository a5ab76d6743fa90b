// The copy that packs an operand: an ordinary nest.
#pragma once

#include "compiler/schedule/plan.h"
#include "compiler/specialise/specialise.h"

namespace volute::compiler {

/// What is packed: the operand's whole part of the arithmetic, or a weight's narrow element where
/// products of those are added in groups.
ir::Expr packed_expression(const ir::Nest& nest, const Plan& plan, const PackedLayout& layout);

/// The buffer and the copy that fills it, with zeros for points beyond the operand's own and in its
/// padding.
Packing make_packing(const ir::Nest& nest, const ir::Expr& part, const PackedLayout& layout,
                     int32_t packed_buffer);

} // namespace volute::compiler
