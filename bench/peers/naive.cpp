// Which loops run, and on what: the loops are in naive_loops.cpp.
//
// The order of the loops follows the result's memory, as somebody who knows one thing about speed
// would choose: the innermost loop runs along contiguous elements, so that the compiler vectorises
// it, and sums are kept in the row or pixel of the result, which stays in L1. The weights lie in
// that loop's order. Nothing is tiled, no sum is kept in registers: the step from here to a fast
// kernel is what the measurements are about.
#include "bench/peers/naive.h"

#include "bench/peers/naive_loops.h"
#include "bench/problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <optional>

namespace volute::bench {
namespace {

using ir::Axis;

std::optional<Diagnostic> fault_of(const std::string& name, const ir::TensorType& type) {
  const std::string subject = "%" + name;
  if (type.element != ir::ElementType::f32)
    return Diagnostic{{},
                      subject,
                      fmt::format("naive computes in f32, not in {}", ir::to_string(type.element)),
                      ""};
  if (type.has(Axis::d))
    return Diagnostic{
        {}, subject, "naive has loops for one or two spatial axes, not for three", ""};
  for (const Axis axis : type.axes())
    if (type.parts(axis) > 1)
      return Diagnostic{{},
                        subject,
                        fmt::format("naive walks whole axes, and {} is split into {} parts",
                                    ir::to_char(axis), type.parts(axis)),
                        ""};
  return std::nullopt;
}

// Distance in elements between neighbours along an axis of a type without split axes; 0 without it.
int64_t stride_of(const ir::TensorType& type, Axis axis) {
  if (!type.has(axis)) return 0;
  int64_t stride = 1;
  for (size_t i = type.extents.size(); i-- > 0 && type.extents[i].axis != axis;)
    stride *= type.extents[i].size;
  return stride;
}

naive::Strides strides_of(const ir::TensorType& type) {
  return {stride_of(type, Axis::n), stride_of(type, Axis::c), stride_of(type, Axis::h),
          stride_of(type, Axis::w)};
}

naive::Axis axis_of(const ir::Window& w) {
  return {w.input, w.output, w.kernel, w.stride, w.dilation, w.pad_begin};
}

// Inside the input, or, when the padding counts, inside the input and its padding: a last window of
// ceil_mode may hang over both.
std::vector<int64_t> taps_counted(const ir::Window& w, bool count_pad) {
  std::vector<int64_t> counts;
  const int64_t low = count_pad ? -w.pad_begin : 0;
  const int64_t high = w.input + (count_pad ? w.pad_end : 0);
  for (int64_t o = 0; o < w.output; ++o) {
    int64_t count = 0;
    for (int64_t k = 0; k < w.kernel; ++k) {
      const int64_t at = o * w.stride + k * w.dilation - w.pad_begin;
      count += at >= low && at < high;
    }
    counts.push_back(count);
  }
  return counts;
}

enum class Nest { conv_rows, conv_pixels, depthwise_pixels, max_pool, average_pool };

struct PreparedStep {
  naive::Function function;
  naive::Elements elements;
};

class Prepared : public PreparedPeer {
public:
  void run() override {
    switch (nest) {
    case Nest::conv_rows: naive::conv_rows(loops); break;
    case Nest::conv_pixels: naive::conv_pixels(loops); break;
    case Nest::depthwise_pixels: naive::depthwise_pixels(loops); break;
    case Nest::max_pool: naive::max_pool(loops, innermost); break;
    case Nest::average_pool:
      naive::average_pool(loops, innermost, rows_of.data(), columns_of.data(), divisor);
      break;
    }
    for (const PreparedStep& step : steps) naive::apply(step.function, step.elements);
  }

