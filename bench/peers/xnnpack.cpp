// XNNPACK: f32 convolution, transposed convolution and pooling. Its element-wise steps are a clamp,
// which is fused.
//
// Its operators are for channels last; channels first, they stand between two transpositions. It
// has a few convolutions for channels first too, made for networks with sparse weights: where it
// takes one, that is another way.
//
// In its newer interface an operator learns its sizes apart from its memory, and may ask for a
// workspace, and transposes as well; the build says which there is.
#include "bench/peers/element_steps.h"
#include "bench/peers/layer_peer.h"
#include "bench/peers/layouts.h"

#include <fmt/format.h>
#include <pthreadpool.h>

#include <limits>
#include <optional>
#include <xmmintrin.h>
#include <xnnpack.h>

namespace volute::bench {
namespace {

using ir::Axis;

struct DeleteOperator {
  void operator()(xnn_operator_t op) const { xnn_delete_operator(op); }
};
using OperatorPointer = std::unique_ptr<std::remove_pointer_t<xnn_operator_t>, DeleteOperator>;

/// Null: one thread.
using Pool = std::shared_ptr<std::remove_pointer_t<pthreadpool_t>>;

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

/// What the ways of one problem share.
struct Asked {
  const Problem& problem;
  ir::Window h, w;
  Clamp clamp;
  std::vector<float> weight, bias; // XNNPACK packs a copy
  size_t batch, in, out;           // images, channels
  Pool pool;
};

/// Before: images of `rows` x `columns`. After: of `columns` x `rows`.
class Transposition {
public:
  static Expected<Transposition> prepare(size_t images, size_t rows, size_t columns,
                                         const float* from, float* to, const Pool& pool) {
    Transposition t;
    t.pool_ = pool;
#ifdef VOLUTE_XNNPACK_RESHAPES
    const size_t shape[] = {images, rows, columns}, order[] = {0, 2, 1};
    xnn_operator_t op = nullptr;
    bool is_ready = xnn_create_transpose_nd_x32(0, &op) == xnn_status_success;
    t.op_.reset(op);
    is_ready =
        is_ready &&
        xnn_reshape_transpose_nd_x32(op, 3, shape, order, pool.get()) == xnn_status_success &&
        xnn_setup_transpose_nd_x32(op, from, to) == xnn_status_success;
    if (!is_ready) return fail("xnnpack", "it refuses to transpose");
#else
    t.images_ = images, t.rows_ = rows, t.columns_ = columns;
    t.from_ = from, t.to_ = to;
#endif
    return t;
  }

#ifdef VOLUTE_XNNPACK_RESHAPES
  void run() { xnn_run_operator(op_.get(), pool_.get()); }

private:
  OperatorPointer op_;
#else
  void run() {
    pthreadpool_parallelize_3d_tile_2d(
        pool_.get(),
        [](void* t, size_t image, size_t row, size_t column, size_t rows, size_t columns) {
          static_cast<Transposition*>(t)->tile(image, row, column, rows, columns);
        },
        this, images_, rows_, columns_, 32, 32, 0);
  }

private:
  /// Four by four in registers, and what is left over one by one.
  void tile(size_t image, size_t row, size_t column, size_t rows, size_t columns) {
    const float* from = from_ + (image * rows_ + row) * columns_ + column;
    float* to = to_ + (image * columns_ + column) * rows_ + row;
    const size_t whole_rows = rows & ~size_t{3}, whole_columns = columns & ~size_t{3};
    for (size_t r = 0; r < whole_rows; r += 4)
      for (size_t c = 0; c < whole_columns; c += 4) {
        __m128 v[4];
        for (size_t i = 0; i < 4; ++i) v[i] = _mm_loadu_ps(from + (r + i) * columns_ + c);
        _MM_TRANSPOSE4_PS(v[0], v[1], v[2], v[3]);
        for (size_t i = 0; i < 4; ++i) _mm_storeu_ps(to + (c + i) * rows_ + r, v[i]);
      }
    for (size_t r = 0; r < rows; ++r)
      for (size_t c = r < whole_rows ? whole_columns : 0; c < columns; ++c)
        to[c * rows_ + r] = from[r * columns_ + c];
  }

