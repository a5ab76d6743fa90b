// Halide: convolution and pooling of f32 in its language, compiled for the sizes at hand by
// schedules of this file: the peer that is nearest to what it is compared with.
//
// Channels last, a register tile is some vectors of channels by some columns of a row; channels
// first, some vectors of columns by some channels, or by some rows where each channel has its own
// filter. The padding is a condition where the image is read, of which Halide frees the inner part
// of its loops, or a copy with a border around it: two ways, and the faster counts. Bias and
// activation are in the stage that stores.
#include "bench/peers/element_steps.h"
#include "bench/peers/layer_peer.h"

#include <fmt/format.h>

#include <Halide.h>
#include <algorithm>
#include <optional>

namespace volute::bench {
namespace {

using Halide::Expr;
using Halide::Func;
using Halide::Var;
using Floats = Halide::Buffer<float>;

int number(int64_t n) { return static_cast<int>(n); }

/// The layer, its extents as numbers.
struct Layer {
  explicit Layer(const Problem& p)
      : h(p.windows.size() == 2 ? p.windows[0] : ir::Window{}), w(p.windows.back()),
        is_conv(p.is_conv()), is_last(!is_channels_first(p.x.type) || !is_channels_first(p.y_type)),
        is_per_channel(!is_conv || p.groups > 1), batch(number(p.batch)),
        in(number(is_conv ? p.groups * p.inputs_per_group : p.groups)),
        out(number(is_conv ? p.output_channels() : p.groups)) {}

  /// Indices, extents or variables in the order of the memory, innermost first.
  template <class T>
  std::vector<T> in_memory_order(T c, T x, T y, T n) const {
    return is_last ? std::vector<T>{c, x, y, n} : std::vector<T>{x, y, c, n};
  }
  Floats image(const float* memory, int channels, int64_t rows, int64_t columns) const {
    return Floats(const_cast<float*>(memory), // the input is only read
                  in_memory_order(channels, number(columns), number(rows), batch));
  }
  bool has_padding() const {
    const auto leaves = [](const ir::Window& a) {
      return a.pad_begin > 0 || (a.output - 1) * a.stride + a.span() - a.pad_begin > a.input;
    };
    return leaves(h) || leaves(w);
  }

