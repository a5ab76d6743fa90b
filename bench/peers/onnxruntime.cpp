// ONNX Runtime's CPU provider: convolution, transposed convolution and pooling of f32, convolution
// of u8 by i8, as a model of that operator and what follows it.
//
// Models are channels first; channels last, the operator stands between two Transposes, as
// exporters write it. There are two ways: with all of its optimisations, which compute in blocks of
// channels where it has kernels for that and reorder before and after, and with those that leave
// the layout as it is, a matrix product of what im2col gathers. The faster counts.
#include "bench/peers/layer_peer.h"
#include "bench/peers/layouts.h"
#include "bench/peers/onnx_model.h"

#include <fmt/format.h>

#include <fcntl.h>
#include <onnxruntime_cxx_api.h>
#include <optional>
#include <unistd.h>

namespace volute::bench {
namespace {

using ir::Axis;
using onnx::Element;
using onnx::Node;

/// Standard error goes nowhere while this lives.
class Silence {
public:
  Silence() : kept_(dup(STDERR_FILENO)) {
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (nowhere < 0) return;
    dup2(nowhere, STDERR_FILENO);
    close(nowhere);
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  ~Silence() {
    if (kept_ < 0) return;
    dup2(kept_, STDERR_FILENO);
    close(kept_);
  }

private:
  int kept_;
};

Ort::Env& environment() {
  static auto& one = *new Ort::Env(ORT_LOGGING_LEVEL_FATAL, "volute"); // refusals are exceptions
  return one;
}

Expected<Element> element_of(const ir::TensorType& type) {
  switch (type.element) {
  case ir::ElementType::f32: return Element::f32;
  case ir::ElementType::u8: return Element::u8;
  case ir::ElementType::i8: return Element::i8;
  case ir::ElementType::i32: return Element::i32;
  default:
    return fail("onnxruntime", fmt::format("this peer asks it for f32 and bytes, not {}",
                                           ir::to_string(type.element)));
  }
}

/// A tensor of the caller's that the model reads or writes.
struct Port {
  std::string name;
  ir::TensorType type;
  Element element;
  std::byte* memory;
  std::vector<int64_t> shape; // as it lies
};

Expected<Port> port_of(const std::string& name, const ir::TensorType& type,
                       const Tensors& tensors) {
  const Expected<Element> element = element_of(type);
  if (!element) return element.failure();
  const Expected<std::byte*> memory = memory_of(tensors, name, type);
  if (!memory) return memory.failure();
  const bool is_first = is_channels_first(type);
  if (!is_first && !is_channels_last(type))
    return fail("onnxruntime", "this peer asks it for channels first, or last");
  return Port{name, type, *element, *memory,
              sizes_of(type, is_first ? channels_first_axes(type) : channels_last_axes(type))};
}

/// A tensor that is constant from here on, whoever owns it.
Expected<const std::byte*> constant_bytes(const Operand& operand, const Tensors& tensors) {
  if (operand.constant) return static_cast<const std::byte*>(operand.constant->data());
  const Expected<std::byte*> memory = memory_of(tensors, operand.name, operand.type);
  if (!memory) return memory.failure();
  return static_cast<const std::byte*>(*memory);
}

std::string_view view(const void* bytes, size_t count) {
  return {static_cast<const char*>(bytes), count};
}

/// The program as a model under construction: each function appends to what is computed so far.
class Builder {
public:
  Builder(const Problem& problem, const Tensors& tensors) : p_(problem), tensors_(tensors) {}

  std::optional<Failure> build() {
    if (p_.x.constant) return fail("onnxruntime", "the image is a constant");
    const Expected<Port> x = input(p_.x);
    if (!x) return x.failure();
    value_ = first(*x);
    auto fault = !p_.is_conv()                ? pool()
                 : x->element == Element::f32 ? conv()
                 : p_.steps.empty()           ? integer_conv()
                                              : quantized_conv();
    if (fault) return fault;
    for (const Step& step : p_.steps) {
      if (is_quantized_) break; // its one step is part of the convolution
      if (auto refused = add(step)) return refused;
    }
    const Expected<Port> y = port_of(p_.y, p_.y_type, tensors_);
    if (!y) return y.failure();
    if (!is_channels_first(p_.y_type)) value_ = transposed(value_, false);
    result = *y;
    result.name = value_;
    model.output(result.name, result.element, result.shape);
    return std::nullopt;
  }

