#include "runtime/functional.h"

#include "runtime/function_key.h"

#include <fmt/format.h>

#include <array>
#include <initializer_list>
#include <vector>

namespace volute::functional {
namespace {

using ir::Builder;
using Ref = Builder::Ref;
using Refs = std::vector<Ref>;
using runtime::Kernel;

/// What tells functions apart in a key, with their numbers of spatial axes.
enum class Family : int64_t {
  conv,
  conv_transpose,
  max_pool,
  max_pool_with_indices,
  max_unpool,
  avg_pool,
  lp_pool,
  adaptive_pool,
  adaptive_max_pool_with_indices,
  batch_norm,
  plain_batch_norm,
  activation,
  gelu,
  prelu,
  arithmetic,
};

/// The operators of programs serve any number of spatial axes; a function serves one, or (0) any.
void require_axes(const Function& function, const char* operand, const TensorRef& tensor) {
  const ir::TensorType type = runtime::type_of(tensor);
  const size_t found = type.spatial_axes().size();
  if (function.spatial_axes == 0 || found == function.spatial_axes) return;
  throw Error(
      fail(std::string(function.name),
           fmt::format("{} is {}, with {} spatial ax{}; {} takes {}", operand, ir::to_string(type),
                       found, found == 1 ? "is" : "es", function.name, function.spatial_axes))
          .diagnostics);
}

/// A function and its arguments, on the way to its results. The kernel is the one that the session
/// remembers for these very numbers; only where there is none, a program is made and compiled.
class Call {
public:
  struct Operand {
    const char* name;
    const TensorRef& tensor;
  };
  static constexpr size_t most_operands = 5, most_results = 2;

  template <class... Options>
  Call(Session& session, const Function& function, Family family,
       std::initializer_list<Operand> operands, const Options&... options)
      : session_(session), function_(function), operands_(operands) {
    key_.add(static_cast<int64_t>(family));
    key_.add(static_cast<int64_t>(function.spatial_axes));
    (key_.add(options), ...);
    for (const Operand& operand : operands) key_.add(operand.tensor);
  }

  /// The result of what `build` makes of the operands: one value.
  template <class Build>
  Tensor result(const Build& build) {
    const Kernel kernel = kernel_of([&](Builder& b, const Refs& in) { return Refs{build(b, in)}; });
    Tensor y = result_of(kernel, 0);
    run(kernel, {y});
    return y;
  }
  /// Two values.
  template <class Build>
  std::pair<Tensor, Tensor> results(const Build& build) {
    const Kernel kernel = kernel_of(build);
    std::pair<Tensor, Tensor> both{result_of(kernel, 0), result_of(kernel, 1)};
    run(kernel, {both.first, both.second});
    return both;
  }

private:
  template <class Build>
  Kernel kernel_of(const Build& build) {
    if (std::optional<Kernel> known = session_.recall(key_)) return std::move(*known);
    require_axes(function_, operands_.begin()->name, operands_.begin()->tensor);
    Builder builder{std::string(function_.name)};
    runtime::CompileOptions options;
    Refs refs;
    for (const Operand& operand : operands_) {
      const TensorRef& tensor = operand.tensor;
      refs.push_back(builder.input(operand.name, runtime::type_of(tensor)));
      if (tensor.strides)
        options.strides[operand.name] = {tensor.strides, tensor.strides + tensor.rank};
    }
    for (const Ref& result : build(builder, refs)) builder.output(result);
    Kernel kernel = session_.compile(builder.finish().value(), options);
    session_.remember(key_, kernel);
    return kernel;
  }

  Tensor result_of(const Kernel& kernel, size_t index) const {
    return Tensor::allocate_unset(kernel.type_at(operands_.size() + index)).value();
  }

  void run(const Kernel& kernel, std::initializer_list<TensorRef> results) const {
    std::array<TensorRef, most_operands + most_results> tensors;
    size_t count = 0;
    for (const Operand& operand : operands_) tensors[count++] = operand.tensor;
    for (const TensorRef& result : results) tensors[count++] = result;
    kernel.call({tensors.data(), count}).check();
  }

