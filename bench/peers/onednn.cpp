// oneDNN, versions 2 and 3: convolution, transposed convolution and pooling of f32, bf16, and u8 by
// i8.
//
// Tensors are described by their strides, so that every order of whole axes is the caller's as it
// lies. A convolution goes two or three ways: oneDNN's kernel for that order, the kernel and order
// that it prefers between two reorders, and for channels first its kernel for channels last between
// reorders. Weights are reordered once. Bias is the primitive's, element-wise steps are its
// post-operations.
#include "bench/peers/layer_peer.h"

#include <fmt/format.h>

#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <unordered_map>

// Of the OpenMP that oneDNN was built with, if any.
extern "C" void omp_set_num_threads(int) __attribute__((weak));

namespace volute::bench {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using ir::Axis;

dnnl::engine& engine() {
  static auto& cpu = *new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return cpu;
}

Expected<memory::data_type> data_type(const ir::TensorType& type) {
  switch (type.element) {
  case ir::ElementType::f32: return memory::data_type::f32;
  case ir::ElementType::bf16: return memory::data_type::bf16;
  case ir::ElementType::f16: return memory::data_type::f16;
  case ir::ElementType::u8: return memory::data_type::u8;
  case ir::ElementType::i8: return memory::data_type::s8;
  case ir::ElementType::i32: return memory::data_type::s32;
  case ir::ElementType::f64:
  case ir::ElementType::i64: break;
  }
  return fail("onednn", fmt::format("it has no {}", ir::to_string(type.element)));
}

/// Distance in elements between neighbours along an axis.
int64_t stride_of(const ir::TensorType& type, Axis axis) {
  int64_t stride = 1;
  for (size_t i = type.extents.size(); i-- > 0 && type.extents[i].axis != axis;)
    stride *= type.extents[i].size;
  return stride;
}

struct Described {
  memory::dims dims, strides;
  memory::data_type type;
  memory::desc desc() const { return {dims, type, strides}; }
  memory::desc any() const { return {dims, type, memory::format_tag::any}; }
  /// In another order, given by a tag for 1, 2 and 3 spatial axes.
  memory::desc as(const memory::format_tag (&tags)[3]) const {
    return {dims, type, tags[dims.size() - 3]};
  }
};

constexpr memory::format_tag channels_last[3] = {memory::format_tag::nwc, memory::format_tag::nhwc,
                                                 memory::format_tag::ndhwc};
constexpr memory::format_tag blocked[3] = {memory::format_tag::nCw16c, memory::format_tag::nChw16c,
                                           memory::format_tag::nCdhw16c};

Expected<Described> activation(const ir::TensorType& type) {
  const Expected<memory::data_type> element = data_type(type);
  if (!element) return element.failure();
  Described d{{}, {}, *element};
  std::vector<Axis> axes = {Axis::n, Axis::c};
  for (const Axis axis : type.spatial_axes()) axes.push_back(axis);
  for (const Axis axis : axes) {
    if (type.parts(axis) > 1)
      return fail("onednn", "this peer describes whole axes to it, not split ones");
    d.dims.push_back(type.size(axis));
    d.strides.push_back(stride_of(type, axis));
  }
  return d;
}

/// [groups,] outputs, inputs, taps, whatever the order of the caller's.
Expected<Described> weight(const Problem& p) {
  const ir::TensorType& type = p.w->type;
  const Expected<memory::data_type> element = data_type(type);
  if (!element) return element.failure();
  Described d{{}, {}, *element};
  const int64_t o = stride_of(type, Axis::o), i = stride_of(type, Axis::i);
  const auto add = [&](int64_t size, int64_t stride) {
    d.dims.push_back(size), d.strides.push_back(stride);
  };
  const bool is_transposed = p.kind == Problem::Kind::conv_transpose;
  if (p.groups > 1) add(p.groups, is_transposed ? i * p.inputs_per_group : o * p.outputs_per_group);
  add(p.outputs_per_group, o);
  add(p.inputs_per_group, i);
  for (const Axis axis : type.spatial_axes()) add(type.size(axis), stride_of(type, axis));
  return d;
}

struct Eltwise {
  algorithm kind;
  float alpha = 0, beta = 0;
};

Expected<Eltwise> eltwise_of(const ir::Unary& unary) {
  const auto a = static_cast<float>(unary.a.value_or(0)),
             b = static_cast<float>(unary.b.value_or(0));
  constexpr float infinity = std::numeric_limits<float>::infinity();
  switch (unary.kind) {
  case ir::UnaryKind::relu: return Eltwise{algorithm::eltwise_relu};
  case ir::UnaryKind::relu6: return Eltwise{algorithm::eltwise_clip, 0, 6};
  case ir::UnaryKind::clamp:
    return Eltwise{algorithm::eltwise_clip, unary.a ? a : -infinity, unary.b ? b : infinity};
  case ir::UnaryKind::leaky_relu: return Eltwise{algorithm::eltwise_relu, a};
  case ir::UnaryKind::elu: return Eltwise{algorithm::eltwise_elu, a};
  case ir::UnaryKind::sigmoid: return Eltwise{algorithm::eltwise_logistic};
  case ir::UnaryKind::tanh: return Eltwise{algorithm::eltwise_tanh};
  case ir::UnaryKind::silu: return Eltwise{algorithm::eltwise_swish, 1};
  case ir::UnaryKind::gelu: return Eltwise{algorithm::eltwise_gelu_erf};
  case ir::UnaryKind::gelu_tanh: return Eltwise{algorithm::eltwise_gelu_tanh};
  case ir::UnaryKind::mish: return Eltwise{algorithm::eltwise_mish};
  case ir::UnaryKind::hardswish: return Eltwise{algorithm::eltwise_hardswish, 1.0f / 6, 0.5f};
  case ir::UnaryKind::softplus: return Eltwise{algorithm::eltwise_soft_relu, 1};
  case ir::UnaryKind::abs: return Eltwise{algorithm::eltwise_abs};
  case ir::UnaryKind::neg: return Eltwise{algorithm::eltwise_linear, -1};
  case ir::UnaryKind::sqrt: return Eltwise{algorithm::eltwise_sqrt};
  case ir::UnaryKind::exp: return Eltwise{algorithm::eltwise_exp};
  case ir::UnaryKind::hardsigmoid: break;
  }
  return fail("onednn", "this peer has no word for hardsigmoid");
}

algorithm binary_of(ir::BinaryKind kind) {
  switch (kind) {
  case ir::BinaryKind::add: return algorithm::binary_add;
  case ir::BinaryKind::sub: return algorithm::binary_sub;
  case ir::BinaryKind::mul: return algorithm::binary_mul;
  case ir::BinaryKind::max: return algorithm::binary_max;
  case ir::BinaryKind::min: return algorithm::binary_min;
  }
  return algorithm::binary_add;
}

using Arguments = std::unordered_map<int, memory>;

/// What all ways of one problem share.
struct Common {
  Problem problem;
  Described x, y, w;
  std::optional<Described> b;
  memory x_memory, y_memory, w_memory;
  dnnl::primitive_attr attributes;
  Arguments extra; // bias, operands of steps, scales
  memory::dims strides, dilations, kernel, begin, end;
};

Expected<memory> memory_at(const Operand& operand, const memory::desc& desc,
                           const Tensors& tensors) {
  if (operand.constant) {
    auto* bytes = const_cast<std::byte*>(operand.constant->data()); // it is only read
    return memory(desc, engine(), bytes);
  }
  const Expected<std::byte*> bytes = memory_of(tensors, operand.name, operand.type);
  if (!bytes) return bytes.failure();
  return memory(desc, engine(), *bytes);
}

std::optional<Failure> add_steps(Common& c, const Tensors& tensors) {
  dnnl::post_ops post;
  for (const Step& step : c.problem.steps) {
    if (const auto* unary = std::get_if<ir::Unary>(&step.operation)) {
      const Expected<Eltwise> e = eltwise_of(*unary);
      if (!e) return e.failure();
#if DNNL_VERSION_MAJOR < 3
      post.append_eltwise(1, e->kind, e->alpha, e->beta);
#else
      post.append_eltwise(e->kind, e->alpha, e->beta);
#endif
    } else if (const auto* binary = std::get_if<ir::Binary>(&step.operation)) {
      if (step.other_is_first && binary->kind == ir::BinaryKind::sub)
        return fail("onednn", "its post-operations subtract from the result only");
      const Expected<Described> other = [&]() -> Expected<Described> {
        if (step.other->type.has(Axis::n)) return activation(step.other->type);
        const Expected<memory::data_type> element = data_type(step.other->type);
        if (!element) return element.failure();
        Described d{memory::dims(c.y.dims.size(), 1), memory::dims(c.y.dims.size(), 1), *element};
        d.dims[1] = step.other->type.elements();
        d.strides[0] = d.dims[1];
        return d;
      }();
      if (!other) return other.failure();
      const Expected<memory> at = memory_at(*step.other, other->desc(), tensors);
      if (!at) return at.failure();
      c.extra[DNNL_ARG_ATTR_MULTIPLE_POST_OP(post.len()) | DNNL_ARG_SRC_1] = *at;
      post.append_binary(binary_of(binary->kind), other->desc());
    } else {
      const auto& quantize = std::get<ir::Quantize>(step.operation);
      if (quantize.kind != ir::QuantKind::requantize || quantize.scale.size() != 1 ||
          quantize.zero_point != std::vector<int64_t>{0} || post.len() > 0)
        return fail("onednn", "this peer has it requantize by one scale to a zero point of 0");
      const auto scale = static_cast<float>(quantize.scale[0]);
#if DNNL_VERSION_MAJOR < 3
      c.attributes.set_output_scales(0, {scale});
#else
      c.attributes.set_scales_mask(DNNL_ARG_DST, 0);
      memory at({{1}, memory::data_type::f32, memory::format_tag::x}, engine());
      *static_cast<float*>(at.get_data_handle()) = 1 / scale;
      c.extra[DNNL_ARG_ATTR_SCALES | DNNL_ARG_DST] = at;
#endif
    }
  }
  c.attributes.set_post_ops(post);
  return std::nullopt;
}

/// Padding at the end that makes oneDNN's formula give this window's output: what was written, or
/// what the last window of ceil_mode hangs over.
int64_t pad_end(const ir::Window& w, bool is_transposed) {
  if (is_transposed) return (w.input - 1) * w.stride + w.span() - w.pad_begin - w.output;
  const int64_t written = w.input + w.pad_begin + w.pad_end - w.span();
  if (written >= 0 && written / w.stride + 1 == w.output) return w.pad_end;
  return (w.output - 1) * w.stride + w.span() - w.input - w.pad_begin;
}

Expected<Common> common_of(const Problem& p, const Tensors& tensors) {
  Common c;
  c.problem = p;
  if (p.padding_mode != ir::PadMode::zeros) return fail("onednn", "it pads with zeros");
  if (p.divisor) return fail("onednn", "its average pooling divides by the taps");
  const Expected<Described> x = activation(p.x.type), y = activation(p.y_type);
  if (!x) return x.failure();
  if (!y) return y.failure();
  c.x = *x, c.y = *y;
  const Expected<memory> x_memory = memory_at(p.x, c.x.desc(), tensors);
  if (!x_memory) return x_memory.failure();
  c.x_memory = *x_memory;
  const Expected<std::byte*> y_bytes = memory_of(tensors, p.y, p.y_type);
  if (!y_bytes) return y_bytes.failure();
  c.y_memory = memory(c.y.desc(), engine(), *y_bytes);
  if (p.is_conv()) {
    const Expected<Described> w = weight(p);
    if (!w) return w.failure();
    c.w = *w;
    const Expected<memory> at = memory_at(*p.w, c.w.desc(), tensors);
    if (!at) return at.failure();
    c.w_memory = *at;
  }
  if (p.b) {
    const Expected<memory::data_type> element = data_type(p.b->type);
    if (!element) return element.failure();
    c.b = Described{{p.output_channels()}, {1}, *element};
    const Expected<memory> at = memory_at(*p.b, c.b->desc(), tensors);
    if (!at) return at.failure();
    c.extra[DNNL_ARG_BIAS] = *at;
  }
  for (const ir::Window& window : p.windows) {
    c.strides.push_back(window.stride);
    c.dilations.push_back(window.dilation - 1);
    c.kernel.push_back(window.kernel);
    c.begin.push_back(window.pad_begin);
    c.end.push_back(pad_end(window, p.kind == Problem::Kind::conv_transpose));
  }
  if (auto fault = add_steps(c, tensors)) return *fault;
  return c;
}

/// A kernel with the orders that it reads and writes.
struct Kernel {
  dnnl::primitive primitive;
  memory::desc x, y, w;
  std::string implementation;
};

/// From orders of x and y that are given, or left to oneDNN.
std::optional<Kernel> kernel_for(const Common& c, const memory::desc& x, const memory::desc& y) {
  const auto inference = dnnl::prop_kind::forward_inference;
  const memory::desc b = c.b ? c.b->desc() : memory::desc();
  const auto made = [&](auto description, auto primitive) -> std::optional<Kernel> {
    if (!description) return std::nullopt;
    Kernel kernel{primitive(description),
                  description.src_desc(),
                  description.dst_desc(),
                  {},
                  description.impl_info_str()};
    if (c.problem.is_conv()) kernel.w = description.weights_desc();
    return kernel;
  };
  const auto pool = c.problem.kind == Problem::Kind::max_pool ? algorithm::pooling_max
                    : c.problem.count_include_pad ? algorithm::pooling_avg_include_padding
                                                  : algorithm::pooling_avg_exclude_padding;
#if DNNL_VERSION_MAJOR < 3
  const auto conv = [&]<class Primitive>(algorithm kind) {
    using Description = typename Primitive::desc;
    const Description d =
        c.b ? Description(inference, kind, x, c.w.any(), b, y, c.strides, c.dilations, c.begin,
                          c.end)
            : Description(inference, kind, x, c.w.any(), y, c.strides, c.dilations, c.begin, c.end);
    return made(typename Primitive::primitive_desc(d, c.attributes, engine(), true),
                [](const auto& pd) { return Primitive(pd); });
  };
  if (c.problem.kind == Problem::Kind::conv)
    return conv.operator()<dnnl::convolution_forward>(algorithm::convolution_direct);
  if (c.problem.kind == Problem::Kind::conv_transpose)
    return conv.operator()<dnnl::deconvolution_forward>(algorithm::deconvolution_direct);
  const dnnl::pooling_v2_forward::desc d(inference, pool, x, y, c.strides, c.kernel, c.dilations,
                                         c.begin, c.end);
  return made(dnnl::pooling_v2_forward::primitive_desc(d, c.attributes, engine(), true),
              [](const auto& pd) { return dnnl::pooling_v2_forward(pd); });
#else
  const auto conv = [&]<class Primitive>(algorithm kind) {
    return made(typename Primitive::primitive_desc(engine(), inference, kind, x, c.w.any(), b, y,
                                                   c.strides, c.dilations, c.begin, c.end,
                                                   c.attributes, true),
                [](const auto& pd) { return Primitive(pd); });
  };
  if (c.problem.kind == Problem::Kind::conv)
    return conv.template operator()<dnnl::convolution_forward>(algorithm::convolution_direct);
  if (c.problem.kind == Problem::Kind::conv_transpose)
    return conv.template operator()<dnnl::deconvolution_forward>(algorithm::deconvolution_direct);
  return made(dnnl::pooling_forward::primitive_desc(engine(), inference, pool, x, y, c.strides,
                                                    c.kernel, c.dilations, c.begin, c.end,
                                                    c.attributes, true),
              [](const auto& pd) { return dnnl::pooling_forward(pd); });
#endif
}

class Way : public PreparedPeer {
public:
  Way(const Common& c, Kernel kernel, dnnl::stream stream)
      : stream_(std::move(stream)), kernel_(std::move(kernel)) {
    arguments_ = c.extra;
    const auto inside = [&](const memory& outside, const memory::desc& desc) {
      return outside.get_desc() == desc ? outside : memory(desc, engine());
    };
    const memory x = inside(c.x_memory, kernel_.x), y = inside(c.y_memory, kernel_.y);
    if (x != c.x_memory) enter_ = {dnnl::reorder(c.x_memory, x), c.x_memory, x};
    if (y != c.y_memory) leave_ = {dnnl::reorder(y, c.y_memory), y, c.y_memory};
    arguments_[DNNL_ARG_SRC] = x;
    arguments_[DNNL_ARG_DST] = y;
    if (!c.problem.is_conv()) return;
    // A copy even where the order is right: weights are constant from here on.
    memory given = c.w_memory, packed(kernel_.w, engine());
    dnnl::reorder(given, packed).execute(stream_, given, packed);
    stream_.wait();
    arguments_[DNNL_ARG_WEIGHTS] = packed;
  }