  ir::Window h, w;
  bool is_conv, is_last, is_per_channel;
  int batch, in, out;
};

/// The activation as an expression, where it is one that compiles to vectors.
std::optional<Expr> activation(const ir::Unary& unary, const Expr& v) {
  const auto a = static_cast<float>(unary.a.value_or(0)),
             b = static_cast<float>(unary.b.value_or(0));
  switch (unary.kind) {
  case ir::UnaryKind::relu: return Halide::max(v, 0.0f);
  case ir::UnaryKind::relu6: return Halide::clamp(v, 0.0f, 6.0f);
  case ir::UnaryKind::clamp: {
    Expr e = v;
    if (unary.a) e = Halide::max(e, a);
    if (unary.b) e = Halide::min(e, b);
    return e;
  }
  case ir::UnaryKind::leaky_relu: return Halide::select(v > 0.0f, v, v * a);
  case ir::UnaryKind::sigmoid: return 1.0f / (1.0f + Halide::exp(-v));
  case ir::UnaryKind::silu: return v / (1.0f + Halide::exp(-v));
  case ir::UnaryKind::hardsigmoid: return Halide::clamp(v + 3.0f, 0.0f, 6.0f) * (1.0f / 6);
  case ir::UnaryKind::hardswish: return v * Halide::clamp(v + 3.0f, 0.0f, 6.0f) * (1.0f / 6);
  case ir::UnaryKind::abs: return Halide::abs(v);
  case ir::UnaryKind::neg: return -v;
  case ir::UnaryKind::sqrt: return Halide::sqrt(v);
  case ir::UnaryKind::exp: return Halide::exp(v);
  default: return std::nullopt;
  }
}

/// All steps on a value, or nothing where one of them is left to plain loops afterwards.
std::optional<Expr> fused(const Problem& p, Expr value) {
  for (const Step& step : p.steps) {
    const auto* unary = std::get_if<ir::Unary>(&step.operation);
    std::optional<Expr> next = unary ? activation(*unary, value) : std::nullopt;
    if (!next) return std::nullopt;
    value = *next;
  }
  return value;
}

/// Rows or columns that the window at `at` divides by: those inside the image, or the padded image.
Expr counted(const ir::Window& window, const Var& at, bool counts_padding) {
  const Expr begin = at * number(window.stride) - number(window.pad_begin);
  const Expr end = begin + number(window.kernel);
  if (counts_padding) return Halide::min(end, number(window.input + window.pad_end)) - begin;
  return Halide::min(end, number(window.input)) - Halide::max(begin, 0);
}

/// The image's own loads with a condition, or a copy with a border.
enum class Padding : uint8_t { condition, copy };

/// How many vectors by how many scalars of the other axis are summed up at once: three quarters of
/// the registers at most, the rest for what is loaded.
struct Tile {
  int lanes, vectors, others;
};

Tile tile_of(const Layer& layer, const Halide::Target& target, int64_t vector_extent,
             int64_t other_extent) {
  Tile tile{target.natural_vector_size<float>(), 1, 1};
  while (tile.lanes > vector_extent) tile.lanes /= 2;
  const int registers = target.has_feature(Halide::Target::AVX512_Skylake) ? 32 : 16;
  const int most = layer.is_per_channel ? 2 : registers == 32 ? 4 : 2;
  for (int vectors = 2; vectors <= most; ++vectors)
    if (vector_extent % (tile.lanes * vectors) == 0) tile.vectors = vectors;
  tile.others = layer.is_per_channel ? 4 : std::max(1, registers * 5 / 8 / tile.vectors);
  tile.others = number(std::min<int64_t>(tile.others, other_extent));
  return tile;
}

/// A compiled pipeline on the caller's memory.
class Pipeline : public PreparedPeer {
public:
  Pipeline(Halide::Callable callable, const Floats& x, const Floats& w, const Floats& b,
           const Floats& y, std::string how)
      : callable_(std::move(callable)), x_(x), w_(w), b_(b), y_(y), how_(std::move(how)) {}

  void run() override {
    callable_(x_, w_, b_, y_);
    steps.run();
  }
  std::string how() const override { return how_; }

