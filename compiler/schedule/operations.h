// What arithmetic a port of the machine executes for an expression, as the cost model counts it.
#pragma once

#include "ir/expr.h"

#include <cstdint>

namespace volute::compiler {

constexpr int64_t of_a_rounding = 4; // to bf16, of one register; of two into one as well

/// Operations of a node that a port executes: a select with its compare counts as two, a product
/// of integers as two before it is added.
int64_t operations(const ir::ExprNode& node);

enum class Conversions : uint8_t { counted, left_out };

/// Of all nodes, those that are shared once.
int64_t operations(const ir::Expr& e, Conversions conversions = Conversions::counted);

} // namespace volute::compiler
