#include "bench/peers/naive_loops.h"

#include <math.h>

namespace volute::bench::naive {
namespace {

struct Range {
  int64_t begin, end;
};

int64_t ceil_divide(int64_t a, int64_t b) { return a <= 0 ? -(-a / b) : (a + b - 1) / b; }

// The outputs at which tap k reads inside the input.
Range outputs_of(const Axis& axis, int64_t k) {
  const int64_t shift = axis.pad - k * axis.dilation; // output o reads o * stride - shift
  int64_t begin = ceil_divide(shift, axis.stride);
  int64_t end = ceil_divide(axis.input + shift, axis.stride);
  if (begin < 0) begin = 0;
  if (end > axis.output) end = axis.output;
  return {begin, end < begin ? begin : end};
}

// The input position that output o, tap k reads; it may lie outside.
int64_t input_at(const Axis& axis, int64_t o, int64_t k) {
  return o * axis.stride + k * axis.dilation - axis.pad;
}

bool is_inside(const Axis& axis, int64_t position) {
  return position >= 0 && position < axis.input;
}

// One row of one tap: y[j] = combine(y[j], x[j * x_step]). The common strides are spelled out, as
// somebody who reads vectorisation reports would; the general one is scalar code.
template <class Combine>
void row(float* __restrict y, int64_t y_step, const float* __restrict x, int64_t x_step,
         int64_t count, Combine combine) {
  if (y_step == 1 && x_step == 1) {
    for (int64_t j = 0; j < count; ++j) y[j] = combine(y[j], x[j]);
  } else if (y_step == 1 && x_step == 2) {
    for (int64_t j = 0; j < count; ++j) y[j] = combine(y[j], x[2 * j]);
  } else {
    for (int64_t j = 0; j < count; ++j) y[j * y_step] = combine(y[j * y_step], x[j * x_step]);
  }
}

void fill(float* y, int64_t step, int64_t count, float value) {
  for (int64_t j = 0; j < count; ++j) y[j * step] = value;
}

// Takes over NaN, and keeps it. A lambda, since a loop is only vectorised over what it inlines; |
// rather than ||, since it has no branch.
constexpr auto larger = [](float best, float x) { return (x > best) | (x != x) ? x : best; };

template <class Combine>
void pool_rows(const Loops& p, float start, Combine combine) {
  for (int64_t n = 0; n < p.batch; ++n)
    for (int64_t c = 0; c < p.groups; ++c)
      for (int64_t oh = 0; oh < p.h.output; ++oh) {
        float* y = p.y + n * p.y_at.n + c * p.y_at.c + oh * p.y_at.h;
        fill(y, p.y_at.w, p.w.output, start);
        for (int64_t kh = 0; kh < p.h.kernel; ++kh) {
          const int64_t ih = input_at(p.h, oh, kh);
          if (!is_inside(p.h, ih)) continue;
          const float* x = p.x + n * p.x_at.n + c * p.x_at.c + ih * p.x_at.h;
          for (int64_t kw = 0; kw < p.w.kernel; ++kw) {
            const Range ow = outputs_of(p.w, kw);
            if (ow.begin == ow.end) continue;
            row(y + ow.begin * p.y_at.w, p.y_at.w, x + input_at(p.w, ow.begin, kw) * p.x_at.w,
                p.w.stride * p.x_at.w, ow.end - ow.begin, combine);
          }
        }
      }
}

// For every pixel and tap inside the input: body(y, x, kh, kw), the pixel's and the tap's channel
// 0.
template <class Start, class Body>
void for_each_pixel(const Loops& p, Start start, Body body) {
  for (int64_t n = 0; n < p.batch; ++n)
    for (int64_t oh = 0; oh < p.h.output; ++oh)
      for (int64_t ow = 0; ow < p.w.output; ++ow) {
        float* y = p.y + n * p.y_at.n + oh * p.y_at.h + ow * p.y_at.w;
        start(y);
        for (int64_t kh = 0; kh < p.h.kernel; ++kh) {
          const int64_t ih = input_at(p.h, oh, kh);
          if (!is_inside(p.h, ih)) continue;
          for (int64_t kw = 0; kw < p.w.kernel; ++kw) {
            const int64_t iw = input_at(p.w, ow, kw);
            if (!is_inside(p.w, iw)) continue;
            body(y, p.x + n * p.x_at.n + ih * p.x_at.h + iw * p.x_at.w, kh, kw);
          }
        }
      }
}

template <class Combine>
void pool_pixels(const Loops& p, float start, Combine combine) {
  for_each_pixel(
      p, [&](float* y) { fill(y, p.y_at.c, p.groups, start); },
      [&](float* y, const float* x, int64_t, int64_t) {
        row(y, p.y_at.c, x, p.x_at.c, p.groups, combine);
      });
}

template <class Combine>
void pool(const Loops& p, Innermost innermost, float start, Combine combine) {
  if (innermost == Innermost::width) {
    pool_rows(p, start, combine);
  } else {
    pool_pixels(p, start, combine);
  }
}

// y[o] += x * weight[o]
void add_scaled(float* __restrict y, int64_t y_step, const float* __restrict weight, float x,
                int64_t count) {
  row(y, y_step, weight, 1, count, [x](float sum, float w) { return sum + w * x; });
}

void start_at_bias(float* y, int64_t step, const float* bias, int64_t count) {
  for (int64_t j = 0; j < count; ++j) y[j * step] = bias ? bias[j] : 0;
}

} // namespace

void conv_rows(const Loops& p) {
  const int64_t filter = p.inputs_per_group * p.h.kernel * p.w.kernel;
  for (int64_t n = 0; n < p.batch; ++n)
    for (int64_t g = 0; g < p.groups; ++g)
      for (int64_t o = g * p.outputs_per_group; o < (g + 1) * p.outputs_per_group; ++o)
        for (int64_t oh = 0; oh < p.h.output; ++oh) {
          float* y = p.y + n * p.y_at.n + o * p.y_at.c + oh * p.y_at.h;
          fill(y, p.y_at.w, p.w.output, p.bias ? p.bias[o] : 0);
          const float* weight = p.weight + o * filter;
          for (int64_t i = g * p.inputs_per_group; i < (g + 1) * p.inputs_per_group; ++i)
            for (int64_t kh = 0; kh < p.h.kernel; ++kh, weight += p.w.kernel) {
              const int64_t ih = input_at(p.h, oh, kh);
              if (!is_inside(p.h, ih)) continue;
              const float* x = p.x + n * p.x_at.n + i * p.x_at.c + ih * p.x_at.h;
              for (int64_t kw = 0; kw < p.w.kernel; ++kw) {
                const Range ow = outputs_of(p.w, kw);
                if (ow.begin == ow.end) continue;
                const float scale = weight[kw];
                row(y + ow.begin * p.y_at.w, p.y_at.w, x + input_at(p.w, ow.begin, kw) * p.x_at.w,
                    p.w.stride * p.x_at.w, ow.end - ow.begin,
                    [scale](float sum, float value) { return sum + value * scale; });
              }
            }
        }
}

void conv_pixels(const Loops& p) {
  const int64_t tap = p.inputs_per_group * p.outputs_per_group;
  const int64_t filter = p.h.kernel * p.w.kernel * tap;
  for_each_pixel(
      p, [&](float* y) { start_at_bias(y, p.y_at.c, p.bias, p.groups * p.outputs_per_group); },
      [&](float* y, const float* x, int64_t kh, int64_t kw) {
        for (int64_t g = 0; g < p.groups; ++g) {
          const float* weight = p.weight + g * filter + (kh * p.w.kernel + kw) * tap;
          for (int64_t i = 0; i < p.inputs_per_group; ++i)
            add_scaled(y + g * p.outputs_per_group * p.y_at.c, p.y_at.c,
                       weight + i * p.outputs_per_group, x[(g * p.inputs_per_group + i) * p.x_at.c],
                       p.outputs_per_group);
        }
      });
}

void depthwise_pixels(const Loops& p) {
  for_each_pixel(
      p, [&](float* y) { start_at_bias(y, p.y_at.c, p.bias, p.groups); },
      [&](float* __restrict y, const float* __restrict x, int64_t kh, int64_t kw) {
        const float* __restrict weight = p.weight + (kh * p.w.kernel + kw) * p.groups;
        if (p.y_at.c == 1 && p.x_at.c == 1) {
          for (int64_t c = 0; c < p.groups; ++c) y[c] += x[c] * weight[c];
        } else {
          for (int64_t c = 0; c < p.groups; ++c) y[c * p.y_at.c] += x[c * p.x_at.c] * weight[c];
        }
      });
}

void max_pool(const Loops& p, Innermost innermost) { pool(p, innermost, -INFINITY, larger); }

void average_pool(const Loops& p, Innermost innermost, const int64_t* rows_of,
                  const int64_t* columns_of, double divisor) {
  pool(p, innermost, 0, [](float sum, float x) { return sum + x; });
  for (int64_t n = 0; n < p.batch; ++n)
    for (int64_t oh = 0; oh < p.h.output; ++oh)
      for (int64_t ow = 0; ow < p.w.output; ++ow) {
        float* y = p.y + n * p.y_at.n + oh * p.y_at.h + ow * p.y_at.w;
        const float by = divisor != 0 ? static_cast<float>(divisor)
                                      : static_cast<float>(rows_of[oh] * columns_of[ow]);
        for (int64_t c = 0; c < p.groups; ++c) y[c * p.y_at.c] /= by;
      }
}

namespace {

template <class F>
void for_each_element(const Elements& e, F f) {
  const bool alone = e.other == nullptr;
  const float* others = alone ? e.y : e.other;
  const int64_t* other_at = alone ? e.y_at : e.other_at;
  for (int64_t i = 0; i < e.extent[0]; ++i)
    for (int64_t j = 0; j < e.extent[1]; ++j)
      for (int64_t k = 0; k < e.extent[2]; ++k) {
        float* y = e.y + i * e.y_at[0] + j * e.y_at[1] + k * e.y_at[2];
        const float* other = others + i * other_at[0] + j * other_at[1] + k * other_at[2];
        const int64_t step = other_at[3], count = e.extent[3];
        if (alone) {
          for (int64_t m = 0; m < count; ++m) y[m] = f(y[m], y[m]);
        } else if (step == 1) {
          for (int64_t m = 0; m < count; ++m) y[m] = f(y[m], other[m]);
        } else if (step == 0) {
          const float same = *other;
          for (int64_t m = 0; m < count; ++m) y[m] = f(y[m], same);
        } else {
          for (int64_t m = 0; m < count; ++m) y[m] = f(y[m], other[m * step]);
        }
      }
}

// NaN passes: it is neither below nor above anything.
float clamped(float x, float low, float high) { return x < low ? low : x > high ? high : x; }
float sigmoid(float x) { return 1 / (1 + expf(-x)); }
float hardsigmoid(float x) { return clamped(x + 3, 0, 6) / 6; }
float softplus(float x) { return x > 20 ? x : log1pf(expf(x)); }
float gelu(float x) { return x / 2 * erfcf(-x * 0.70710678f); }
float gelu_tanh(float x) { return x / 2 * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x))); }

} // namespace

