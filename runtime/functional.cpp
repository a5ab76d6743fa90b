#include "runtime/functional.h"

#include <fmt/format.h>

#include <functional>
#include <vector>

namespace volute::functional {
namespace {

using ir::Builder;
using Ref = Builder::Ref;
using Kernel = runtime::Kernel;

struct Operand {
  const char* name;
  const TensorView& view;
};

/// The one way from a function to its results: a program of what `build` makes of the operands,
/// compiled for them or found, and called.
std::vector<Tensor>
results_of(Session& session, std::string_view name, const std::vector<Operand>& operands,
           const std::function<std::vector<Ref>(Builder&, const std::vector<Ref>&)>& build) {
  Builder builder{std::string(name)};
  runtime::CompileOptions options;
  std::vector<Ref> refs;
  for (const Operand& operand : operands) {
    refs.push_back(builder.input(operand.name, operand.view.type()));
    if (!operand.view.is_dense()) options.strides[operand.name] = operand.view.strides();
  }
  for (const Ref& result : build(builder, refs)) builder.output(result);
  const ir::Program program = builder.finish().value();
  const Kernel kernel = session.compile(program, options);

  std::vector<Tensor> results;
  std::vector<Kernel::Argument> arguments;
  for (const Operand& operand : operands) arguments.emplace_back(operand.view);
  results.reserve(program.outputs.size());
  for (const ir::ValueId output : program.outputs) {
    results.push_back(Tensor::allocate(program.type(output)).value());
    arguments.emplace_back(results.back());
  }
  kernel.call(arguments).check();
  return results;
}

template <class Build>
Tensor result_of(Session& session, std::string_view name, const std::vector<Operand>& operands,
                 Build build) {
  return std::move(
      results_of(session, name, operands, [&](Builder& builder, const std::vector<Ref>& refs) {
        return std::vector<Ref>{build(builder, refs)};
      }).front());
}

/// The operators of programs serve any number of spatial axes; a function serves one.
void require_axes(const Function& function, const char* operand, const TensorView& view) {
  const size_t found = view.type().spatial_axes().size();
  if (found == function.spatial_axes) return;
  throw Error(fail(std::string(function.name),
                   fmt::format("{} is {}, with {} spatial ax{}; {} takes {}", operand,
                               ir::to_string(view.type()), found, found == 1 ? "is" : "es",
                               function.name, function.spatial_axes))
                  .diagnostics);
}

Tensor elementwise(Session& session, std::string_view name, const TensorView& x,
                   ir::Operation operation) {
  return result_of(session, name, {{"x", x}}, [&](Builder& b, const std::vector<Ref>& in) {
    return b.statement(std::move(operation), in).front();
  });
}

} // namespace

// ---- convolution ------------------------------------------------------------------------------

Tensor Conv::operator()(Session& session, const TensorView& x, const TensorView& w,
                        const ir::ConvOptions& options) const {
  require_axes(*this, "x", x);
  return result_of(session, name, {{"x", x}, {"w", w}},
                   [&](Builder& b, const auto& in) { return b.conv(in[0], in[1], options); });
}

Tensor Conv::operator()(Session& session, const TensorView& x, const TensorView& w,
                        const TensorView& bias, const ir::ConvOptions& options) const {
  require_axes(*this, "x", x);
  return result_of(
      session, name, {{"x", x}, {"w", w}, {"b", bias}},
      [&](Builder& b, const auto& in) { return b.conv(in[0], in[1], in[2], options); });
}

Tensor ConvTranspose::operator()(Session& session, const TensorView& x, const TensorView& w,
                                 const ir::ConvTransposeOptions& options) const {
  require_axes(*this, "x", x);
  return result_of(session, name, {{"x", x}, {"w", w}}, [&](Builder& b, const auto& in) {
    return b.conv_transpose(in[0], in[1], options);
  });
}

Tensor ConvTranspose::operator()(Session& session, const TensorView& x, const TensorView& w,
                                 const TensorView& bias,
                                 const ir::ConvTransposeOptions& options) const {
  require_axes(*this, "x", x);
  return result_of(
      session, name, {{"x", x}, {"w", w}, {"b", bias}},
      [&](Builder& b, const auto& in) { return b.conv_transpose(in[0], in[1], in[2], options); });
}

// ---- pooling ----------------------------------------------------------------------------------

Tensor MaxPool::operator()(Session& session, const TensorView& x, const AxisNumbers& kernel_size,
                           const ir::MaxPoolOptions& options) const {
  require_axes(*this, "x", x);
  return result_of(session, name, {{"x", x}}, [&](Builder& b, const auto& in) {
    return b.max_pool(in[0], kernel_size, options);
  });
}

std::pair<Tensor, Tensor> MaxPoolWithIndices::operator()(Session& session, const TensorView& x,
                                                         const AxisNumbers& kernel_size,
                                                         const ir::MaxPoolOptions& options) const {
  require_axes(*this, "x", x);
  std::vector<Tensor> results =
      results_of(session, name, {{"x", x}}, [&](Builder& b, const std::vector<Ref>& in) {
        const auto [values, indices] = b.max_pool_with_indices(in[0], kernel_size, options);
        return std::vector<Ref>{values, indices};
      });
  return {std::move(results[0]), std::move(results[1])};
}

Tensor MaxUnpool::operator()(Session& session, const TensorView& x, const TensorView& indices,
                             const AxisNumbers& kernel_size,
                             const ir::MaxUnpoolOptions& options) const {
  require_axes(*this, "x", x);
  return result_of(
      session, name, {{"x", x}, {"indices", indices}},
      [&](Builder& b, const auto& in) { return b.max_unpool(in[0], in[1], kernel_size, options); });
}

Tensor AvgPool::operator()(Session& session, const TensorView& x, const AxisNumbers& kernel_size,
                           const ir::AvgPoolOptions& options) const {
  require_axes(*this, "x", x);
  return result_of(session, name, {{"x", x}}, [&](Builder& b, const auto& in) {
    return b.avg_pool(in[0], kernel_size, options);
  });
}

Tensor LpPool::operator()(Session& session, const TensorView& x, double norm_type,
                          const AxisNumbers& kernel_size, const ir::LpPoolOptions& options) const {
  require_axes(*this, "x", x);
  return result_of(session, name, {{"x", x}}, [&](Builder& b, const auto& in) {
    return b.lp_pool(in[0], norm_type, kernel_size, options);
  });
}

Tensor AdaptivePool::operator()(Session& session, const TensorView& x,
                                const AxisNumbers& output_size) const {
  require_axes(*this, "x", x);
  return result_of(session, name, {{"x", x}}, [&](Builder& b, const auto& in) {
    return kind == ir::PoolKind::max ? b.adaptive_max_pool(in[0], output_size)
                                     : b.adaptive_avg_pool(in[0], output_size);
  });
}

// ---- normalisation and element-wise functions ---------------------------------------------------

Tensor batch_norm(Session& session, const TensorView& x, const TensorView& running_mean,
                  const TensorView& running_var, const TensorView& weight, const TensorView& bias,
                  double eps) {
  return result_of(
      session, "batch_norm",
      {{"x", x}, {"mean", running_mean}, {"var", running_var}, {"weight", weight}, {"bias", bias}},
      [&](Builder& b, const auto& in) {
        return b.batch_norm(in[0], in[3], in[4], in[1], in[2], eps);
      });
}

Tensor batch_norm(Session& session, const TensorView& x, const TensorView& running_mean,
                  const TensorView& running_var, double eps) {
  Tensor one = Tensor::allocate(running_mean.type()).value();
  runtime::fill(one, {runtime::Fill::Kind::ones});
  const Tensor zero = Tensor::allocate(running_mean.type()).value();
  return batch_norm(session, x, running_mean, running_var, one, zero, eps);
}

Tensor Activation::operator()(Session& session, const TensorView& x) const {
  return elementwise(session, name, x, ir::Unary{kind, {}, {}});
}

Tensor leaky_relu(Session& session, const TensorView& x, double negative_slope) {
  return elementwise(session, "leaky_relu", x,
                     ir::Unary{ir::UnaryKind::leaky_relu, negative_slope, {}});
}

Tensor elu(Session& session, const TensorView& x, double alpha) {
  return elementwise(session, "elu", x, ir::Unary{ir::UnaryKind::elu, alpha, {}});
}

Tensor gelu(Session& session, const TensorView& x, std::string_view approximate) {
  return result_of(session, "gelu", {{"x", x}},
                   [&](Builder& b, const auto& in) { return b.gelu(in[0], approximate); });
}

Tensor clamp(Session& session, const TensorView& x, std::optional<double> min,
             std::optional<double> max) {
  return elementwise(session, "clamp", x, ir::Unary{ir::UnaryKind::clamp, min, max});
}

Tensor prelu(Session& session, const TensorView& x, const TensorView& weight) {
  return result_of(session, "prelu", {{"x", x}, {"weight", weight}},
                   [](Builder& b, const auto& in) { return b.prelu(in[0], in[1]); });
}

Tensor Arithmetic::operator()(Session& session, const TensorView& a, const TensorView& b) const {
  return result_of(session, name, {{"a", a}, {"b", b}},
                   [this](Builder& builder, const std::vector<Ref>& in) {
                     return builder.statement(ir::Binary{kind}, in).front();
                   });
}

} // namespace volute::functional