  onnx::Model model;
  std::vector<Port> inputs;
  Port result;

private:
  std::string fresh() { return fmt::format("v{}", ++count_); }

  /// Appends an operator, whose result the next one takes.
  std::string then(std::string_view op, const std::vector<std::string>& operands,
                   std::string_view domain = "") {
    const std::string to = fresh();
    model.node(Node(op, operands, to, domain));
    return to;
  }

  std::string constant(Element element, const onnx::Shape& shape, std::string_view bytes) {
    const std::string name = fresh();
    model.constant(name, element, shape, bytes);
    return name;
  }
  std::string scalar(float value) {
    return constant(Element::f32, {}, view(&value, sizeof(value)));
  }

  Expected<Port> input(const Operand& operand) {
    Expected<Port> port = port_of(operand.name, operand.type, tensors_);
    if (!port) return port;
    model.input(port->name, port->element, port->shape);
    inputs.push_back(*port);
    return port;
  }

  std::string transposed(const std::string& from, bool is_to_first) {
    const auto rank = static_cast<int64_t>(p_.windows.size()) + 2;
    std::vector<int64_t> order = {0};
    if (is_to_first) order.push_back(rank - 1);
    for (int64_t i = 1; i < rank - 1; ++i) order.push_back(is_to_first ? i : i + 1);
    if (!is_to_first) order.push_back(1);
    const std::string to = fresh();
    model.node(Node("Transpose", {from}, to).attribute("perm", order));
    return to;
  }

  /// The port's value, channels first.
  std::string first(const Port& port) {
    return is_channels_first(port.type) ? port.name : transposed(port.name, true);
  }

  std::vector<int64_t> numbers(int64_t ir::Window::*which) const {
    std::vector<int64_t> all;
    for (const ir::Window& w : p_.windows) all.push_back(w.*which);
    return all;
  }

  void add_window(Node& node) const {
    std::vector<int64_t> pads = numbers(&ir::Window::pad_begin);
    for (const ir::Window& w : p_.windows) pads.push_back(w.pad_end);
    node.attribute("kernel_shape", numbers(&ir::Window::kernel))
        .attribute("strides", numbers(&ir::Window::stride))
        .attribute("pads", pads);
  }

  void add_conv(Node& node) const {
    add_window(node);
    node.attribute("dilations", numbers(&ir::Window::dilation)).attribute("group", p_.groups);
  }

  /// The axes of weights in the order of the standard.
  std::vector<Axis> weight_order() const {
    std::vector<Axis> order = {Axis::o, Axis::i};
    if (p_.kind == Problem::Kind::conv_transpose) order = {Axis::i, Axis::o};
    for (const Axis axis : p_.w->type.spatial_axes()) order.push_back(axis);
    return order;
  }

  Expected<std::vector<std::byte>> weight_bytes() const {
    const Expected<const std::byte*> bytes = constant_bytes(*p_.w, tensors_);
    if (!bytes) return bytes.failure();
    return in_order(p_.w->type, *bytes, weight_order());
  }

  std::string weight_constant(Element element, const std::vector<std::byte>& bytes) {
    return constant(element, sizes_of(p_.w->type, weight_order()),
                    view(bytes.data(), bytes.size()));
  }

  Expected<std::string> weight() {
    const Expected<Element> element = element_of(p_.w->type);
    if (!element) return element.failure();
    const Expected<std::vector<std::byte>> bytes = weight_bytes();
    if (!bytes) return bytes.failure();
    return weight_constant(*element, *bytes);
  }

