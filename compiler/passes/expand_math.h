// exp, expm1, log1p, tanh and erf as the exactly rounded operations that machines have.
//
// Each function is a range reduction and a polynomial: no tables, no branches, the same operations
// in every lane, so a vector of any length costs what one lane costs. NaN stays NaN, infinities and
// overflow come out as in the real function, results below 2^-126 are denormals rounded once, and
// -0 keeps its sign.
//
// Largest errors in units in the last place of the result, against double precision, over every f32
// from 2^-28 to 128 of both signs and every 17th of all others:
//
//                         exp    expm1   log1p   tanh   erf
//     with Fma            0.93   1.57    1.53    1.42   1.09
//     after split_fma     1.19   1.71    1.54    1.36   1.32
#pragma once

#include "ir/expr.h"

namespace volute::compiler {

/// The same expression without transcendental functions of f32. Other types are left alone.
ir::Expr expand_math(const ir::Expr& expr);

/// The same expression with every Fma as a product and a sum, each rounded, for targets that have
/// no such instruction. Results differ from those of Fma in the last bits.
ir::Expr split_fma(const ir::Expr& expr);

} // namespace volute::compiler
