// The functions of torch.nn.functional: their names, their order of arguments, their numbers.
//
//     volute::Session session;
//     volute::Tensor y = volute::conv2d(session, x, w, {.stride = {2, 2}, .padding = {1, 1}});
//     volute::Tensor z = volute::max_pool2d(session, y, 3, {.stride = 2, .padding = 1});
//
// A function is compiled for its operands' types and strides and its options when they are first
// met. After that the session finds the kernel by those numbers: a call costs a fraction of a
// microsecond more than the kernel's own call, and allocates its result alone. Operands are
// tensors, views, or plain data (TensorRef). The result is a new tensor.
//
// - Shapes are PyTorch's: x is f32[n, c, h, w] for a 2d function, f32[n, c, w] for a 1d and
//   f32[n, c, d, h, w] for a 3d one; w is f32[o, i, h, w] (of conv_transpose too, where i is all
//   input channels and o the output channels a group), b is f32[o].
// - Layouts are those of the operands' types, whatever the order of their axes; the result has the
//   first operand's, or the one that `.type` asks for. Strided views are taken as they are.
// - Options that are left out have PyTorch's defaults. One number stands for every spatial axis.
// - What is refused (shapes that do not fit, an option out of range) throws volute::Error, with the
//   words that the program text would be refused with, and so does a call that fails (an index out
//   of range in max_unpool, no memory).
//
// Each is a program of one operator, so nothing is fused and weights are packed on each call: for
// several operators in one kernel, or weights bound once, compile a program.
#pragma once

#include "ir/builder.h"
#include "runtime/session.h"
#include "runtime/tensor.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace volute::functional {

using ir::AxisNumbers;
using runtime::Session;
using runtime::Tensor;
using runtime::TensorRef;

/// What every function below has: its name, which a refusal begins with, and how many spatial axes
/// its operands have.
struct Function {
  std::string_view name; // as torch.nn.functional has it
  size_t spatial_axes;   // 0: any
};

// ---- convolution ------------------------------------------------------------------------------

/// Convolution of [n, c, ...] by weights [o, i, ...], with a bias [o] or without.
struct Conv : Function {
  /// Throws Error where the operands do not fit.
  Tensor operator()(Session& session, const TensorRef& x, const TensorRef& w,
                    const ir::ConvOptions& options = {}) const;
  Tensor operator()(Session& session, const TensorRef& x, const TensorRef& w, const TensorRef& b,
                    const ir::ConvOptions& options = {}) const;
};
/// Of one, two and three spatial axes.
inline constexpr Conv conv1d{{"conv1d", 1}};
inline constexpr Conv conv2d{{"conv2d", 2}};
inline constexpr Conv conv3d{{"conv3d", 3}};

/// Transposed convolution of [n, c, ...] by weights [i, o, ...], with a bias [o] or without.
struct ConvTranspose : Function {
  /// Throws Error where the operands do not fit.
  Tensor operator()(Session& session, const TensorRef& x, const TensorRef& w,
                    const ir::ConvTransposeOptions& options = {}) const;
  Tensor operator()(Session& session, const TensorRef& x, const TensorRef& w, const TensorRef& b,
                    const ir::ConvTransposeOptions& options = {}) const;
};
/// Of one, two and three spatial axes.
inline constexpr ConvTranspose conv_transpose1d{{"conv_transpose1d", 1}};
inline constexpr ConvTranspose conv_transpose2d{{"conv_transpose2d", 2}};
inline constexpr ConvTranspose conv_transpose3d{{"conv_transpose3d", 3}};

// ---- pooling ----------------------------------------------------------------------------------

/// The largest of each window.
struct MaxPool : Function {
  /// Throws Error where the operands do not fit.
  Tensor operator()(Session& session, const TensorRef& x, const AxisNumbers& kernel_size,
                    const ir::MaxPoolOptions& options = {}) const;
};
/// Of one, two and three spatial axes.
inline constexpr MaxPool max_pool1d{{"max_pool1d", 1}};
inline constexpr MaxPool max_pool2d{{"max_pool2d", 2}};
inline constexpr MaxPool max_pool3d{{"max_pool3d", 3}};

