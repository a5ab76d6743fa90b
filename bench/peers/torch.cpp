// PyTorch's libtorch, as its eager mode calls it: one function an operator, an activation in place
// after it. Channels last is a memory format of its tensors. A result is a new tensor at every
// call.
#include "bench/peers/layer_peer.h"

#include <fmt/format.h>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>
#include <limits>
#include <optional>
#include <torch/version.h>

namespace volute::bench {
namespace {

using ir::Axis;

Expected<at::ScalarType> scalar_type(const ir::TensorType& type) {
  switch (type.element) {
  case ir::ElementType::f32: return at::kFloat;
  case ir::ElementType::f64: return at::kDouble;
  case ir::ElementType::bf16: return at::kBFloat16;
  default:
    return fail("torch", fmt::format("it does not convolve {}", ir::to_string(type.element)));
  }
}

/// A view of memory in PyTorch's order of axes (n, c, space; o, i, space), with the strides that
/// it lies in.
Expected<at::Tensor> view(const Operand& operand, const Tensors& tensors,
                          bool is_transposed = false) {
  const ir::TensorType& type = operand.type;
  const Expected<at::ScalarType> element = scalar_type(type);
  if (!element) return element.failure();
  std::vector<Axis> axes;
  for (const Axis axis : {Axis::n, Axis::c}) // of an activation, or a vector
    if (type.has(axis)) axes.push_back(axis);
  if (is_transposed)
    for (const Axis axis : {Axis::i, Axis::o}) axes.push_back(axis);
  else
    for (const Axis axis : {Axis::o, Axis::i})
      if (type.has(axis)) axes.push_back(axis);
  for (const Axis axis : type.spatial_axes()) axes.push_back(axis);
  std::vector<int64_t> sizes, strides;
  for (const Axis axis : axes) {
    if (type.parts(axis) > 1) return fail("torch", "its tensors have whole axes, not split ones");
    int64_t stride = 1;
    for (size_t i = type.extents.size(); i-- > 0 && type.extents[i].axis != axis;)
      stride *= type.extents[i].size;
    sizes.push_back(type.size(axis));
    strides.push_back(stride);
  }
  std::byte* memory = nullptr;
  if (operand.constant) {
    memory = const_cast<std::byte*>(operand.constant->data()); // it is only read
  } else {
    const Expected<std::byte*> given = memory_of(tensors, operand.name, type);
    if (!given) return given.failure();
    memory = *given;
  }
  return at::from_blob(memory, sizes, strides, at::TensorOptions(*element));
}

class Call : public PreparedPeer {
public:
  void run() override {
    const c10::InferenceMode inference;
    result = compute(x);
    for (const auto& step : steps) result = step(result);
  }
  void deliver() override {
    const c10::InferenceMode inference;
    y.copy_(result);
  }

