// im2col and a matrix product by OpenBLAS: what a framework without convolutions of its own does.
//
// Channels first, a group's image is one product of the filters, a row an output channel, by the
// matrix whose columns are pixels; channels last, of the matrix whose rows are pixels by the
// filters. A 1x1 convolution of every pixel needs no such matrix. Bias and activation are a pass of
// plain loops over the result, which is still in the caches when it is small.
#include "bench/peers/element_steps.h"
#include "bench/peers/layer_peer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cblas.h>
#include <cstring>

namespace volute::bench {
namespace {

using ir::Axis;

constexpr int64_t most_columns = int64_t{1} << 29; // floats of the matrix

class Im2Col : public PreparedPeer {
public:
  void run() override {
    for (int64_t n = 0; n < batch; ++n)
      for (int64_t g = 0; g < groups; ++g) {
        const float* image = x + n * x_image + g * x_group;
        const float* matrix = image;
        if (!columns.empty()) {
          channels_last ? gather_rows(image) : gather_columns(image);
          matrix = columns.data();
        }
        const auto pixels = static_cast<int>(out_h * out_w), out = static_cast<int>(outputs);
        const auto sum = static_cast<int>(inputs * kernel_h * kernel_w);
        const int matrix_row = columns.empty() ? static_cast<int>(x_pixel) : sum;
        float* to = y + n * y_image + g * y_group;
        const float* filters = weight.data() + g * outputs * sum;
        if (channels_last)
          cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, pixels, out, sum, 1, matrix,
                      matrix_row, filters, out, 0, to, static_cast<int>(y_pixel));
        else
          cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, out, pixels, sum, 1, filters, sum,
                      matrix, pixels, 0, to, pixels);
      }
    if (!bias.empty()) add_bias();
    steps.run();
  }

  std::string how() const override {
    return columns.empty() ? "sgemm on the image as it is" : "im2col, then sgemm";
  }

  // ((i * kernel_h + kh) * kernel_w + kw, pixel)
  void gather_columns(const float* image) {
    float* to = columns.data();
    for (int64_t i = 0; i < inputs; ++i)
      for (int64_t kh = 0; kh < kernel_h; ++kh)
        for (int64_t kw = 0; kw < kernel_w; ++kw)
          for (int64_t oh = 0; oh < out_h; ++oh, to += out_w) {
            const int64_t at = oh * h.stride + kh * h.dilation - h.pad_begin;
            if (at < 0 || at >= h.input) {
              std::fill(to, to + out_w, 0.0f);
              continue;
            }
            const float* row = image + i * x_channel + at * w.input;
            const int64_t shift = kw * w.dilation - w.pad_begin;
            const auto [low, high] = inside(shift);
            std::fill(to, to + low, 0.0f);
            if (w.stride == 1)
              std::memcpy(to + low, row + low + shift,
                          static_cast<size_t>(high - low) * sizeof(float));
            else
              for (int64_t ow = low; ow < high; ++ow) to[ow] = row[ow * w.stride + shift];
            std::fill(to + high, to + out_w, 0.0f);
          }
  }

  // (pixel, (kh * kernel_w + kw) * inputs + i)
  void gather_rows(const float* image) {
    float* to = columns.data();
    const auto bytes = static_cast<size_t>(inputs) * sizeof(float);
    for (int64_t oh = 0; oh < out_h; ++oh)
      for (int64_t ow = 0; ow < out_w; ++ow)
        for (int64_t kh = 0; kh < kernel_h; ++kh)
          for (int64_t kw = 0; kw < kernel_w; ++kw, to += inputs) {
            const int64_t row = oh * h.stride + kh * h.dilation - h.pad_begin;
            const int64_t column = ow * w.stride + kw * w.dilation - w.pad_begin;
            if (row < 0 || row >= h.input || column < 0 || column >= w.input)
              std::fill(to, to + inputs, 0.0f);
            else
              std::memcpy(to, image + (row * w.input + column) * x_pixel, bytes);
          }
  }

  /// The outputs along a row whose tap, `shift` to the right of the stride's place, is in the
  /// image.
  std::pair<int64_t, int64_t> inside(int64_t shift) const {
    const int64_t low = shift < 0 ? (-shift + w.stride - 1) / w.stride : 0;
    const int64_t last = w.input - 1 - shift;
    const int64_t high = last < 0 ? 0 : std::min(out_w, last / w.stride + 1);
    return {std::min(low, std::max(low, high)), std::max(std::min(low, out_w), high)};
  }

  void add_bias() {
    const int64_t pixels = out_h * out_w, all = groups * outputs;
    for (int64_t n = 0; n < batch; ++n) {
      float* to = y + n * y_image;
      if (channels_last) {
        for (int64_t p = 0; p < pixels; ++p)
          for (int64_t c = 0; c < all; ++c) to[p * all + c] += bias[static_cast<size_t>(c)];
      } else {
        for (int64_t c = 0; c < all; ++c)
          for (int64_t p = 0; p < pixels; ++p) to[c * pixels + p] += bias[static_cast<size_t>(c)];
      }
    }
  }

