// The unary operators as formulas, with torch's answers for NaN and infinities.
//
// Largest errors in units in the last place of the result, measured as those of expand_math.h:
//
//                  f32 with Fma   after split_fma   f64 with Fma   after split_fma
//     sigmoid          2.41            2.41             2.5             2.5
//     silu *           3.35            3.35             3.5             3.6
//     tanh             1.42            1.36             1.45            1.45
//     gelu             5.21            5.46             5.3             6
//     gelu tanh **    14              15.1             17              18
//     softplus         1.82            1.78             1.9             1.9
//     mish *           3.95            3.98             4.1             4.1
//     elu              0.96            1.07             1.2             1.2
//     hardswish        1.88            1.88             1.9             1.9
//     exp              0.93            1.19             0.9             1.2
//
//  *  Below -87.3 (f64: -708.4), where e^x is a denormal with few digits: 53 (373) times the
//     smallest denormal.
//  ** Below -3 up to 214 (f64: 2200), as e^2u has the error of its argument, and 2 u reaches -88
//     (-708). 1 + tanh u in f32, which the frameworks compute, has no digits left below -5.2.
//
// The rest is one or two roundings (leaky_relu, hardsigmoid), one (sqrt) or exact.
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
