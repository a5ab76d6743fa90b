// The unary operators as formulas, with torch's answers for NaN and infinities.
#pragma once

#include "ir/expr.h"
#include "ir/program.h"

namespace volute::compiler {

/// The formula of a unary operator, in the type of x: f32, f64 or, for operators that integers
/// have, an integer type.
ir::Expr activation(const ir::Unary& op, const ir::Expr& x);

/// x Phi(x), Phi the normal distribution. Of f32 and f64.
ir::Expr gelu(const ir::Expr& x);

} // namespace volute::compiler