  size_t images_ = 0, rows_ = 0, columns_ = 0;
  const float* from_ = nullptr;
  float* to_ = nullptr;
#endif
  Pool pool_;
};

class Way : public PreparedPeer {
public:
  void run() override {
    if (enter) enter->run();
    xnn_run_operator(op.get(), pool.get());
    if (leave) leave->run();
  }
  std::string how() const override { return words; }

  Pool pool;
  OperatorPointer op;
  std::vector<std::byte> workspace;
  std::optional<Transposition> enter, leave;
  std::vector<float> x_last, y_last; // between them
  std::string words;
};

Failure refusal(xnn_status status) {
  return fail("xnnpack", fmt::format("it refuses this, with status {}", static_cast<int>(status)));
}

#ifdef VOLUTE_XNNPACK_RESHAPES
#define VOLUTE_CACHES , nullptr, nullptr
#define VOLUTE_POOL_CHANNELS
#else
#define VOLUTE_CACHES
#define VOLUTE_POOL_CHANNELS a.in, a.in, a.in,
#endif

/// A convolution of one of its functions, which are called alike.
xnn_status create_conv(const Asked& a, decltype(&xnn_create_convolution2d_nhwc_f32) create,
                       xnn_operator_t* op) {
  const Problem& p = a.problem;
  const bool is_transposed = p.kind == Problem::Kind::conv_transpose;
  return create(number(a.h.pad_begin), number(pad_end(a.w, is_transposed)),
                number(pad_end(a.h, is_transposed)), number(a.w.pad_begin), number(a.h.kernel),
                number(a.w.kernel), number(a.h.stride), number(a.w.stride), number(a.h.dilation),
                number(a.w.dilation), number(p.groups), static_cast<size_t>(p.inputs_per_group),
                static_cast<size_t>(p.outputs_per_group), a.in, a.out, a.weight.data(),
                a.bias.empty() ? nullptr : a.bias.data(), a.clamp.low, a.clamp.high,
                0 VOLUTE_CACHES, op);
}

xnn_status create_pool(const Asked& a, xnn_operator_t* op) {
  const uint32_t top = number(a.h.pad_begin), left = number(a.w.pad_begin),
                 bottom = number(pad_end(a.h, false)), right = number(pad_end(a.w, false));
  if (a.problem.kind == Problem::Kind::max_pool)
    return xnn_create_max_pooling2d_nhwc_f32(
        top, right, bottom, left, number(a.h.kernel), number(a.w.kernel), number(a.h.stride),
        number(a.w.stride), number(a.h.dilation), number(a.w.dilation),
        VOLUTE_POOL_CHANNELS a.clamp.low, a.clamp.high, 0, op);
  return xnn_create_average_pooling2d_nhwc_f32(
      top, right, bottom, left, number(a.h.kernel), number(a.w.kernel), number(a.h.stride),
      number(a.w.stride), VOLUTE_POOL_CHANNELS a.clamp.low, a.clamp.high, 0, op);
}
#undef VOLUTE_POOL_CHANNELS
#undef VOLUTE_CACHES

/// Output positions of a transposed convolution beyond those that its formula gives.
uint32_t adjustment(const ir::Window& window) {
  const int64_t plain =
      (window.input - 1) * window.stride + window.span() - window.pad_begin - window.pad_end;
  return number(window.output - plain);
}

/// Gives the operator for channels last its sizes and its memory.
xnn_status set_up(const Asked& a, Way& way, const float* x, float* y) {
  const Problem::Kind kind = a.problem.kind;
  const auto h = static_cast<size_t>(a.h.input), w = static_cast<size_t>(a.w.input);
  xnn_operator_t op = way.op.get();
  pthreadpool_t pool = a.pool.get();
#ifdef VOLUTE_XNNPACK_RESHAPES
  size_t bytes = 0, alignment = 1, out_h = 0, out_w = 0;
  xnn_status status = xnn_status_success;
  if (kind == Problem::Kind::conv)
    status = xnn_reshape_convolution2d_nhwc_f32(op, a.batch, h, w, &bytes, &alignment, &out_h,
                                                &out_w, pool);
  else if (kind == Problem::Kind::conv_transpose)
    status = xnn_reshape_deconvolution2d_nhwc_f32(op, a.batch, h, w, adjustment(a.h),
                                                  adjustment(a.w), &out_h, &out_w, pool);
  else if (kind == Problem::Kind::max_pool)
    status = xnn_reshape_max_pooling2d_nhwc_f32(op, a.batch, h, w, a.in, a.in, a.in, &out_h, &out_w,
                                                pool);
  else
    status = xnn_reshape_average_pooling2d_nhwc_f32(op, a.batch, h, w, a.in, a.in, a.in, &bytes,
                                                    &alignment, &out_h, &out_w, pool);
  if (status != xnn_status_success) return status;
  way.workspace.resize(bytes + alignment);
  const size_t over = reinterpret_cast<uintptr_t>(way.workspace.data()) % alignment;
  void* workspace = way.workspace.data() + (over ? alignment - over : 0);
  if (kind == Problem::Kind::conv) return xnn_setup_convolution2d_nhwc_f32(op, workspace, x, y);
  if (kind == Problem::Kind::conv_transpose) return xnn_setup_deconvolution2d_nhwc_f32(op, x, y);
  if (kind == Problem::Kind::max_pool) return xnn_setup_max_pooling2d_nhwc_f32(op, x, y);
  return xnn_setup_average_pooling2d_nhwc_f32(op, workspace, x, y);
#else
  if (kind == Problem::Kind::conv)
    return xnn_setup_convolution2d_nhwc_f32(op, a.batch, h, w, x, y, pool);
  if (kind == Problem::Kind::conv_transpose)
    return xnn_setup_deconvolution2d_nhwc_f32(op, a.batch, h, w, adjustment(a.h), adjustment(a.w),
                                              x, y, pool);
  if (kind == Problem::Kind::max_pool)
    return xnn_setup_max_pooling2d_nhwc_f32(op, a.batch, h, w, x, y, pool);
  return xnn_setup_average_pooling2d_nhwc_f32(op, a.batch, h, w, x, y, pool);
#endif
}

/// Its operator for channels last, between transpositions where the memory lies channels first.
Expected<std::unique_ptr<Way>> channels_last_way(const Asked& a, const float* x, float* y,
                                                 bool is_first) {
  auto way = std::make_unique<Way>();
  way->pool = a.pool;
  xnn_operator_t op = nullptr;
  const bool is_transposed = a.problem.kind == Problem::Kind::conv_transpose;
  xnn_status status = a.problem.is_conv()
                          ? create_conv(a,
                                        is_transposed ? xnn_create_deconvolution2d_nhwc_f32
                                                      : xnn_create_convolution2d_nhwc_f32,
                                        &op)
                          : create_pool(a, &op);
  if (status != xnn_status_success) return refusal(status);
  way->op.reset(op);
  if (is_first) {
    const auto in_pixels = static_cast<size_t>(a.h.input * a.w.input),
               out_pixels = static_cast<size_t>(a.h.output * a.w.output);
    // It may read past the end of an image, if not far.
    way->x_last.resize(a.batch * a.in * in_pixels + XNN_EXTRA_BYTES / sizeof(float));
    way->y_last.resize(a.batch * a.out * out_pixels);
    Expected<Transposition> enter =
        Transposition::prepare(a.batch, a.in, in_pixels, x, way->x_last.data(), a.pool);
    if (!enter) return enter.failure();
    Expected<Transposition> leave =
        Transposition::prepare(a.batch, out_pixels, a.out, way->y_last.data(), y, a.pool);
    if (!leave) return leave.failure();
    way->enter = std::move(*enter), way->leave = std::move(*leave);
    way->words = "channels last between two transpositions";
    x = way->x_last.data(), y = way->y_last.data();
  }
  status = set_up(a, *way, x, y);
  if (status != xnn_status_success) return refusal(status);
  return way;
}

/// One of its convolutions for channels first.
Expected<std::unique_ptr<Way>> channels_first_way(const Asked& a, const float* x, float* y) {
  auto way = std::make_unique<Way>();
  way->pool = a.pool;
  way->words = "channels first";
  xnn_operator_t op = nullptr;
  xnn_status status = create_conv(a, xnn_create_convolution2d_nchw_f32, &op);
  if (status != xnn_status_success) return refusal(status);
  way->op.reset(op);
  const auto h = static_cast<size_t>(a.h.input), w = static_cast<size_t>(a.w.input);
#ifdef VOLUTE_XNNPACK_RESHAPES
  size_t out_h = 0, out_w = 0;
  status = xnn_reshape_convolution2d_nchw_f32(op, a.batch, h, w, &out_h, &out_w, a.pool.get());
  if (status == xnn_status_success) status = xnn_setup_convolution2d_nchw_f32(op, x, y);
#else
  status = xnn_setup_convolution2d_nchw_f32(op, a.batch, h, w, x, y, a.pool.get());
#endif
  if (status != xnn_status_success) return refusal(status);
  return way;
}

Expected<Ways> ways_of(const Problem& p, const Tensors& tensors, int threads) {
  if (xnn_initialize(nullptr) != xnn_status_success)
    return fail("xnnpack", "it does not start on this CPU");
  for (const ir::TensorType* type : {&p.x.type, p.w ? &p.w->type : nullptr, &p.y_type})
    if (type && type->element != ir::ElementType::f32)
      return fail("xnnpack",
                  fmt::format("this peer asks it for f32, not {}", ir::to_string(type->element)));
  if (p.padding_mode != ir::PadMode::zeros) return fail("xnnpack", "it pads with zeros");
  if (p.windows.size() > 2) return fail("xnnpack", "it has no third spatial axis");
  const bool is_last = is_channels_last(p.x.type) && is_channels_last(p.y_type);
  if (!is_last && !(is_channels_first(p.x.type) && is_channels_first(p.y_type)))
    return fail("xnnpack", "it takes channels last, or first");
  if (p.x.constant) return fail("xnnpack", "the image is a constant");
  if (p.divisor || (p.kind == Problem::Kind::average_pool && p.count_include_pad))
    for (const ir::Window& window : p.windows)
      if (p.divisor || window.pad_begin + window.pad_end > 0)
        return fail("xnnpack", "its average pooling divides by the taps inside the image");
  const Expected<Clamp> clamp = clamp_of(p);
  if (!clamp) return clamp.failure();
  const Expected<float*> x = floats_of(tensors, p.x.name, p.x.type),
                         y = floats_of(tensors, p.y, p.y_type);
  if (!x) return x.failure();
  if (!y) return y.failure();

  Asked a{p,
          p.windows.size() == 2 ? p.windows[0] : ir::Window{},
          p.windows.back(),
          *clamp,
          {},
          {},
          static_cast<size_t>(p.batch),
          static_cast<size_t>(p.groups * (p.is_conv() ? p.inputs_per_group : 1)),
          static_cast<size_t>(p.is_conv() ? p.output_channels() : p.groups),
          {}};
  std::vector<std::vector<float>> constants;
  if (p.is_conv()) {
    const Expected<const float*> weight = floats_of(*p.w, tensors, constants);
    if (!weight) return weight.failure();
    a.weight = packed(p, *weight, a.h.kernel, a.w.kernel);
  }
  if (p.b) {
    const Expected<const float*> bias = floats_of(*p.b, tensors, constants);
    if (!bias) return bias.failure();
    a.bias.assign(*bias, *bias + p.output_channels());
  }
  if (threads > 1)
    a.pool = Pool(pthreadpool_create(static_cast<size_t>(threads)), pthreadpool_destroy);

  Expected<std::unique_ptr<Way>> last = channels_last_way(a, *x, *y, !is_last);
  if (!last) return last.failure();
  Ways ways;
  ways.push_back(std::move(*last));
  if (!is_last && p.kind == Problem::Kind::conv) {
    Expected<std::unique_ptr<Way>> first = channels_first_way(a, *x, *y);
    if (first) ways.push_back(std::move(*first));
  }
  return ways;
}

} // namespace
} // namespace volute::bench

extern "C" const volute::bench::Peer* volute_peer() {
  using namespace volute::bench;
  static const LayerPeer<> peer("xnnpack", "XNNPACK", ways_of);
  return &peer;
}