  Nest nest = Nest::conv_rows;
  naive::Innermost innermost = naive::Innermost::width;
  naive::Loops loops = {};
  std::vector<float> weight, bias;          // what loops.weight and loops.bias point to
  std::vector<int64_t> rows_of, columns_of; // average_pool
  double divisor = 0;
  std::vector<PreparedStep> steps;
  std::vector<std::vector<float>> constants; // that steps read
};

// An operand's memory: the caller's, or a copy of the program's constant.
Expected<const float*> memory_of(const Operand& operand, const Tensors& tensors,
                                 std::vector<std::vector<float>>& copies) {
  if (!operand.constant) {
    const Expected<float*> given = floats_of(tensors, operand.name, operand.type);
    if (!given) return given.failure();
    return static_cast<const float*>(*given);
  }
  std::vector<float> copy(static_cast<size_t>(operand.type.elements()));
  const auto* from = reinterpret_cast<const char*>(operand.constant->data());
  const size_t bytes = std::min(operand.constant->size(), copy.size() * sizeof(float));
  std::copy(from, from + bytes, reinterpret_cast<char*>(copy.data()));
  copies.push_back(std::move(copy));
  return static_cast<const float*>(copies.back().data());
}

// The filters in the order that the chosen loops read them in.
std::vector<float> packed(const Problem& p, const float* from, Nest nest, int64_t kernel_h,
                          int64_t kernel_w) {
  const ir::TensorType& type = p.w->type;
  const int64_t o_at = stride_of(type, Axis::o), i_at = stride_of(type, Axis::i);
  const int64_t h_at = stride_of(type, Axis::h), w_at = stride_of(type, Axis::w);
  std::vector<float> to(static_cast<size_t>(type.elements()));
  size_t at = 0;
  const auto rows = [&](auto each) {
    for (int64_t kh = 0; kh < kernel_h; ++kh)
      for (int64_t kw = 0; kw < kernel_w; ++kw) each(kh, kw);
  };
  const auto take = [&](int64_t o, int64_t i, int64_t kh, int64_t kw) {
    to[at++] = from[o * o_at + i * i_at + kh * h_at + kw * w_at];
  };
  if (nest == Nest::conv_rows) {
    for (int64_t o = 0; o < p.output_channels(); ++o)
      for (int64_t i = 0; i < p.inputs_per_group; ++i)
        rows([&](int64_t kh, int64_t kw) { take(o, i, kh, kw); });
  } else if (nest == Nest::depthwise_pixels) {
    rows([&](int64_t kh, int64_t kw) {
      for (int64_t c = 0; c < p.groups; ++c) take(c, 0, kh, kw);
    });
  } else {
    for (int64_t g = 0; g < p.groups; ++g)
      rows([&](int64_t kh, int64_t kw) {
        for (int64_t i = 0; i < p.inputs_per_group; ++i)
          for (int64_t o = 0; o < p.outputs_per_group; ++o)
            take(g * p.outputs_per_group + o, i, kh, kw);
      });
  }
  return to;
}

naive::Function function_of(const Step& step) {
  using naive::Function;
  if (const auto* unary = std::get_if<ir::Unary>(&step.operation)) {
    switch (unary->kind) {
    case ir::UnaryKind::relu: return Function::relu;
    case ir::UnaryKind::relu6: return Function::relu6;
    case ir::UnaryKind::clamp: return Function::clamp;
    case ir::UnaryKind::leaky_relu: return Function::leaky_relu;
    case ir::UnaryKind::elu: return Function::elu;
    case ir::UnaryKind::sigmoid: return Function::sigmoid;
    case ir::UnaryKind::tanh: return Function::tanh;
    case ir::UnaryKind::silu: return Function::silu;
    case ir::UnaryKind::hardsigmoid: return Function::hardsigmoid;
    case ir::UnaryKind::hardswish: return Function::hardswish;
    case ir::UnaryKind::mish: return Function::mish;
    case ir::UnaryKind::gelu: return Function::gelu;
    case ir::UnaryKind::gelu_tanh: return Function::gelu_tanh;
    case ir::UnaryKind::softplus: return Function::softplus;
    case ir::UnaryKind::abs: return Function::abs;
    case ir::UnaryKind::neg: return Function::neg;
    case ir::UnaryKind::sqrt: return Function::sqrt;
    case ir::UnaryKind::exp: return Function::exp;
    }
  }
  switch (std::get<ir::Binary>(step.operation).kind) {
  case ir::BinaryKind::add: return Function::add;
  case ir::BinaryKind::sub: return step.other_is_first ? Function::sub_from : Function::sub;
  case ir::BinaryKind::mul: return Function::mul;
  case ir::BinaryKind::max: return Function::max;
  case ir::BinaryKind::min: return Function::min;
  }
  throw InternalError("naive: a step without a function");
}

Expected<PreparedStep> prepare_step(const Step& step, const Problem& problem, float* y,
                                    const Tensors& tensors,
                                    std::vector<std::vector<float>>& constants) {
  naive::Elements e = {{1, 1, 1, 1}, y, {0, 0, 0, 0}, nullptr, {0, 0, 0, 0}, 0, 0};
  if (step.other) {
    if (const auto fault = fault_of(step.other->name, step.other->type)) return fail(*fault);
    const Expected<const float*> other = memory_of(*step.other, tensors, constants);
    if (!other) return other.failure();
    e.other = *other;
  }
  // The innermost of the four loops is along the result's last axis, which is contiguous.
  size_t slot = 4;
  for (size_t i = problem.y_type.extents.size(); i-- > 0;) {
    const ir::Extent& extent = problem.y_type.extents[i];
    --slot;
    e.extent[slot] = extent.size;
    e.y_at[slot] = stride_of(problem.y_type, extent.axis);
    if (!step.other) continue;
    const bool is_one = step.other->type.size(extent.axis) == 1; // absent, or [c=1]
    e.other_at[slot] = is_one ? 0 : stride_of(step.other->type, extent.axis);
  }
  if (const auto* unary = std::get_if<ir::Unary>(&step.operation)) {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const bool clamps = unary->kind == ir::UnaryKind::clamp;
    e.a = static_cast<float>(unary->a.value_or(clamps ? -infinity : 0));
    e.b = static_cast<float>(unary->b.value_or(clamps ? infinity : 0));
  }
  return PreparedStep{function_of(step), e};
}

Expected<std::unique_ptr<PreparedPeer>> prepare(const Problem& problem, const Tensors& tensors) {
  for (const Operand* operand :
       {&problem.x, problem.w ? &*problem.w : nullptr, problem.b ? &*problem.b : nullptr}) {
    if (!operand) continue;
    if (const auto fault = fault_of(operand->name, operand->type)) return fail(*fault);
  }
  if (const auto fault = fault_of(problem.y, problem.y_type)) return fail(*fault);
  if (problem.padding_mode != ir::PadMode::zeros)
    return fail("conv", "naive pads with zeros, in no other padding_mode");

  auto prepared = std::make_unique<Prepared>();
  naive::Loops& loops = prepared->loops;
  const Expected<const float*> x = memory_of(problem.x, tensors, prepared->constants);
  if (!x) return x.failure();
  const Expected<float*> y = floats_of(tensors, problem.y, problem.y_type);
  if (!y) return y.failure();
  const ir::Window one; // the height of a tensor that has only a width
  const ir::Window& h = problem.windows.size() == 2 ? problem.windows[0] : one;
  const ir::Window& w = problem.windows.back();
  loops.batch = problem.batch;
  loops.groups = problem.groups;
  loops.inputs_per_group = problem.inputs_per_group;
  loops.outputs_per_group = problem.outputs_per_group;
  loops.h = axis_of(h);
  loops.w = axis_of(w);
  loops.x = *x;
  loops.x_at = strides_of(problem.x.type);
  loops.y = *y;
  loops.y_at = strides_of(problem.y_type);
  const bool channels_last = loops.y_at.c < loops.y_at.w;
  prepared->innermost = channels_last ? naive::Innermost::channels : naive::Innermost::width;

  if (problem.kind == Problem::Kind::conv) {
    const bool depthwise = problem.inputs_per_group == 1 && problem.outputs_per_group == 1;
    prepared->nest = !channels_last ? Nest::conv_rows
                     : depthwise    ? Nest::depthwise_pixels
                                    : Nest::conv_pixels;
    const Expected<const float*> weight = memory_of(*problem.w, tensors, prepared->constants);
    if (!weight) return weight.failure();
    prepared->weight = packed(problem, *weight, prepared->nest, h.kernel, w.kernel);
    loops.weight = prepared->weight.data();
    if (problem.b) {
      const Expected<const float*> bias = memory_of(*problem.b, tensors, prepared->constants);
      if (!bias) return bias.failure();
      prepared->bias.assign(*bias, *bias + problem.output_channels());
      loops.bias = prepared->bias.data();
    }
  } else if (problem.kind == Problem::Kind::max_pool) {
    prepared->nest = Nest::max_pool;
  } else {
    prepared->nest = Nest::average_pool;
    prepared->rows_of = taps_counted(h, problem.count_include_pad);
    prepared->columns_of = taps_counted(w, problem.count_include_pad);
    prepared->divisor = static_cast<double>(problem.divisor.value_or(0));
  }
  for (const Step& step : problem.steps) {
    Expected<PreparedStep> ready = prepare_step(step, problem, *y, tensors, prepared->constants);
    if (!ready) return ready.failure();
    prepared->steps.push_back(std::move(*ready));
  }
  return std::unique_ptr<PreparedPeer>(std::move(prepared));
}

class Naive : public Peer {
public:
  std::string_view name() const override { return "naive"; }
  Expected<std::unique_ptr<PreparedPeer>> prepare(const ir::Program& program,
                                                  const Tensors& tensors) const override {
    const Expected<Problem> problem = problem_of(program);
    if (!problem) return problem.failure();
    return bench::prepare(*problem, tensors);
  }
};

} // namespace

const Peer& naive_peer() {
  static const Naive naive;
  return naive;
}

} // namespace volute::bench