  Expected<std::string> channel_values(const Operand& operand, const onnx::Shape& shape) {
    const Expected<Element> element = element_of(operand.type);
    if (!element) return element.failure();
    const Expected<const std::byte*> bytes = constant_bytes(operand, tensors_);
    if (!bytes) return bytes.failure();
    return constant(*element, shape, view(*bytes, static_cast<size_t>(operand.type.bytes())));
  }

  std::optional<Failure> conv() {
    const bool is_transposed = p_.kind == Problem::Kind::conv_transpose;
    std::vector<std::string> operands = {value_};
    const Expected<std::string> w = weight();
    if (!w) return w.failure();
    operands.push_back(*w);
    if (p_.b) {
      const Expected<std::string> b = channel_values(*p_.b, {p_.output_channels()});
      if (!b) return b.failure();
      operands.push_back(*b);
    }
    value_ = fresh();
    Node node(is_transposed ? "ConvTranspose" : "Conv", operands, value_);
    add_conv(node);
    if (is_transposed) {
      std::vector<int64_t> more;
      for (const ir::Window& w : p_.windows)
        more.push_back(w.output - ((w.input - 1) * w.stride + w.span() - w.pad_begin - w.pad_end));
      node.attribute("output_padding", more);
    }
    model.node(node);
    return std::nullopt;
  }

  std::string zero_point(Element element, uint8_t value = 0) {
    return constant(element, {}, view(&value, 1));
  }

  /// Sums of i32. Its operator takes weights of u8 only: those of i8 are given 128 larger, which it
  /// takes off again.
  std::optional<Failure> integer_conv() {
    if (p_.b) return fail("onnxruntime", "its sums of integers begin at zero");
    if (p_.x.type.element != ir::ElementType::u8)
      return fail("onnxruntime", "it sums up products of u8");
    Expected<std::vector<std::byte>> bytes = weight_bytes();
    if (!bytes) return bytes.failure();
    const bool is_signed = p_.w->type.element == ir::ElementType::i8;
    if (is_signed)
      for (std::byte& byte : *bytes) byte ^= std::byte{128};
    const std::string w = weight_constant(Element::u8, *bytes), x = value_;
    const std::string x_zero = zero_point(Element::u8),
                      w_zero = zero_point(Element::u8, is_signed ? 128 : 0);
    value_ = fresh();
    Node node("ConvInteger", {x, w, x_zero, w_zero}, value_);
    add_conv(node);
    model.node(node);
    return std::nullopt;
  }

  /// With its one step, which requantizes the sums.
  std::optional<Failure> quantized_conv() {
    const auto* quantize =
        p_.steps.size() == 1 ? std::get_if<ir::Quantize>(&p_.steps[0].operation) : nullptr;
    if (!quantize || quantize->kind != ir::QuantKind::requantize || quantize->scale.size() != 1 ||
        quantize->zero_point != std::vector<int64_t>{0})
      return fail("onnxruntime", "this peer has it requantize by one scale to a zero point of 0");
    is_quantized_ = true;
    const Expected<Element> x_element = element_of(p_.x.type), w_element = element_of(p_.w->type),
                            y_element = element_of(p_.y_type);
    if (!y_element) return y_element.failure();
    const Expected<std::string> w = weight();
    if (!w) return w.failure();
    // The product of the first two scales over the third is the program's.
    std::vector<std::string> operands = {value_,
                                         scalar(static_cast<float>(quantize->scale[0])),
                                         zero_point(*x_element),
                                         *w,
                                         scalar(1),
                                         zero_point(*w_element),
                                         scalar(1),
                                         zero_point(*y_element)};
    if (p_.b) {
      const Expected<std::string> b = channel_values(*p_.b, {p_.output_channels()});
      if (!b) return b.failure();
      operands.push_back(*b);
    }
    value_ = fresh();
    Node node("QLinearConv", operands, value_);
    add_conv(node);
    model.node(node);
    return std::nullopt;
  }