void apply(Function function, const Elements& e) {
  const float a = e.a, b = e.b;
  const auto each = [&](auto f) { for_each_element(e, f); };
  switch (function) {
  case Function::relu: return each([](float x, float) { return x < 0 ? 0 : x; });
  case Function::relu6: return each([](float x, float) { return clamped(x, 0, 6); });
  case Function::clamp: return each([=](float x, float) { return clamped(x, a, b); });
  case Function::leaky_relu: return each([=](float x, float) { return x < 0 ? a * x : x; });
  case Function::elu: return each([=](float x, float) { return x < 0 ? a * expm1f(x) : x; });
  case Function::sigmoid: return each([](float x, float) { return sigmoid(x); });
  case Function::tanh: return each([](float x, float) { return tanhf(x); });
  case Function::silu: return each([](float x, float) { return x * sigmoid(x); });
  case Function::hardsigmoid: return each([](float x, float) { return hardsigmoid(x); });
  case Function::hardswish: return each([](float x, float) { return x * hardsigmoid(x); });
  case Function::mish: return each([](float x, float) { return x * tanhf(softplus(x)); });
  case Function::gelu: return each([](float x, float) { return gelu(x); });
  case Function::gelu_tanh: return each([](float x, float) { return gelu_tanh(x); });
  case Function::softplus: return each([](float x, float) { return softplus(x); });
  case Function::abs: return each([](float x, float) { return fabsf(x); });
  case Function::neg: return each([](float x, float) { return -x; });
  case Function::sqrt: return each([](float x, float) { return sqrtf(x); });
  case Function::exp: return each([](float x, float) { return expf(x); });
  case Function::add: return each([](float x, float y) { return x + y; });
  case Function::sub: return each([](float x, float y) { return x - y; });
  case Function::sub_from: return each([](float x, float y) { return y - x; });
  case Function::mul: return each([](float x, float y) { return x * y; });
  case Function::max: return each([](float x, float y) { return larger(x, y); });
  case Function::min: return each([](float x, float y) { return -larger(-x, -y); });
  }
}

} // namespace volute::bench::naive