/// The pooled values and the place of each, i64, counted over the input's spatial axes.
struct MaxPoolWithIndices : Function {
  /// Throws Error where the operands do not fit.
  std::pair<Tensor, Tensor> operator()(Session& session, const TensorRef& x,
                                       const AxisNumbers& kernel_size,
                                       const ir::MaxPoolOptions& options = {}) const;
};
/// Of one, two and three spatial axes.
inline constexpr MaxPoolWithIndices max_pool1d_with_indices{{"max_pool1d_with_indices", 1}};
inline constexpr MaxPoolWithIndices max_pool2d_with_indices{{"max_pool2d_with_indices", 2}};
inline constexpr MaxPoolWithIndices max_pool3d_with_indices{{"max_pool3d_with_indices", 3}};

/// Puts each value where `indices` says, among zeros.
struct MaxUnpool : Function {
  /// Throws Error where the operands do not fit.
  Tensor operator()(Session& session, const TensorRef& x, const TensorRef& indices,
                    const AxisNumbers& kernel_size, const ir::MaxUnpoolOptions& options = {}) const;
};
/// Of one, two and three spatial axes.
inline constexpr MaxUnpool max_unpool1d{{"max_unpool1d", 1}};
inline constexpr MaxUnpool max_unpool2d{{"max_unpool2d", 2}};
inline constexpr MaxUnpool max_unpool3d{{"max_unpool3d", 3}};

/// The average of each window.
struct AvgPool : Function {
  /// Throws Error where the operands do not fit.
  Tensor operator()(Session& session, const TensorRef& x, const AxisNumbers& kernel_size,
                    const ir::AvgPoolOptions& options = {}) const;
};
/// Of one, two and three spatial axes.
inline constexpr AvgPool avg_pool1d{{"avg_pool1d", 1}};
inline constexpr AvgPool avg_pool2d{{"avg_pool2d", 2}};
inline constexpr AvgPool avg_pool3d{{"avg_pool3d", 3}};

/// Of |x|, which differs from PyTorch for odd norms of negative numbers.
struct LpPool : Function {
  /// Throws Error where the operands do not fit.
  Tensor operator()(Session& session, const TensorRef& x, double norm_type,
                    const AxisNumbers& kernel_size, const ir::LpPoolOptions& options = {}) const;
};
/// Of one, two and three spatial axes.
inline constexpr LpPool lp_pool1d{{"lp_pool1d", 1}};
inline constexpr LpPool lp_pool2d{{"lp_pool2d", 2}};
inline constexpr LpPool lp_pool3d{{"lp_pool3d", 3}};

/// The average or the largest of as many windows as `output_size` says.
struct AdaptivePool : Function {
  ir::PoolKind kind; // average or max
  /// Throws Error where the operand does not fit.
  Tensor operator()(Session& session, const TensorRef& x, const AxisNumbers& output_size) const;
};
/// Of one, two and three spatial axes.
inline constexpr AdaptivePool adaptive_avg_pool1d{{"adaptive_avg_pool1d", 1},
                                                  ir::PoolKind::average};
inline constexpr AdaptivePool adaptive_avg_pool2d{{"adaptive_avg_pool2d", 2},
                                                  ir::PoolKind::average};
inline constexpr AdaptivePool adaptive_avg_pool3d{{"adaptive_avg_pool3d", 3},
                                                  ir::PoolKind::average};
inline constexpr AdaptivePool adaptive_max_pool1d{{"adaptive_max_pool1d", 1}, ir::PoolKind::max};
inline constexpr AdaptivePool adaptive_max_pool2d{{"adaptive_max_pool2d", 2}, ir::PoolKind::max};
inline constexpr AdaptivePool adaptive_max_pool3d{{"adaptive_max_pool3d", 3}, ir::PoolKind::max};

/// The pooled values and the place of each, i64, counted over the input's spatial axes.
struct AdaptiveMaxPoolWithIndices : Function {
  /// Throws Error where the operand does not fit.
  std::pair<Tensor, Tensor> operator()(Session& session, const TensorRef& x,
                                       const AxisNumbers& output_size) const;
};
/// Of one, two and three spatial axes.
inline constexpr AdaptiveMaxPoolWithIndices adaptive_max_pool1d_with_indices{
    {"adaptive_max_pool1d_with_indices", 1}};
inline constexpr AdaptiveMaxPoolWithIndices adaptive_max_pool2d_with_indices{
    {"adaptive_max_pool2d_with_indices", 2}};
inline constexpr AdaptiveMaxPoolWithIndices adaptive_max_pool3d_with_indices{
    {"adaptive_max_pool3d_with_indices", 3}};

// ---- normalisation and element-wise functions: any number of spatial axes -----------------------