  std::optional<Failure> pool() {
    if (p_.divisor) return fail("onnxruntime", "its average pooling divides by the taps");
    const bool is_max = p_.kind == Problem::Kind::max_pool;
    bool is_global = true, is_ceil = false, is_dilated = false;
    for (const ir::Window& w : p_.windows) {
      is_global = is_global && w.kernel == w.input && w.output == 1 && w.pad_begin == 0;
      is_ceil = is_ceil || (w.output - 1) * w.stride + w.span() > w.input + w.pad_begin + w.pad_end;
      is_dilated = is_dilated || w.dilation != 1;
    }
    const std::string x = value_;
    value_ = fresh();
    Node node(is_global ? (is_max ? "GlobalMaxPool" : "GlobalAveragePool")
                        : (is_max ? "MaxPool" : "AveragePool"),
              {x}, value_);
    if (!is_global) {
      add_window(node);
      node.attribute("ceil_mode", int64_t{is_ceil});
      if (!is_max) node.attribute("count_include_pad", int64_t{p_.count_include_pad});
      if (is_max) node.attribute("dilations", numbers(&ir::Window::dilation));
      if (!is_max && is_dilated) return fail("onnxruntime", "its average pooling has no dilation");
    }
    model.node(node);
    return std::nullopt;
  }

  std::optional<Failure> add(const Step& step) {
    if (const auto* unary = std::get_if<ir::Unary>(&step.operation)) {
      add(*unary);
      return std::nullopt;
    }
    const auto* binary = std::get_if<ir::Binary>(&step.operation);
    if (!binary) return fail("onnxruntime", "this peer has bytes requantized after convolutions");
    std::string other;
    if (step.other->type.has(Axis::n)) {
      if (step.other->constant) return fail("onnxruntime", "an operand of a step is a constant");
      const Expected<Port> port = input(*step.other);
      if (!port) return port.failure();
      other = first(*port);
    } else {
      onnx::Shape shape(p_.windows.size() + 1, 1); // one a channel
      shape[0] = step.other->type.elements();
      const Expected<std::string> name = channel_values(*step.other, shape);
      if (!name) return name.failure();
      other = *name;
    }
    const auto word = [&] {
      switch (binary->kind) {
      case ir::BinaryKind::add: return "Add";
      case ir::BinaryKind::sub: return "Sub";
      case ir::BinaryKind::mul: return "Mul";
      case ir::BinaryKind::max: return "Max";
      case ir::BinaryKind::min: return "Min";
      }
      return "";
    }();
    value_ = step.other_is_first ? then(word, {other, value_}) : then(word, {value_, other});
    return std::nullopt;
  }

  void add(const ir::Unary& unary) {
    const auto plain = [&](std::string_view op, std::string_view domain = "") {
      value_ = then(op, {value_}, domain);
    };
    const auto with = [&](std::string_view op, float alpha, std::optional<float> beta = {}) {
      const std::string from = value_;
      value_ = fresh();
      Node node(op, {from}, value_);
      node.attribute("alpha", alpha);
      if (beta) node.attribute("beta", *beta);
      model.node(node);
    };
    const auto clip = [&](std::optional<double> low, std::optional<double> high) {
      std::vector<std::string> operands = {value_};
      operands.push_back(low ? scalar(static_cast<float>(*low)) : "");
      operands.push_back(high ? scalar(static_cast<float>(*high)) : "");
      value_ = then("Clip", operands);
    };
    const auto a = static_cast<float>(unary.a.value_or(0));
    const std::string x = value_;
    switch (unary.kind) {
    case ir::UnaryKind::relu: return plain("Relu");
    case ir::UnaryKind::relu6: return clip(0, 6);
    case ir::UnaryKind::clamp: return clip(unary.a, unary.b);
    case ir::UnaryKind::leaky_relu: return with("LeakyRelu", a);
    case ir::UnaryKind::elu: return with("Elu", a);
    case ir::UnaryKind::sigmoid: return plain("Sigmoid");
    case ir::UnaryKind::tanh: return plain("Tanh");
    case ir::UnaryKind::silu:
      plain("Sigmoid");
      value_ = then("Mul", {x, value_});
      return;
    case ir::UnaryKind::hardsigmoid: return with("HardSigmoid", 1.0f / 6, 0.5f);
    case ir::UnaryKind::hardswish: return plain("HardSwish");
    case ir::UnaryKind::mish:
      plain("Softplus");
      plain("Tanh");
      value_ = then("Mul", {x, value_});
      return;
    case ir::UnaryKind::gelu: return plain("Gelu", "com.microsoft");
    case ir::UnaryKind::gelu_tanh: return plain("FastGelu", "com.microsoft");
    case ir::UnaryKind::softplus: return plain("Softplus");
    case ir::UnaryKind::abs: return plain("Abs");
    case ir::UnaryKind::neg: return plain("Neg");
    case ir::UnaryKind::sqrt: return plain("Sqrt");
    case ir::UnaryKind::exp: return plain("Exp");
    }
  }

