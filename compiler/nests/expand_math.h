// exp, expm1, log, log1p, tanh and erf as the exactly rounded operations that machines have.
//
// Each function is a range reduction and a polynomial: no tables, no branches, the same operations
// in every lane, so a vector of any length costs what one lane costs. NaN stays NaN, infinities and
// overflow come out as in the real function, results below the normal numbers are denormals rounded
// once, and -0 keeps its sign (of log it is -infinity).
//
// Largest errors in units in the last place of the result: of f32 over all 2^32 arguments, against
// double; of f64 over 2^27 random ones, most of them where the function bends, against long double.
//
//                               exp    expm1   log    log1p   tanh   erf
//     f32 with Fma              0.93   1.57    0.93   1.53    1.42   1.09
//         after split_fma       1.19   1.71    0.93   1.54    1.36   1.32
//     f64 with Fma              0.9    1.9     0.9    1.45    1.45   1.1
//         after split_fma       1.2    2.0     0.9    1.45    1.45   1.35
#pragma once

#include "ir/nest.h"

#include <functional>

namespace volute::compiler {

/// Whether a node is one of these functions, which are long code.
bool is_function(const ir::ExprNode& node);

/// The same expression without transcendental functions. Throws InternalError for one of a type
/// other than f32 and f64: lowering computes in one of these.
ir::Expr expand_math(const ir::Expr& expr);

/// The same expression with every Fma as a product and a sum, each rounded, for targets that have
/// no such instruction. Results differ from those of Fma in the last bits.
ir::Expr split_fma(const ir::Expr& expr);

/// The nest with each of its expressions rewritten: by one of these, say.
ir::Nest with_expressions(ir::Nest nest, const std::function<ir::Expr(const ir::Expr&)>& rewrite);

} // namespace volute::compiler