  int64_t batch = 1, groups = 1, inputs = 1, outputs = 1, kernel_h = 1, kernel_w = 1;
  int64_t out_h = 1, out_w = 1;
  ir::Window h, w;
  bool channels_last = false;
  const float* x = nullptr;
  float* y = nullptr;
  int64_t x_image = 0, x_group = 0, x_channel = 0, x_pixel = 0, y_image = 0, y_group = 0,
          y_pixel = 0;
  std::vector<float> weight, bias, columns;
  ElementSteps steps;
  std::vector<std::vector<float>> constants;
};

Expected<Ways> ways_of(const Problem& p, const Tensors& tensors, int threads) {
  if (p.kind != Problem::Kind::conv) return fail("im2col", "it is for convolutions");
  if (p.padding_mode != ir::PadMode::zeros) return fail("im2col", "it pads with zeros");
  if (p.windows.size() > 2) return fail("im2col", "it is written for one or two spatial axes");
  for (const ir::TensorType* type : {&p.x.type, &p.w->type, &p.y_type})
    if (type->element != ir::ElementType::f32)
      return fail("im2col",
                  fmt::format("OpenBLAS multiplies f32, not {}", ir::to_string(type->element)));
  const bool is_first = is_channels_first(p.x.type) && is_channels_first(p.y_type);
  if (!is_first && !(is_channels_last(p.x.type) && is_channels_last(p.y_type)))
    return fail("im2col", "it takes channels first or channels last");

  auto ready = std::make_unique<Im2Col>();
  Im2Col& c = *ready;
  const Expected<const float*> x = floats_of(p.x, tensors, c.constants);
  const Expected<const float*> weight = floats_of(*p.w, tensors, c.constants);
  const Expected<float*> y = floats_of(tensors, p.y, p.y_type);
  if (!x) return x.failure();
  if (!weight) return weight.failure();
  if (!y) return y.failure();
  c.batch = p.batch, c.groups = p.groups;
  c.inputs = p.inputs_per_group, c.outputs = p.outputs_per_group;
  if (p.windows.size() == 2) c.h = p.windows[0];
  c.w = p.windows.back();
  c.kernel_h = c.h.kernel, c.kernel_w = c.w.kernel;
  c.out_h = c.h.output, c.out_w = c.w.output;
  c.channels_last = !is_first;
  c.x = *x, c.y = *y;
  const int64_t in_pixels = c.h.input * c.w.input, out_pixels = c.out_h * c.out_w;
  const int64_t in_channels = c.groups * c.inputs, out_channels = c.groups * c.outputs;
  c.x_image = in_channels * in_pixels, c.y_image = out_channels * out_pixels;
  c.x_channel = in_pixels, c.x_pixel = in_channels, c.y_pixel = out_channels;
  c.x_group = c.inputs * (c.channels_last ? 1 : in_pixels);
  c.y_group = c.outputs * (c.channels_last ? 1 : out_pixels);

  const auto is_point = [](const ir::Window& window) {
    return window.kernel == 1 && window.stride == 1 && window.input == window.output &&
           window.pad_begin == 0;
  };
  if (!is_point(c.h) || !is_point(c.w)) {
    const int64_t elements = c.inputs * c.kernel_h * c.kernel_w * out_pixels;
    if (elements > most_columns) return fail("im2col", "its matrix would take more than 2 GiB");
    c.columns.resize(static_cast<size_t>(elements));
  }

  // [g][o][i][kh][kw], or [g][kh][kw][i][o].
  const ir::TensorType& type = p.w->type;
  c.weight.reserve(static_cast<size_t>(type.elements()));
  const auto take = [&](int64_t o, int64_t i, int64_t kh, int64_t kw) {
    c.weight.push_back((*weight)[o * stride_of(type, Axis::o) + i * stride_of(type, Axis::i) +
                                 kh * stride_of(type, Axis::h) + kw * stride_of(type, Axis::w)]);
  };
  for (int64_t g = 0; g < c.groups; ++g) {
    const int64_t first = g * c.outputs;
    if (c.channels_last) {
      for (int64_t kh = 0; kh < c.kernel_h; ++kh)
        for (int64_t kw = 0; kw < c.kernel_w; ++kw)
          for (int64_t i = 0; i < c.inputs; ++i)
            for (int64_t o = 0; o < c.outputs; ++o) take(first + o, i, kh, kw);
    } else {
      for (int64_t o = 0; o < c.outputs; ++o)
        for (int64_t i = 0; i < c.inputs; ++i)
          for (int64_t kh = 0; kh < c.kernel_h; ++kh)
            for (int64_t kw = 0; kw < c.kernel_w; ++kw) take(first + o, i, kh, kw);
    }
  }
  if (p.b) {
    const Expected<const float*> bias = floats_of(*p.b, tensors, c.constants);
    if (!bias) return bias.failure();
    c.bias.assign(*bias, *bias + out_channels);
  }
  Expected<ElementSteps> steps = ElementSteps::prepare(p, c.y, tensors);
  if (!steps) return steps.failure();
  c.steps = std::move(*steps);
  openblas_set_num_threads(threads);
  Ways ways;
  ways.push_back(std::move(ready));
  return ways;
}

} // namespace
} // namespace volute::bench

extern "C" const volute::bench::Peer* volute_peer() {
  using namespace volute::bench;
  const std::string config = openblas_get_config(); // "OpenBLAS 0.3.21 DYNAMIC_ARCH ..."
  static const LayerPeer<> peer("im2col", config.substr(0, config.find(' ', config.find(' ') + 1)),
                                ways_of);
  return &peer;
}