/// Inference: (x - running_mean) / sqrt(running_var + eps) * weight + bias, each [c].
Tensor batch_norm(Session& session, const TensorRef& x, const TensorRef& running_mean,
                  const TensorRef& running_var, const TensorRef& weight, const TensorRef& bias,
                  double eps = 1e-5);
/// The same with weight 1 and bias 0.
Tensor batch_norm(Session& session, const TensorRef& x, const TensorRef& running_mean,
                  const TensorRef& running_var, double eps = 1e-5);

/// A function of each element.
struct Activation {
  std::string_view name; // as torch.nn.functional has it
  ir::UnaryKind kind;    // as the language has it
  /// Throws Error where the operand does not fit.
  Tensor operator()(Session& session, const TensorRef& x) const;
};
/// By PyTorch's names; docs/language.md has the formulas.
inline constexpr Activation relu{"relu", ir::UnaryKind::relu};
inline constexpr Activation relu6{"relu6", ir::UnaryKind::relu6};
inline constexpr Activation sigmoid{"sigmoid", ir::UnaryKind::sigmoid};
inline constexpr Activation tanh{"tanh", ir::UnaryKind::tanh};
inline constexpr Activation silu{"silu", ir::UnaryKind::silu};
inline constexpr Activation hardsigmoid{"hardsigmoid", ir::UnaryKind::hardsigmoid};
inline constexpr Activation hardswish{"hardswish", ir::UnaryKind::hardswish};
inline constexpr Activation mish{"mish", ir::UnaryKind::mish};
inline constexpr Activation softplus{"softplus", ir::UnaryKind::softplus};
inline constexpr Activation abs{"abs", ir::UnaryKind::abs};
inline constexpr Activation neg{"neg", ir::UnaryKind::neg};
inline constexpr Activation sqrt{"sqrt", ir::UnaryKind::sqrt};
inline constexpr Activation exp{"exp", ir::UnaryKind::exp};

/// x where it is above 0, else negative_slope x.
Tensor leaky_relu(Session& session, const TensorRef& x, double negative_slope = 0.01);
/// x where it is above 0, else alpha (exp(x) - 1).
Tensor elu(Session& session, const TensorRef& x, double alpha = 1);
/// `approximate`: "none" or "tanh".
Tensor gelu(Session& session, const TensorRef& x, std::string_view approximate = "none");
/// min(max, max(min, x)), of the two those that there are.
Tensor clamp(Session& session, const TensorRef& x, std::optional<double> min,
             std::optional<double> max = std::nullopt);
/// `weight` is [c] or of one element.
Tensor prelu(Session& session, const TensorRef& x, const TensorRef& weight);

/// b has a's shape, or is one number a channel, [c].
struct Arithmetic {
  std::string_view name; // as torch has it
  ir::BinaryKind kind;   // as the language has it
  /// Throws Error where the operands do not fit.
  Tensor operator()(Session& session, const TensorRef& a, const TensorRef& b) const;
};
/// Of two operands, element by element.
inline constexpr Arithmetic add{"add", ir::BinaryKind::add};
inline constexpr Arithmetic sub{"sub", ir::BinaryKind::sub};
inline constexpr Arithmetic mul{"mul", ir::BinaryKind::mul};
inline constexpr Arithmetic maximum{"maximum", ir::BinaryKind::max};
inline constexpr Arithmetic minimum{"minimum", ir::BinaryKind::min};

} // namespace volute::functional

// Without the element-wise ones, some of which the C library has too.
namespace volute {
using functional::adaptive_avg_pool1d, functional::adaptive_avg_pool2d,
    functional::adaptive_avg_pool3d;
using functional::adaptive_max_pool1d, functional::adaptive_max_pool2d,
    functional::adaptive_max_pool3d;
using functional::adaptive_max_pool1d_with_indices, functional::adaptive_max_pool2d_with_indices,
    functional::adaptive_max_pool3d_with_indices;
using functional::avg_pool1d, functional::avg_pool2d, functional::avg_pool3d;
using functional::batch_norm;
using functional::conv1d, functional::conv2d, functional::conv3d;
using functional::conv_transpose1d, functional::conv_transpose2d, functional::conv_transpose3d;
using functional::lp_pool1d, functional::lp_pool2d, functional::lp_pool3d;
using functional::max_pool1d, functional::max_pool2d, functional::max_pool3d;
using functional::max_pool1d_with_indices, functional::max_pool2d_with_indices,
    functional::max_pool3d_with_indices;
using functional::max_unpool1d, functional::max_unpool2d, functional::max_unpool3d;
} // namespace volute
