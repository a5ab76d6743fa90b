// The loops themselves. Plain structs and pointers only: this file and its source are compiled for
// the machine at hand (-O3 -march=native), and must share no inline function with anything else.
#pragma once

#include <cstdint>

namespace volute::bench::naive {

/// Distance in elements between neighbours along each axis.
struct Strides {
  int64_t n, c, h, w;
};

/// One spatial axis. Output o, tap k reads input position o * stride + k * dilation - pad.
struct Axis {
  int64_t input, output, kernel, stride, dilation, pad;
};

struct Loops {
  int64_t batch, groups, inputs_per_group, outputs_per_group;
  Axis h, w;
  const float* x;
  Strides x_at;
  const float* weight; // [g][o][i][kh][kw], or as the function says
  const float* bias;   // or null
  float* y;
  Strides y_at;
};

/// Which memory order of the result a loop order is for: its innermost loop runs along it.
enum class Innermost : uint8_t { width, channels };

/// For every row of the result (n, g, o, oh): for every input channel and tap, one multiply-add of
/// a shifted input row, scaled, to the output row, which stays in L1. The taps that would read the
/// padding are cut off the row's ends, so that the innermost loop has no test and is vectorised.
void conv_rows(const Loops&);

/// For every pixel (n, oh, ow, g): for every tap and input channel, one multiply-add of a weight
/// vector over the output channels. weight is [g][kh][kw][i][o].
void conv_pixels(const Loops&);

/// One filter a channel (inputs_per_group = outputs_per_group = 1), for every pixel: the channels
/// are innermost. weight is [kh][kw][c].
void depthwise_pixels(const Loops&);

/// Maxima, NaN kept. The innermost loop runs as in the convolutions.
void max_pool(const Loops&, Innermost);

/// Sums, then divided: the window of output (oh, ow) has rows_of[oh] * columns_of[ow] elements, or
/// `divisor` where it is not 0.
void average_pool(const Loops&, Innermost, const int64_t* rows_of, const int64_t* columns_of,
                  double divisor);

/// A function of one value, or of two, for all elements of the result.
enum class Function : uint8_t {
  relu,
  relu6,
  clamp,
  leaky_relu,
  elu,
  sigmoid,
  tanh,
  silu,
  hardsigmoid,
  hardswish,
  mish,
  gelu,
  gelu_tanh,
  softplus,
  abs,
  neg,
  sqrt,
  exp,
  add,
  sub,
  sub_from,
  mul,
  max,
  min,
};

/// Every element of the result, in four loops that the caller puts into its memory order.
struct Elements {
  int64_t extent[4]; // outermost first
  float* y;
  int64_t y_at[4];
  const float* other;  // null for functions of one value
  int64_t other_at[4]; // 0 along an axis that it lacks
  float a, b;          // the function's attributes
};

/// y = f(y), or y = f(y, other).
void apply(Function, const Elements&);

} // namespace volute::bench::naive
