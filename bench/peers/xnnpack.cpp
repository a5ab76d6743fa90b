// XNNPACK: f32 convolution, transposed convolution and pooling, channels last. Its element-wise
// steps are a clamp, which is fused.
//
// In its newer interface an operator learns its sizes apart from its memory, and may ask for a
// workspace; the build says which there is.
#include "bench/peer.h"
#include "bench/peers/element_steps.h"
#include "bench/problem.h"

#include <fmt/format.h>
#include <pthreadpool.h>

#include <limits>
#include <xnnpack.h>

namespace volute::bench {
namespace {

using ir::Axis;

struct DeleteOperator {
  void operator()(xnn_operator_t op) const { xnn_delete_operator(op); }
};
struct DestroyPool {
  void operator()(pthreadpool_t pool) const { pthreadpool_destroy(pool); }
};

class Operator : public PreparedPeer {
public:
  void run() override { xnn_run_operator(op.get(), pool.get()); }

  std::unique_ptr<std::remove_pointer_t<pthreadpool_t>, DestroyPool> pool; // null: one thread
  std::unique_ptr<std::remove_pointer_t<xnn_operator_t>, DeleteOperator> op;
  std::vector<float> weight, bias;
  std::vector<std::byte> workspace;
  std::vector<std::vector<float>> constants;
};

struct Clamp {
  float low = -std::numeric_limits<float>::infinity();
  float high = std::numeric_limits<float>::infinity();
};

/// The steps as one clamp, which is all that is fused.
Expected<Clamp> clamp_of(const Problem& p) {
  Clamp clamp;
  for (const Step& step : p.steps) {
    const auto* unary = std::get_if<ir::Unary>(&step.operation);
    if (p.steps.size() == 1 && unary) {
      if (unary->kind == ir::UnaryKind::relu) return Clamp{0, clamp.high};
      if (unary->kind == ir::UnaryKind::relu6) return Clamp{0, 6};
      if (unary->kind == ir::UnaryKind::clamp)
        return Clamp{static_cast<float>(unary->a.value_or(clamp.low)),
                     static_cast<float>(unary->b.value_or(clamp.high))};
    }
    return fail("xnnpack", "its operators end with a clamp, and with nothing else");
  }
  return clamp;
}

bool is_channels_last(const ir::TensorType& type) {
  std::vector<Axis> wanted = {Axis::n}, have;
  for (const Axis axis : type.spatial_axes()) wanted.push_back(axis);
  wanted.push_back(Axis::c);
  for (const ir::Extent& extent : type.extents) have.push_back(extent.axis);
  return have == wanted;
}

/// [g][o][kh][kw][i], of both directions.
std::vector<float> packed(const Problem& p, const float* from, int64_t kernel_h, int64_t kernel_w) {
  const ir::TensorType& type = p.w->type;
  const int64_t o_at = stride_of(type, Axis::o), i_at = stride_of(type, Axis::i);
  const bool is_transposed = p.kind == Problem::Kind::conv_transpose;
  const int64_t g_at = is_transposed ? p.inputs_per_group * i_at : p.outputs_per_group * o_at;
  std::vector<float> to;
  to.reserve(static_cast<size_t>(type.elements()));
  for (int64_t g = 0; g < p.groups; ++g)
    for (int64_t o = 0; o < p.outputs_per_group; ++o)
      for (int64_t kh = 0; kh < kernel_h; ++kh)
        for (int64_t kw = 0; kw < kernel_w; ++kw)
          for (int64_t i = 0; i < p.inputs_per_group; ++i)
            to.push_back(from[g * g_at + o * o_at + i * i_at + kh * stride_of(type, Axis::h) +
                              kw * stride_of(type, Axis::w)]);
  return to;
}

uint32_t number(int64_t n) { return static_cast<uint32_t>(n); }

/// Padding at the end that gives the window's output, as oneDNN's.
int64_t pad_end(const ir::Window& w, bool is_transposed) {
  if (is_transposed) return w.pad_end;
  const int64_t written = w.input + w.pad_begin + w.pad_end - w.span();
  if (written >= 0 && written / w.stride + 1 == w.output) return w.pad_end;
  return (w.output - 1) * w.stride + w.span() - w.input - w.pad_begin;
}

Expected<Ways> ways_of(const Problem& p, const Tensors& tensors, int threads) {
  for (const ir::TensorType* type : {&p.x.type, p.w ? &p.w->type : nullptr, &p.y_type})
    if (type && type->element != ir::ElementType::f32)
      return fail("xnnpack",
                  fmt::format("this peer asks it for f32, not {}", ir::to_string(type->element)));
  if (p.padding_mode != ir::PadMode::zeros) return fail("xnnpack", "it pads with zeros");
  if (p.windows.size() > 2) return fail("xnnpack", "it has no third spatial axis");
  if (!is_channels_last(p.x.type) || !is_channels_last(p.y_type))
    return fail("xnnpack", "it takes channels last");
  if (p.divisor || (p.kind == Problem::Kind::average_pool && p.count_include_pad))
    for (const ir::Window& window : p.windows)
      if (p.divisor || window.pad_begin + window.pad_end > 0)
        return fail("xnnpack", "its average pooling divides by the taps inside the image");
  const Expected<Clamp> clamp = clamp_of(p);
  if (!clamp) return clamp.failure();

  auto ready = std::make_unique<Operator>();
  const Expected<const float*> x = floats_of(p.x, tensors, ready->constants);
  const Expected<float*> y = floats_of(tensors, p.y, p.y_type);
  if (!x) return x.failure();
  if (!y) return y.failure();
  const ir::Window h = p.windows.size() == 2 ? p.windows[0] : ir::Window{}, w = p.windows.back();
  const bool is_transposed = p.kind == Problem::Kind::conv_transpose;
  if (p.is_conv()) {
    const Expected<const float*> weight = floats_of(*p.w, tensors, ready->constants);
    if (!weight) return weight.failure();
    ready->weight = packed(p, *weight, h.kernel, w.kernel);
  }
  if (p.b) {
    const Expected<const float*> bias = floats_of(*p.b, tensors, ready->constants);
    if (!bias) return bias.failure();
    ready->bias.assign(*bias, *bias + p.output_channels());
  }
  if (threads > 1) ready->pool.reset(pthreadpool_create(static_cast<size_t>(threads)));
  pthreadpool_t pool = ready->pool.get();

  const auto in = static_cast<size_t>(p.groups * (p.is_conv() ? p.inputs_per_group : 1));
  const auto out = static_cast<size_t>(p.is_conv() ? p.output_channels() : p.groups);
  const auto batch = static_cast<size_t>(p.batch);
  const auto in_h = static_cast<size_t>(h.input), in_w = static_cast<size_t>(w.input);
  const uint32_t top = number(h.pad_begin), left = number(w.pad_begin);
  const uint32_t bottom = number(pad_end(h, is_transposed)),
                 right = number(pad_end(w, is_transposed));
  const float* bias = ready->bias.empty() ? nullptr : ready->bias.data();
  xnn_operator_t op = nullptr;
  xnn_status status = xnn_status_success;

#ifdef VOLUTE_XNNPACK_RESHAPES
#define VOLUTE_CACHES , nullptr, nullptr
#define VOLUTE_POOL_CHANNELS
#else
#define VOLUTE_CACHES
#define VOLUTE_POOL_CHANNELS in, in, in,
#endif
  if (p.is_conv()) {
    const auto create =
        is_transposed ? xnn_create_deconvolution2d_nhwc_f32 : xnn_create_convolution2d_nhwc_f32;
    status =
        create(top, right, bottom, left, number(h.kernel), number(w.kernel), number(h.stride),
               number(w.stride), number(h.dilation), number(w.dilation), number(p.groups),
               static_cast<size_t>(p.inputs_per_group), static_cast<size_t>(p.outputs_per_group),
               in, out, ready->weight.data(), bias, clamp->low, clamp->high, 0 VOLUTE_CACHES, &op);
  } else if (p.kind == Problem::Kind::max_pool) {
    status = xnn_create_max_pooling2d_nhwc_f32(
        top, right, bottom, left, number(h.kernel), number(w.kernel), number(h.stride),
        number(w.stride), number(h.dilation), number(w.dilation), VOLUTE_POOL_CHANNELS clamp->low,
        clamp->high, 0, &op);
  } else {
    status = xnn_create_average_pooling2d_nhwc_f32(
        top, right, bottom, left, number(h.kernel), number(w.kernel), number(h.stride),
        number(w.stride), VOLUTE_POOL_CHANNELS clamp->low, clamp->high, 0, &op);
  }
#undef VOLUTE_POOL_CHANNELS
#undef VOLUTE_CACHES
  const auto refused = [&] {
    return fail("xnnpack",
                fmt::format("it refuses this, with status {}", static_cast<int>(status)));
  };
  if (status != xnn_status_success) return refused();
  ready->op.reset(op);

  const auto adjust = [](const ir::Window& window) {
    const int64_t plain =
        (window.input - 1) * window.stride + window.span() - window.pad_begin - window.pad_end;
    return number(window.output - plain);
  };
#ifdef VOLUTE_XNNPACK_RESHAPES
  size_t bytes = 0, alignment = 1, out_h = 0, out_w = 0;
  if (p.kind == Problem::Kind::conv)
    status = xnn_reshape_convolution2d_nhwc_f32(op, batch, in_h, in_w, &bytes, &alignment, &out_h,
                                                &out_w, pool);
  else if (is_transposed)
    status = xnn_reshape_deconvolution2d_nhwc_f32(op, batch, in_h, in_w, adjust(h), adjust(w),
                                                  &out_h, &out_w, pool);
  else if (p.kind == Problem::Kind::max_pool)
    status =
        xnn_reshape_max_pooling2d_nhwc_f32(op, batch, in_h, in_w, in, in, in, &out_h, &out_w, pool);
  else
    status = xnn_reshape_average_pooling2d_nhwc_f32(op, batch, in_h, in_w, in, in, in, &bytes,
                                                    &alignment, &out_h, &out_w, pool);
  if (status != xnn_status_success) return refused();
  ready->workspace.resize(bytes + alignment);
  const size_t over = reinterpret_cast<uintptr_t>(ready->workspace.data()) % alignment;
  void* workspace = ready->workspace.data() + (over ? alignment - over : 0);
  if (p.kind == Problem::Kind::conv)
    status = xnn_setup_convolution2d_nhwc_f32(op, workspace, *x, *y);
  else if (is_transposed)
    status = xnn_setup_deconvolution2d_nhwc_f32(op, *x, *y);
  else if (p.kind == Problem::Kind::max_pool)
    status = xnn_setup_max_pooling2d_nhwc_f32(op, *x, *y);
  else
    status = xnn_setup_average_pooling2d_nhwc_f32(op, workspace, *x, *y);
#else
  if (p.kind == Problem::Kind::conv)
    status = xnn_setup_convolution2d_nhwc_f32(op, batch, in_h, in_w, *x, *y, pool);
  else if (is_transposed)
    status = xnn_setup_deconvolution2d_nhwc_f32(op, batch, in_h, in_w, adjust(h), adjust(w), *x, *y,
                                                pool);
  else if (p.kind == Problem::Kind::max_pool)
    status = xnn_setup_max_pooling2d_nhwc_f32(op, batch, in_h, in_w, *x, *y, pool);
  else
    status = xnn_setup_average_pooling2d_nhwc_f32(op, batch, in_h, in_w, *x, *y, pool);
#endif
  if (status != xnn_status_success) return refused();
  Ways ways;
  ways.push_back(std::move(ready));
  return ways;
}

class XnnPack : public Peer {
public:
  std::string_view name() const override { return "xnnpack"; }
  std::string version() const override { return "XNNPACK"; }
  Expected<Ways> ways(const ir::Program& program, const Tensors& tensors,
                      int threads) const override {
    const Expected<Problem> problem = problem_of(program);
    if (!problem) return problem.failure();
    if (xnn_initialize(nullptr) != xnn_status_success)
      return fail("xnnpack", "it does not start on this CPU");
    return ways_of(*problem, tensors, threads);
  }
};

} // namespace
} // namespace volute::bench

extern "C" const volute::bench::Peer* volute_peer() {
  static const volute::bench::XnnPack peer;
  return &peer;
}
