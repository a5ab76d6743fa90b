// OpenCV: the convolutions and poolings of its DNN module, channels first, by Winograd where its
// version has that, and channels last between two of its Permute layers, as its importers write it;
// and filter2D for filters over one-channel pictures. The faster way counts.
#include "bench/peers/element_steps.h"
#include "bench/peers/layer_peer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <opencv2/core.hpp>
#include <opencv2/core/version.hpp>
#include <opencv2/dnn.hpp>
#include <opencv2/imgproc.hpp>
#include <optional>

namespace volute::bench {
namespace {

using ir::Axis;

std::vector<int> shape_of(const ir::TensorType& type, bool is_last) {
  const std::vector<int64_t> sizes =
      sizes_of(type, is_last ? channels_last_axes(type) : channels_first_axes(type));
  return {sizes.begin(), sizes.end()};
}

/// A layer that brings channels from behind space to before it, or back.
void add_permute(cv::dnn::Net& net, const char* name, size_t spatial_axes, bool is_to_first) {
  std::vector<int> order = {0};
  for (size_t i = 0; i < spatial_axes; ++i)
    order.push_back(static_cast<int>(i) + (is_to_first ? 1 : 2));
  order.insert(is_to_first ? order.begin() + 1 : order.end(),
               is_to_first ? static_cast<int>(spatial_axes) + 1 : 1);
  cv::dnn::LayerParams layer;
  layer.set("order", cv::dnn::DictValue::arrayInt(order.data(), static_cast<int>(order.size())));
  net.addLayerToPrev(name, "Permute", layer);
}

cv::Mat matrix(const std::vector<int>& shape, const float* memory) {
  return cv::Mat(shape, CV_32F, const_cast<float*>(memory)); // it is only read
}

/// A copy of the weights, outputs by inputs by space.
cv::Mat weight_of(const Problem& p, const float* from) {
  const ir::TensorType& type = p.w->type;
  std::vector<Axis> order = {Axis::o, Axis::i};
  for (const Axis axis : type.spatial_axes()) order.push_back(axis);
  const std::vector<int64_t> sizes = sizes_of(type, order);
  const auto ordered = in_order(type, reinterpret_cast<const std::byte*>(from), order);
  return matrix({sizes.begin(), sizes.end()}, reinterpret_cast<const float*>(ordered.data()))
      .clone();
}

/// A network of one layer, which keeps its result.
class Network : public PreparedPeer {
public:
  void run() override {
    net.setInput(x);
    result = net.forward();
    if (!has_steps) return;
    std::memcpy(y, result.data, result.total() * sizeof(float));
    steps.run();
  }
  void deliver() override {
    if (!has_steps) std::memcpy(y, result.data, result.total() * sizeof(float));
  }
  std::string how() const override { return is_permuted ? "dnn between two Permutes" : "dnn"; }

  cv::dnn::Net net;
  cv::Mat x, result;
  float* y = nullptr;
  bool has_steps = false, is_permuted = false;
  ElementSteps steps; // that it does not fuse
  std::vector<std::vector<float>> constants;
};

class Filter : public PreparedPeer {
public:
  void run() override {
    cv::filter2D(x, y, CV_32F, kernel, cv::Point(-1, -1), 0, cv::BORDER_CONSTANT);
  }
  std::string how() const override { return "filter2D"; }