  std::function<at::Tensor(const at::Tensor&)> compute;
  std::vector<std::function<at::Tensor(at::Tensor&)>> steps;
  at::Tensor x, y, result;
};

std::optional<std::function<at::Tensor(at::Tensor&)>> unary_step(const ir::Unary& unary) {
  const double a = unary.a.value_or(-std::numeric_limits<double>::infinity());
  const double b = unary.b.value_or(std::numeric_limits<double>::infinity());
  switch (unary.kind) {
  case ir::UnaryKind::relu: return [](at::Tensor& t) { return at::relu_(t); };
  case ir::UnaryKind::relu6: return [](at::Tensor& t) { return at::clamp_(t, 0, 6); };
  case ir::UnaryKind::clamp: return [a, b](at::Tensor& t) { return at::clamp_(t, a, b); };
  case ir::UnaryKind::leaky_relu: return [a](at::Tensor& t) { return at::leaky_relu_(t, a); };
  case ir::UnaryKind::elu: return [a](at::Tensor& t) { return at::elu_(t, a); };
  case ir::UnaryKind::sigmoid: return [](at::Tensor& t) { return at::sigmoid_(t); };
  case ir::UnaryKind::tanh: return [](at::Tensor& t) { return at::tanh_(t); };
  case ir::UnaryKind::silu: return [](at::Tensor& t) { return at::silu_(t); };
  case ir::UnaryKind::hardswish: return [](at::Tensor& t) { return at::hardswish_(t); };
  case ir::UnaryKind::hardsigmoid: return [](at::Tensor& t) { return at::hardsigmoid_(t); };
  case ir::UnaryKind::mish: return [](at::Tensor& t) { return at::mish_(t); };
  case ir::UnaryKind::gelu: return [](at::Tensor& t) { return at::gelu(t); };
  case ir::UnaryKind::gelu_tanh: return [](at::Tensor& t) { return at::gelu(t, "tanh"); };
  case ir::UnaryKind::softplus: return [](at::Tensor& t) { return at::softplus(t); };
  case ir::UnaryKind::abs: return [](at::Tensor& t) { return at::abs_(t); };
  case ir::UnaryKind::neg: return [](at::Tensor& t) { return at::neg_(t); };
  case ir::UnaryKind::sqrt: return [](at::Tensor& t) { return at::sqrt_(t); };
  case ir::UnaryKind::exp: return [](at::Tensor& t) { return at::exp_(t); };
  }
  return std::nullopt;
}

std::vector<int64_t> numbers(const Problem& p, int64_t ir::Window::*which) {
  std::vector<int64_t> all;
  for (const ir::Window& w : p.windows) all.push_back(w.*which);
  return all;
}

Expected<Ways> ways_of(const Problem& p, const Tensors& tensors, int threads) {
  at::set_num_threads(threads);
  const c10::InferenceMode inference;
  if (p.padding_mode != ir::PadMode::zeros) return fail("torch", "this peer pads with zeros");
  if (p.divisor) return fail("torch", "this peer's average pooling divides by the taps");
  const size_t rank = p.windows.size();
  auto ready = std::make_unique<Call>();
  const Expected<at::Tensor> x = view(p.x, tensors), y = view({p.y, p.y_type, nullptr}, tensors);
  if (!x) return x.failure();
  if (!y) return y.failure();
  ready->x = *x, ready->y = *y;

  // Pads that differ are a copy before the call, as torch.nn.functional.pad is.
  std::vector<int64_t> pads = numbers(p, &ir::Window::pad_begin), around;
  bool is_even = true;
  for (const ir::Window& w : p.windows) is_even = is_even && w.pad_begin == w.pad_end;
  if (!is_even) {
    if (p.kind != Problem::Kind::conv) return fail("torch", "it pads both sides alike");
    for (size_t i = rank; i-- > 0;)
      around.insert(around.end(), {p.windows[i].pad_begin, p.windows[i].pad_end});
    pads.assign(rank, 0);
  }
  const auto strides = numbers(p, &ir::Window::stride),
             dilations = numbers(p, &ir::Window::dilation);
  const auto kernel = numbers(p, &ir::Window::kernel);
  if (p.is_conv()) {
    const bool is_transposed = p.kind == Problem::Kind::conv_transpose;
    const Expected<at::Tensor> w = view(*p.w, tensors, is_transposed);
    if (!w) return w.failure();
    // Weights are constant from here on, and in the order that the image has.
    const bool is_last = x->dim() == 4 && x->is_contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor weight =
        w->clone(is_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
    at::Tensor bias;
    if (p.b) {
      const Expected<at::Tensor> b = view(*p.b, tensors);
      if (!b) return b.failure();
      bias = b->clone();
    }
    std::vector<int64_t> output_padding(rank, 0);
    if (is_transposed)
      for (size_t i = 0; i < rank; ++i) {
        const ir::Window& window = p.windows[i];
        output_padding[i] = window.output - ((window.input - 1) * window.stride + window.span() -
                                             window.pad_begin - window.pad_end);
      }
    ready->compute = [=, groups = p.groups](const at::Tensor& in) {
      const at::Tensor image = around.empty() ? in : at::constant_pad_nd(in, around);
      return at::convolution(image, weight, bias, strides, pads, dilations, is_transposed,
                             output_padding, groups);
    };
  } else {
    bool is_ceil = false;
    for (const ir::Window& w : p.windows)
      is_ceil = is_ceil || (w.output - 1) * w.stride + w.span() > w.input + w.pad_begin + w.pad_end;
    const bool counts = p.count_include_pad, is_max = p.kind == Problem::Kind::max_pool;
    ready->compute = [=](const at::Tensor& in) {
      if (is_max)
        return rank == 1   ? at::max_pool1d(in, kernel, strides, pads, dilations, is_ceil)
               : rank == 2 ? at::max_pool2d(in, kernel, strides, pads, dilations, is_ceil)
                           : at::max_pool3d(in, kernel, strides, pads, dilations, is_ceil);
      return rank == 1   ? at::avg_pool1d(in, kernel, strides, pads, is_ceil, counts)
             : rank == 2 ? at::avg_pool2d(in, kernel, strides, pads, is_ceil, counts)
                         : at::avg_pool3d(in, kernel, strides, pads, is_ceil, counts);
    };
  }
  for (const Step& step : p.steps) {
    const auto* unary = std::get_if<ir::Unary>(&step.operation);
    auto function = unary ? unary_step(*unary) : std::nullopt;
    if (!function) return fail("torch", "this peer has activations after its operators, no more");
    ready->steps.push_back(std::move(*function));
  }
  Ways ways;
  ways.push_back(std::move(ready));
  return ways;
}

} // namespace
} // namespace volute::bench

extern "C" const volute::bench::Peer* volute_peer() {
  using namespace volute::bench;
  static const LayerPeer<c10::Error> peer(
      "torch", "PyTorch " TORCH_VERSION, ways_of,
      [](const c10::Error& error) { return std::string(error.what_without_backtrace()); });
  return &peer;
}