  ElementSteps steps; // that are not in the pipeline

private:
  Halide::Callable callable_;
  Floats x_, w_, b_, y_;
  std::string how_;
};

/// An input whose extents and strides the compiler may count on.
Halide::ImageParam input(const Floats& buffer, const char* name) {
  Halide::ImageParam param(Halide::type_of<float>(), buffer.dimensions(), name);
  for (int i = 0; i < buffer.dimensions(); ++i)
    param.dim(i).set_bounds(0, buffer.dim(i).extent()).set_stride(buffer.dim(i).stride());
  return param;
}

std::unique_ptr<Pipeline> pipeline(const Problem& p, const Layer& layer, Padding padding,
                                   const Floats& x_buffer, const Floats& w_buffer,
                                   const Floats& b_buffer, const Floats& y_buffer, int threads) {
  Halide::Target target = Halide::get_jit_target_from_environment();
  target.set_feature(Halide::Target::NoAsserts);
  target.set_feature(Halide::Target::NoBoundsQuery);

  // What is computed.
  const Var c("c"), x("x"), y("y"), n("n");
  Halide::ImageParam in = input(x_buffer, "in"), w = input(w_buffer, "w"), b = input(b_buffer, "b");
  const std::vector<Var> indices = layer.in_memory_order(c, x, y, n);
  const bool is_max = p.kind == Problem::Kind::max_pool;
  const float neutral = is_max ? -std::numeric_limits<float>::infinity() : 0.0f;
  Func image("image"), sum("sum"), result("result");
  if (layer.has_padding()) {
    const Halide::Range rows(0, number(layer.h.input)), columns(0, number(layer.w.input)), all;
    image(indices) = Halide::BoundaryConditions::constant_exterior(
        in, neutral, layer.in_memory_order(all, columns, rows, all))(indices);
  } else {
    image(indices) = in(indices);
  }
  const Halide::RDom taps(0, layer.is_per_channel ? 1 : layer.in, 0, number(layer.w.kernel), 0,
                          number(layer.h.kernel), "taps");
  const auto read = [&](const ir::Window& window, const Var& at, const Halide::RVar& tap) {
    return at * number(window.stride) + tap * number(window.dilation) - number(window.pad_begin);
  };
  const Expr channel = layer.is_per_channel ? Expr(c) : Expr(taps.x);
  const Expr element = image(
      layer.in_memory_order<Expr>(channel, read(layer.w, x, taps.y), read(layer.h, y, taps.z), n));
  sum(indices) = layer.is_conv ? Expr(b(c)) : Expr(neutral);
  if (layer.is_conv)
    sum(indices) += w(c, taps.x, taps.y, taps.z) * element;
  else if (is_max)
    sum(indices) = Halide::max(sum(indices), element);
  else
    sum(indices) += element;
  Expr value = sum(indices);
  if (p.kind == Problem::Kind::average_pool)
    value /= Halide::cast<float>(counted(layer.w, x, p.count_include_pad) *
                                 counted(layer.h, y, p.count_include_pad));
  const std::optional<Expr> ends = fused(p, value);
  result(indices) = ends.value_or(value);

  // In which order.
  const Var& v = layer.is_last ? c : x;                            // in vectors
  const Var& t = layer.is_last ? x : layer.is_per_channel ? y : c; // beside each other
  const auto extent_of = [&](const Var& var) -> int64_t {
    return var.same_as(c) ? layer.out : var.same_as(x) ? layer.w.output : layer.h.output;
  };
  const Tile tile = tile_of(layer, target, extent_of(v), extent_of(t));
  result.bound(c, 0, layer.out)
      .bound(x, 0, number(layer.w.output))
      .bound(y, 0, number(layer.h.output))
      .bound(n, 0, layer.batch);
  for (int i = 0; i < y_buffer.dimensions(); ++i)
    result.output_buffer()
        .dim(i)
        .set_bounds(0, y_buffer.dim(i).extent())
        .set_stride(y_buffer.dim(i).stride());
  const Var vo("vo"), vi("vi"), to("to"), ti("ti");
  const int wide = std::min(tile.lanes * tile.vectors, number(extent_of(v)));
  result.split(v, vo, vi, wide).split(t, to, ti, tile.others);
  const Var& columns = layer.is_last ? to : vo; // the tiles of a row
  if (layer.is_last || !layer.is_per_channel)
    result.reorder(vi, ti, columns, y, n, layer.is_last ? vo : to);
  else
    result.reorder(vi, ti, vo, to, c, n);
  result.vectorize(vi, tile.lanes).unroll(vi).unroll(ti);
  if (threads > 1) result.parallel(layer.is_last || !layer.is_per_channel ? y : c);
  sum.compute_at(result, columns).vectorize(v, tile.lanes).unroll(v).unroll(t);
  Halide::Stage update = sum.update();
  update.reorder({v, t, taps.x, taps.y, taps.z}).vectorize(v, tile.lanes).unroll(v).unroll(t);
  constexpr int64_t most_unrolled = 64;
  if (!layer.is_per_channel) {
    if (layer.in < 8)
      update.unroll(taps.x);
    else if (layer.in % 2 == 0)
      update.unroll(taps.x, 2);
    if (layer.is_last)
      w.in().compute_at(sum, taps.x).vectorize(Halide::_0, tile.lanes).unroll(Halide::_0);
  } else if (layer.w.kernel * layer.h.kernel <= most_unrolled) {
    update.unroll(taps.y).unroll(taps.z);
  }
  if (padding == Padding::copy) {
    image.compute_root();
    if (threads > 1) image.parallel(layer.is_last ? y : c);
    const int width = std::min(target.natural_vector_size<float>(),
                               layer.is_last ? layer.in : number(layer.w.input));
    image.vectorize(layer.is_last ? c : x, width);
  } else if (!layer.is_per_channel && layer.is_last) {
    image.compute_at(sum, taps.x).unroll(c).unroll(x);
  }

  Halide::Callable callable = result.compile_to_callable({in, w, b}, target);
  std::string how = layer.has_padding() ? padding == Padding::copy ? "a copy with a border, then "
                                                                   : "padding as a condition, "
                                        : "";
  how += fmt::format("{} x {} vectors of {}", tile.others, tile.vectors, tile.lanes);
  return std::make_unique<Pipeline>(std::move(callable), x_buffer, w_buffer, b_buffer, y_buffer,
                                    std::move(how));
}

Expected<Ways> ways_of(const Problem& p, const Tensors& tensors, int threads) {
  for (const ir::TensorType* type : {&p.x.type, p.w ? &p.w->type : nullptr, &p.y_type})
    if (type && type->element != ir::ElementType::f32)
      return fail("halide", fmt::format("this peer's pipelines are of f32, not {}",
                                        ir::to_string(type->element)));
  const bool is_first = is_channels_first(p.x.type) && is_channels_first(p.y_type);
  if (!is_first && !(is_channels_last(p.x.type) && is_channels_last(p.y_type)))
    return fail("halide", "this peer has schedules for channels first and for channels last");
  if (p.kind == Problem::Kind::conv_transpose)
    return fail("halide", "this peer has no schedule for transposed convolutions");
  if (p.padding_mode != ir::PadMode::zeros) return fail("halide", "this peer pads with zeros");
  if (p.windows.size() > 2) return fail("halide", "this peer has one or two spatial axes");
  if (p.is_conv() && p.groups > 1 && (p.inputs_per_group > 1 || p.outputs_per_group > 1))
    return fail("halide", "this peer has no schedule for groups of several channels");
  if (p.divisor) return fail("halide", "this peer's average pooling divides by the taps");
  if (p.x.constant) return fail("halide", "the image is a constant");
  const Expected<float*> x = floats_of(tensors, p.x.name, p.x.type),
                         y = floats_of(tensors, p.y, p.y_type);
  if (!x) return x.failure();
  if (!y) return y.failure();

  const Layer layer(p);
  Floats w(1, 1, 1, 1), b(layer.out); // of a pool: not read
  w.fill(0.0f), b.fill(0.0f);
  std::vector<std::vector<float>> constants;
  if (p.is_conv()) {
    const Expected<const float*> weight = floats_of(*p.w, tensors, constants);
    if (!weight) return weight.failure();
    const std::vector<std::byte> ordered =
        in_order(p.w->type, reinterpret_cast<const std::byte*>(*weight),
                 {ir::Axis::h, ir::Axis::w, ir::Axis::i, ir::Axis::o});
    w = Floats(layer.out, number(p.inputs_per_group), number(layer.w.kernel),
               number(layer.h.kernel));
    std::copy(ordered.begin(), ordered.end(), reinterpret_cast<std::byte*>(w.data()));
  }
  if (p.b) {
    const Expected<const float*> bias = floats_of(*p.b, tensors, constants);
    if (!bias) return bias.failure();
    std::copy(*bias, *bias + layer.out, b.data());
  }
  Expected<ElementSteps> steps = ElementSteps::prepare(p, *y, tensors);
  if (!steps) return steps.failure();
  const bool is_fused = fused(p, Expr(0.0f)).has_value();

  Halide::Internal::JITSharedRuntime::set_num_threads(threads);
  const Floats x_buffer = layer.image(*x, layer.in, layer.h.input, layer.w.input),
               y_buffer = layer.image(*y, layer.out, layer.h.output, layer.w.output);
  Ways ways;
  for (const Padding padding : {Padding::condition, Padding::copy}) {
    if (padding == Padding::copy && !layer.has_padding()) continue;
    auto way = pipeline(p, layer, padding, x_buffer, w, b, y_buffer, threads);
    if (!is_fused) way->steps = *steps;
    ways.push_back(std::move(way));
  }
  return ways;
}

} // namespace
} // namespace volute::bench

extern "C" const volute::bench::Peer* volute_peer() {
  using namespace volute::bench;
  static const LayerPeer<Halide::Error> peer("halide",
                                             fmt::format("Halide {}.{}.{}", HALIDE_VERSION_MAJOR,
                                                         HALIDE_VERSION_MINOR,
                                                         HALIDE_VERSION_PATCH),
                                             ways_of);
  return &peer;
}