  Session& session_;
  const Function& function_;
  const std::initializer_list<Operand> operands_;
  runtime::FunctionKey key_;
};

/// Any number of spatial axes.
Function any(std::string_view name) { return {name, 0}; }

Tensor activation(Session& session, std::string_view name, const TensorRef& x,
                  const ir::Unary& operation) {
  return Call(session, any(name), Family::activation, {{"x", x}},
              static_cast<int64_t>(operation.kind), operation.a, operation.b)
      .result([&](Builder& b, const Refs& in) { return b.statement(operation, in).front(); });
}

} // namespace

// ---- convolution ------------------------------------------------------------------------------

Tensor Conv::operator()(Session& session, const TensorRef& x, const TensorRef& w,
                        const ir::ConvOptions& options) const {
  return Call(session, *this, Family::conv, {{"x", x}, {"w", w}}, options)
      .result([&](Builder& b, const Refs& in) { return b.conv(in[0], in[1], options); });
}

Tensor Conv::operator()(Session& session, const TensorRef& x, const TensorRef& w,
                        const TensorRef& bias, const ir::ConvOptions& options) const {
  return Call(session, *this, Family::conv, {{"x", x}, {"w", w}, {"b", bias}}, options)
      .result([&](Builder& b, const Refs& in) { return b.conv(in[0], in[1], in[2], options); });
}

Tensor ConvTranspose::operator()(Session& session, const TensorRef& x, const TensorRef& w,
                                 const ir::ConvTransposeOptions& options) const {
  return Call(session, *this, Family::conv_transpose, {{"x", x}, {"w", w}}, options)
      .result([&](Builder& b, const Refs& in) { return b.conv_transpose(in[0], in[1], options); });
}

Tensor ConvTranspose::operator()(Session& session, const TensorRef& x, const TensorRef& w,
                                 const TensorRef& bias,
                                 const ir::ConvTransposeOptions& options) const {
  return Call(session, *this, Family::conv_transpose, {{"x", x}, {"w", w}, {"b", bias}}, options)
      .result([&](Builder& b, const Refs& in) {
        return b.conv_transpose(in[0], in[1], in[2], options);
      });
}

// ---- pooling ----------------------------------------------------------------------------------

Tensor MaxPool::operator()(Session& session, const TensorRef& x, const AxisNumbers& kernel_size,
                           const ir::MaxPoolOptions& options) const {
  return Call(session, *this, Family::max_pool, {{"x", x}}, kernel_size, options)
      .result([&](Builder& b, const Refs& in) { return b.max_pool(in[0], kernel_size, options); });
}

std::pair<Tensor, Tensor> MaxPoolWithIndices::operator()(Session& session, const TensorRef& x,
                                                         const AxisNumbers& kernel_size,
                                                         const ir::MaxPoolOptions& options) const {
  return Call(session, *this, Family::max_pool_with_indices, {{"x", x}}, kernel_size, options)
      .results([&](Builder& b, const Refs& in) {
        const auto [values, indices] = b.max_pool_with_indices(in[0], kernel_size, options);
        return Refs{values, indices};
      });
}

Tensor MaxUnpool::operator()(Session& session, const TensorRef& x, const TensorRef& indices,
                             const AxisNumbers& kernel_size,
                             const ir::MaxUnpoolOptions& options) const {
  return Call(session, *this, Family::max_unpool, {{"x", x}, {"indices", indices}}, kernel_size,
              options)
      .result([&](Builder& b, const Refs& in) {
        return b.max_unpool(in[0], in[1], kernel_size, options);
      });
}

Tensor AvgPool::operator()(Session& session, const TensorRef& x, const AxisNumbers& kernel_size,
                           const ir::AvgPoolOptions& options) const {
  return Call(session, *this, Family::avg_pool, {{"x", x}}, kernel_size, options)
      .result([&](Builder& b, const Refs& in) { return b.avg_pool(in[0], kernel_size, options); });
}

Tensor LpPool::operator()(Session& session, const TensorRef& x, double norm_type,
                          const AxisNumbers& kernel_size, const ir::LpPoolOptions& options) const {
  return Call(session, *this, Family::lp_pool, {{"x", x}}, norm_type, kernel_size, options)
      .result([&](Builder& b, const Refs& in) {
        return b.lp_pool(in[0], norm_type, kernel_size, options);
      });
}

std::pair<Tensor, Tensor>
AdaptiveMaxPoolWithIndices::operator()(Session& session, const TensorRef& x,
                                       const AxisNumbers& output_size) const {
  return Call(session, *this, Family::adaptive_max_pool_with_indices, {{"x", x}}, output_size)
      .results([&](Builder& b, const Refs& in) {
        const auto [values, indices] = b.adaptive_max_pool_with_indices(in[0], output_size);
        return Refs{values, indices};
      });
}

Tensor AdaptivePool::operator()(Session& session, const TensorRef& x,
                                const AxisNumbers& output_size) const {
  return Call(session, *this, Family::adaptive_pool, {{"x", x}}, static_cast<int64_t>(kind),
              output_size)
      .result([&](Builder& b, const Refs& in) {
        return kind == ir::PoolKind::max ? b.adaptive_max_pool(in[0], output_size)
                                         : b.adaptive_avg_pool(in[0], output_size);
      });
}

// ---- normalisation and element-wise functions ---------------------------------------------------

Tensor batch_norm(Session& session, const TensorRef& x, const TensorRef& running_mean,
                  const TensorRef& running_var, const TensorRef& weight, const TensorRef& bias,
                  double eps) {
  return Call(session, any("batch_norm"), Family::batch_norm,
              {{"x", x},
               {"mean", running_mean},
               {"var", running_var},
               {"weight", weight},
               {"bias", bias}},
              eps)
      .result([&](Builder& b, const Refs& in) {
        return b.batch_norm(in[0], in[3], in[4], in[1], in[2], eps);
      });
}

Tensor batch_norm(Session& session, const TensorRef& x, const TensorRef& running_mean,
                  const TensorRef& running_var, double eps) {
  return Call(session, any("batch_norm"), Family::plain_batch_norm,
              {{"x", x}, {"mean", running_mean}, {"var", running_var}}, eps)
      .result([&](Builder& b, const Refs& in) {
        const ir::TensorType type = runtime::type_of(running_mean);
        const std::vector<double> ones(static_cast<size_t>(type.elements()), 1),
            zeros(ones.size(), 0);
        return b.batch_norm(in[0], b.constant(type, ones), b.constant(type, zeros), in[1], in[2],
                            eps);
      });
}

Tensor Activation::operator()(Session& session, const TensorRef& x) const {
  return activation(session, name, x, {kind, {}, {}});
}

Tensor leaky_relu(Session& session, const TensorRef& x, double negative_slope) {
  return activation(session, "leaky_relu", x, {ir::UnaryKind::leaky_relu, negative_slope, {}});
}

Tensor elu(Session& session, const TensorRef& x, double alpha) {
  return activation(session, "elu", x, {ir::UnaryKind::elu, alpha, {}});
}

Tensor gelu(Session& session, const TensorRef& x, std::string_view approximate) {
  // Not the activation of either kind: words that are neither are for the builder to refuse.
  const int64_t word = approximate == "none" ? 0 : approximate == "tanh" ? 1 : 2;
  return Call(session, any("gelu"), Family::gelu, {{"x", x}}, word)
      .result([&](Builder& b, const Refs& in) { return b.gelu(in[0], approximate); });
}

Tensor clamp(Session& session, const TensorRef& x, std::optional<double> min,
             std::optional<double> max) {
  return activation(session, "clamp", x, {ir::UnaryKind::clamp, min, max});
}

Tensor prelu(Session& session, const TensorRef& x, const TensorRef& weight) {
  return Call(session, any("prelu"), Family::prelu, {{"x", x}, {"weight", weight}})
      .result([](Builder& b, const Refs& in) { return b.prelu(in[0], in[1]); });
}

Tensor Arithmetic::operator()(Session& session, const TensorRef& a, const TensorRef& b) const {
  return Call(session, any(name), Family::arithmetic, {{"a", a}, {"b", b}},
              static_cast<int64_t>(kind))
      .result([this](Builder& builder, const Refs& in) {
        return builder.statement(ir::Binary{kind}, in).front();
      });
}

} // namespace volute::functional