  const Problem& p_;
  const Tensors& tensors_;
  std::string value_; // the last one computed
  int count_ = 0;
  bool is_quantized_ = false;
};

ONNXTensorElementDataType data_type(Element element) {
  switch (element) {
  case Element::f32: return ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT;
  case Element::u8: return ONNX_TENSOR_ELEMENT_DATA_TYPE_UINT8;
  case Element::i8: return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT8;
  case Element::i32: return ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32;
  }
  return ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
}

/// A model ready to run, on the caller's memory.
class Inference : public PreparedPeer {
public:
  Inference(const Builder& built, GraphOptimizationLevel level, int threads, std::string how)
      : session_(session(built.model.bytes(), level, threads)), binding_(session_),
        how_(std::move(how)) {
    for (const Port& port : built.inputs) binding_.BindInput(port.name.c_str(), value(port));
    binding_.BindOutput(built.result.name.c_str(), value(built.result));
  }

  void run() override { session_.Run(options_, binding_); }
  std::string how() const override { return how_; }

private:
  static Ort::Session session(const std::string& model, GraphOptimizationLevel level, int threads) {
    Ort::SessionOptions options;
    options.SetIntraOpNumThreads(threads);
    options.SetInterOpNumThreads(1);
    options.SetGraphOptimizationLevel(level);
    // Its threads wait busily within a call only: the next turn is another contender's.
    options.AddConfigEntry("session.force_spinning_stop", "1");
    // With the first, Debian's says of each operator that the library of ONNX has it already.
    const Silence silence;
    return Ort::Session(environment(), model.data(), model.size(), options);
  }

  static Ort::Value value(const Port& port) {
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    return Ort::Value::CreateTensor(memory, port.memory, static_cast<size_t>(port.type.bytes()),
                                    port.shape.data(), port.shape.size(), data_type(port.element));
  }

  Ort::Session session_;
  Ort::IoBinding binding_;
  Ort::RunOptions options_;
  std::string how_;
};

Expected<Ways> ways_of(const Problem& p, const Tensors& tensors, int threads) {
  if (p.padding_mode != ir::PadMode::zeros) return fail("onnxruntime", "this peer pads with zeros");
  Builder built(p, tensors);
  if (auto fault = built.build()) return *fault;
  const bool is_first = is_channels_first(p.x.type) && is_channels_first(p.y_type);
  const char* transposes = is_first ? "" : ", between two Transposes";
  Ways ways;
  ways.push_back(std::make_unique<Inference>(built, ORT_ENABLE_ALL, threads,
                                             fmt::format("all optimisations{}", transposes)));
  ways.push_back(std::make_unique<Inference>(built, ORT_ENABLE_EXTENDED, threads,
                                             fmt::format("no blocked layouts{}", transposes)));
  return ways;
}

} // namespace
} // namespace volute::bench

extern "C" const volute::bench::Peer* volute_peer() {
  using namespace volute::bench;
  static const LayerPeer<Ort::Exception> peer("onnxruntime",
                                              "ONNX Runtime " + Ort::GetVersionString(), ways_of);
  return &peer;
}
