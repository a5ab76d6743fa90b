// Which loops run, and on what: the loops are in naive_loops.cpp.
//
// The order of the loops follows the result's memory, as somebody who knows one thing about speed
// would choose: the innermost loop runs along contiguous elements, so that the compiler vectorises
// it, and sums are kept in the row or pixel of the result, which stays in L1. The weights lie in
// that loop's order. Nothing is tiled, no sum is kept in registers: the step from here to a fast
// kernel is what the measurements are about.
#include "bench/peers/naive.h"

#include "bench/peers/element_steps.h"
#include "bench/peers/layer_peer.h"
#include "bench/peers/naive_loops.h"

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
    steps.run();
  }

  Nest nest = Nest::conv_rows;
  naive::Innermost innermost = naive::Innermost::width;
  naive::Loops loops = {};
  std::vector<float> weight, bias;          // what loops.weight and loops.bias point to
  std::vector<int64_t> rows_of, columns_of; // average_pool
  double divisor = 0;
  ElementSteps steps;
  std::vector<std::vector<float>> constants; // of the program
};

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

Expected<std::unique_ptr<PreparedPeer>> prepare(const Problem& problem, const Tensors& tensors) {
  for (const Operand* operand :
       {&problem.x, problem.w ? &*problem.w : nullptr, problem.b ? &*problem.b : nullptr}) {
    if (!operand) continue;
    if (const auto fault = fault_of(operand->name, operand->type)) return fail(*fault);
  }
  if (const auto fault = fault_of(problem.y, problem.y_type)) return fail(*fault);
  if (problem.kind == Problem::Kind::conv_transpose)
    return fail("conv_transpose", "naive has no loops for it");
  if (problem.padding_mode != ir::PadMode::zeros)
    return fail("conv", "naive pads with zeros, in no other padding_mode");

  auto prepared = std::make_unique<Prepared>();
  naive::Loops& loops = prepared->loops;
  const Expected<const float*> x = floats_of(problem.x, tensors, prepared->constants);
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
    const Expected<const float*> weight = floats_of(*problem.w, tensors, prepared->constants);
    if (!weight) return weight.failure();
    prepared->weight = packed(problem, *weight, prepared->nest, h.kernel, w.kernel);
    loops.weight = prepared->weight.data();
    if (problem.b) {
      const Expected<const float*> bias = floats_of(*problem.b, tensors, prepared->constants);
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
    if (!step.other) continue;
    if (const auto fault = fault_of(step.other->name, step.other->type)) return fail(*fault);
  }
  Expected<ElementSteps> steps = ElementSteps::prepare(problem, *y, tensors);
  if (!steps) return steps.failure();
  prepared->steps = std::move(*steps);
  return std::unique_ptr<PreparedPeer>(std::move(prepared));
}

Expected<Ways> ways_of(const Problem& problem, const Tensors& tensors,
                       int /*threads: loops have one*/) {
  Expected<std::unique_ptr<PreparedPeer>> prepared = bench::prepare(problem, tensors);
  if (!prepared) return prepared.failure();
  Ways only;
  only.push_back(std::move(*prepared));
  return only;
}

} // namespace

const Peer& naive_peer() {
  static const LayerPeer<> naive("naive", "", ways_of);
  return naive;
}

} // namespace volute::bench
