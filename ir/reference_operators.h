// One short function per operator of the reference evaluation, from the operands' values to the
// result's. `type` is the result's; operands of a verified program are taken as they are.
#pragma once

#include "ir/infer.h"
#include "ir/program.h"
#include "ir/reference_grid.h"

#include <vector>

namespace volute::ir::reference {

// ---- convolution (reference_convolution.cpp) --------------------------------------------------

Any conv(const Conv& op, const std::vector<Window>& windows, const Any& x, const Any& w,
         const Any* bias, const TensorType& type);
Any conv_transpose(const ConvTranspose& op, const std::vector<Window>& windows, const Any& x,
                   const Any& w, const Any* bias, const TensorType& type);

// ---- pooling (reference_pooling.cpp) ----------------------------------------------------------

/// `index`, where it is wanted, receives the arg-max.
Any max_pool(const std::vector<Window>& windows, const Any& x, const TensorType& type,
             Whole* index);
Real average_pool(const Pool& op, const std::vector<Window>& windows, const Real& x,
                  const TensorType& type);
Real lp_pool(const Pool& op, const std::vector<Window>& windows, const Real& x,
             const TensorType& type);
/// Adaptive and, with every spatial extent of the result 1, global pooling.
Any adaptive_pool(PoolKind kind, const Any& x, const TensorType& type, Whole* index = nullptr);
Expected<Any> max_unpool(const Any& x, const Whole& index, const TensorType& type);

// ---- element by element (reference_elementwise.cpp) -------------------------------------------

Any unary(const Unary& op, const Any& x, const TensorType& type);
Any binary(BinaryKind kind, const Any& a, const Any& b, const TensorType& type);
Real prelu(const Real& x, const Real& slope, const TensorType& type);
Real batch_norm(const BatchNorm& op, const Real& x, const Real& scale, const Real& shift,
                const Real& mean, const Real& var, const TensorType& type);

// ---- types and layout (reference_convert.cpp) -------------------------------------------------

/// A float is rounded to `rounded`: the result's element type, or wider where it is not stored in
/// it.
Any convert(const Any& x, const TensorType& type, ElementType rounded);
/// The type in which a kernel computes with a float type.
ElementType computing_type(ElementType type);
Any quantize(const Quantize& op, const Any& x, const TensorType& type);
Any reorder(const Any& x, const TensorType& type);
Any pad(const PadOp& op, const Any& x, const TensorType& type);

} // namespace volute::ir::reference