  cv::Mat x, y, kernel;
  std::vector<std::vector<float>> constants;
};

/// The one step that its network fuses into a convolution.
bool is_lone_relu(const Problem& p) {
  const auto* unary = p.steps.size() == 1 ? std::get_if<ir::Unary>(&p.steps[0].operation) : nullptr;
  return p.kind == Problem::Kind::conv && unary && unary->kind == ir::UnaryKind::relu;
}

cv::dnn::DictValue numbers(const Problem& p, int64_t ir::Window::*which) {
  std::vector<int> all;
  for (const ir::Window& w : p.windows) all.push_back(static_cast<int>(w.*which));
  return cv::dnn::DictValue::arrayInt(all.data(), static_cast<int>(all.size()));
}

Expected<std::unique_ptr<PreparedPeer>> network(const Problem& p, const float* x, float* y,
                                                const Tensors& tensors) {
  auto ready = std::make_unique<Network>();
  ready->is_permuted = !is_channels_first(p.x.type) || !is_channels_first(p.y_type);
  if (ready->is_permuted) add_permute(ready->net, "to_first", p.windows.size(), true);
  cv::dnn::LayerParams layer;
  layer.set("kernel_size", numbers(p, &ir::Window::kernel));
  layer.set("stride", numbers(p, &ir::Window::stride));
  std::vector<int> pads;
  for (const ir::Window& w : p.windows) pads.push_back(static_cast<int>(w.pad_begin));
  bool is_ceil = false;
  for (const ir::Window& w : p.windows) {
    pads.push_back(static_cast<int>(w.pad_end));
    is_ceil = is_ceil || (w.output - 1) * w.stride + w.span() > w.input + w.pad_begin + w.pad_end;
  }
  layer.set("pad", cv::dnn::DictValue::arrayInt(pads.data(), static_cast<int>(pads.size())));
  if (p.kind == Problem::Kind::conv) {
    const Expected<const float*> w = floats_of(*p.w, tensors, ready->constants);
    if (!w) return w.failure();
    layer.set("dilation", numbers(p, &ir::Window::dilation));
    layer.set("num_output", static_cast<int>(p.output_channels()));
    layer.set("group", static_cast<int>(p.groups));
    layer.set("bias_term", p.b.has_value());
    layer.blobs.push_back(weight_of(p, *w));
    if (p.b) {
      const Expected<const float*> b = floats_of(*p.b, tensors, ready->constants);
      if (!b) return b.failure();
      layer.blobs.push_back(matrix({static_cast<int>(p.output_channels())}, *b).clone());
    }
    ready->net.addLayerToPrev("conv", "Convolution", layer);
    cv::dnn::LayerParams relu;
    if (is_lone_relu(p)) ready->net.addLayerToPrev("relu", "ReLU", relu);
  } else {
    layer.set("pool", p.kind == Problem::Kind::max_pool ? "max" : "ave");
    layer.set("ceil_mode", is_ceil);
    layer.set("ave_pool_padded_area", p.count_include_pad);
    ready->net.addLayerToPrev("pool", "Pooling", layer);
  }
  if (ready->is_permuted) add_permute(ready->net, "to_last", p.windows.size(), false);
  ready->net.setPreferableBackend(cv::dnn::DNN_BACKEND_OPENCV);
  ready->net.setPreferableTarget(cv::dnn::DNN_TARGET_CPU);
  ready->x = matrix(shape_of(p.x.type, ready->is_permuted), x);
  ready->y = y;
  // The first call chooses and packs; and a result of another size would be written past the end.
  ready->net.setInput(ready->x);
  const cv::Mat first = ready->net.forward();
  if (static_cast<int64_t>(first.total()) != p.y_type.elements() || first.type() != CV_32F)
    return fail("opencv", "its result has another size");
  if (!is_lone_relu(p)) {
    Expected<ElementSteps> steps = ElementSteps::prepare(p, y, tensors);
    if (!steps) return steps.failure();
    ready->steps = std::move(*steps);
    ready->has_steps = !p.steps.empty();
  }
  return std::unique_ptr<PreparedPeer>(std::move(ready));
}

/// A picture of one channel under a filter of one, the size kept, nothing after it.
Expected<std::unique_ptr<PreparedPeer>> filter(const Problem& p, const float* x, float* y,
                                               const Tensors& tensors) {
  auto ready = std::make_unique<Filter>();
  const Expected<const float*> w = floats_of(*p.w, tensors, ready->constants);
  if (!w) return w.failure();
  const ir::Window &rows = p.windows[0], &columns = p.windows[1];
  const auto image = [&](const float* memory) {
    return cv::Mat(static_cast<int>(rows.input), static_cast<int>(columns.input), CV_32F,
                   const_cast<float*>(memory));
  };
  ready->x = image(x);
  ready->y = image(y);
  ready->kernel = weight_of(p, *w).reshape(1, {static_cast<int>(rows.kernel), // of the one channel
                                               static_cast<int>(columns.kernel)});
  return std::unique_ptr<PreparedPeer>(std::move(ready));
}

bool is_picture_filter(const Problem& p) {
  return p.kind == Problem::Kind::conv && p.batch == 1 && p.groups == 1 &&
         p.inputs_per_group == 1 && p.outputs_per_group == 1 && !p.b && p.steps.empty() &&
         p.windows.size() == 2 &&
         std::all_of(p.windows.begin(), p.windows.end(), [](const ir::Window& w) {
           return w.stride == 1 && w.dilation == 1 && 2 * w.pad_begin + 1 == w.kernel &&
                  w.input == w.output;
         });
}

Expected<Ways> ways_of(const Problem& p, const Tensors& tensors, int threads) {
  for (const ir::TensorType* type : {&p.x.type, p.w ? &p.w->type : nullptr, &p.y_type})
    if (type && type->element != ir::ElementType::f32)
      return fail("opencv",
                  fmt::format("this peer asks it for f32, not {}", ir::to_string(type->element)));
  if (p.padding_mode != ir::PadMode::zeros) return fail("opencv", "it pads with zeros");
  if (p.kind == Problem::Kind::conv_transpose)
    return fail("opencv", "this peer has no words for it");
  if (p.windows.size() == 1) return fail("opencv", "it wants two or three spatial axes");
  if (p.divisor) return fail("opencv", "its average pooling divides by the taps");
  const bool is_first = is_channels_first(p.x.type) && is_channels_first(p.y_type);
  if (!is_first && !(is_channels_last(p.x.type) && is_channels_last(p.y_type)))
    return fail("opencv", "this peer asks it for channels first, or last");
  if (p.kind != Problem::Kind::conv)
    for (const ir::Window& w : p.windows)
      if (w.dilation != 1) return fail("opencv", "its pooling has no dilation");
  std::vector<std::vector<float>> constants;
  if (p.x.constant) return fail("opencv", "the image is a constant");
  const Expected<const float*> x = floats_of(p.x, tensors, constants);
  const Expected<float*> y = floats_of(tensors, p.y, p.y_type);
  if (!x) return x.failure();
  if (!y) return y.failure();
  cv::setNumThreads(threads);
  Ways ways;
  Expected<std::unique_ptr<PreparedPeer>> dnn = network(p, *x, *y, tensors);
  if (dnn) ways.push_back(std::move(*dnn));
  if (is_picture_filter(p)) {
    Expected<std::unique_ptr<PreparedPeer>> filtered = filter(p, *x, *y, tensors);
    if (filtered) ways.push_back(std::move(*filtered));
  }
  if (ways.empty()) return dnn.failure();
  return ways;
}

} // namespace
} // namespace volute::bench

extern "C" const volute::bench::Peer* volute_peer() {
  using namespace volute::bench;
  static const LayerPeer<cv::Exception> peer("opencv", "OpenCV " CV_VERSION, ways_of,
                                             [](const cv::Exception& error) { return error.err; });
  return &peer;
}