  void run() override {
    if (enter_) enter_->reorder.execute(stream_, enter_->from, enter_->to);
    kernel_.primitive.execute(stream_, arguments_);
    if (leave_) leave_->reorder.execute(stream_, leave_->from, leave_->to);
    stream_.wait();
  }

  std::string how() const override {
    const char* reorders = enter_ && leave_ ? " between two reorders"
                           : enter_         ? " after a reorder"
                           : leave_         ? " before a reorder"
                                            : "";
    return kernel_.implementation + reorders;
  }
  bool has_reorders() const { return enter_ || leave_; }

private:
  struct Reorder {
    dnnl::reorder reorder;
    memory from, to;
  };
  dnnl::stream stream_;
  Kernel kernel_;
  std::optional<Reorder> enter_, leave_;
  Arguments arguments_;
};

Expected<Ways> ways_of(const Problem& problem, const Tensors& tensors, int threads) {
  if (omp_set_num_threads) omp_set_num_threads(threads);
  const Expected<Common> common = common_of(problem, tensors);
  if (!common) return common.failure();
  const Common& c = *common;
  const dnnl::stream stream(engine());
  Ways ways;
  const auto add = [&](const memory::desc& x, const memory::desc& y, bool wants_reorders) {
    std::optional<Kernel> kernel = kernel_for(c, x, y);
    if (!kernel) return;
    auto way = std::make_unique<Way>(c, std::move(*kernel), stream);
    if (way->has_reorders() == wants_reorders) ways.push_back(std::move(way));
  };
  add(c.x.desc(), c.y.desc(), false);
  if (problem.is_conv()) {
    add(c.x.any(), c.y.any(), true);
    add(c.x.as(channels_last), c.y.as(channels_last), true);
  } else if (c.x.dims[1] >= 16) {
    add(c.x.as(blocked), c.y.as(blocked), true);
  }
  if (ways.empty()) return fail("onednn", "it has no implementation of this");
  return ways;
}

} // namespace
} // namespace volute::bench

extern "C" const volute::bench::Peer* volute_peer() {
  using namespace volute::bench;
  const dnnl_version_t* v = dnnl_version();
  static const LayerPeer<dnnl::error> peer(
      "onednn", fmt::format("oneDNN {}.{}.{}", v->major, v->minor, v->patch), ways_of);
  return &peer;
}
