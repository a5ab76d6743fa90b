// Convolution and its transpose, floats and integers alike: with zero points 0 the integer formula
// is the float one.
#include "ir/reference_operators.h"
#include "ir/reference_windows.h"

namespace volute::ir::reference {
namespace {

template <class Number>
Number w_zero_point(const std::vector<int64_t>& per_output_channel, int64_t o) {
  return static_cast<Number>(per_output_channel.size() == 1
                                 ? per_output_channel[0]
                                 : per_output_channel[static_cast<size_t>(o)]);
}

/// Offsets of an input element and a weight element that meet in a product; the weight's is that
/// of output channel 0.
struct Pair {
  int64_t x, w;
};

/// Every product of one output pixel, in the order kd, kh, kw, i; the same for all output channels
/// of the group whose first input channel is given.
template <class Number>
std::vector<Pair> products(const Conv& op, const Windows& windows, const Grid<Number>& x,
                           const Grid<Number>& w, const Point& pixel, int64_t first_channel) {
  const std::vector<Tap> taps_d = taps(windows.d, pixel.d, op.padding_mode);
  const std::vector<Tap> taps_h = taps(windows.h, pixel.h, op.padding_mode);
  const std::vector<Tap> taps_w = taps(windows.w, pixel.w, op.padding_mode);
  std::vector<Pair> pairs;
  pairs.reserve(taps_d.size() * taps_h.size() * taps_w.size() *
                static_cast<size_t>(w.size(Axis::i)));
  for (const Tap& d : taps_d)
    for (const Tap& h : taps_h)
      for (const Tap& wi : taps_w) {
        const int64_t input = x.offset({.n = pixel.n, .d = d.input, .h = h.input, .w = wi.input});
        const int64_t tap = w.offset({.d = d.kernel, .h = h.kernel, .w = wi.kernel});
        for (int64_t i = 0; i < w.size(Axis::i); ++i)
          pairs.push_back(
              {input + x.offset(Axis::c, first_channel + i), tap + w.offset(Axis::i, i)});
      }
  return pairs;
}

template <class Number>
Grid<Number> conv(const Conv& op, const Windows& windows, const Grid<Number>& x,
                  const Grid<Number>& w, const Grid<Number>* bias, const TensorType& type) {
  Grid<Number> y(type);
  const auto x_zero = static_cast<Number>(op.x_zero_point);
  const int64_t outputs_of_group = y.size(Axis::c) / op.groups;

  Point p;
  for (p.n = 0; p.n < y.size(Axis::n); ++p.n)
    for (p.d = 0; p.d < y.size(Axis::d); ++p.d)
      for (p.h = 0; p.h < y.size(Axis::h); ++p.h)
        for (p.w = 0; p.w < y.size(Axis::w); ++p.w)
          for (int64_t group = 0; group < op.groups; ++group) {
            const int64_t first_channel = group * w.size(Axis::i);
            const std::vector<Pair> pairs = products(op, windows, x, w, p, first_channel);
            const int64_t first_output = group * outputs_of_group;
            for (p.c = first_output; p.c < first_output + outputs_of_group; ++p.c) {
              const auto w_zero = w_zero_point<Number>(op.w_zero_point, p.c);
              const int64_t filter = w.offset(Axis::o, p.c);
              Number sum = bias ? bias->at({.o = p.c}) : 0;
              for (const Pair& pair : pairs)
                sum += (x.at_offset(pair.x) - x_zero) * (w.at_offset(filter + pair.w) - w_zero);
              y.set(p, sum);
            }
          }
  return y;
}

/// Where an input meets a tap of a transposed convolution in the output, along one axis.
std::optional<int64_t> target(const Window& window, int64_t input, int64_t tap) {
  const int64_t position = input * window.stride + tap * window.dilation - window.pad_begin;
  return source(position, window.output, PadMode::zeros);
}

/// Offsets of an output element and a weight element of one product of an input pixel; both of
/// their first channels.
struct Meeting {
  int64_t y, w;
};

/// Every meeting of one input pixel, the same for all of its channels.
template <class Number>
std::vector<Meeting> meetings(const Windows& windows, const Grid<Number>& y, const Grid<Number>& w,
                              const Point& pixel) {
  std::vector<Meeting> found;
  for (int64_t kd = 0; kd < w.size(Axis::d); ++kd)
    for (int64_t kh = 0; kh < w.size(Axis::h); ++kh)
      for (int64_t kw = 0; kw < w.size(Axis::w); ++kw) {
        const auto d = target(windows.d, pixel.d, kd), h = target(windows.h, pixel.h, kh),
                   wi = target(windows.w, pixel.w, kw);
        if (d && h && wi)
          found.push_back({y.offset({.n = pixel.n, .d = *d, .h = *h, .w = *wi}),
                           w.offset({.d = kd, .h = kh, .w = kw})});
      }
  return found;
}

template <class Number>
Grid<Number> conv_transpose(const ConvTranspose& op, const Windows& windows, const Grid<Number>& x,
                            const Grid<Number>& w, const Grid<Number>* bias,
                            const TensorType& type) {
  Grid<Number> y(type);
  if (bias) for_each_point(type, [&](const Point& p) { y.set(p, bias->at({.o = p.c})); });

  const auto x_zero = static_cast<Number>(op.x_zero_point);
  const int64_t outputs = w.size(Axis::o); // of a group
  const int64_t channels_of_group = x.size(Axis::c) / op.groups;

  Point in;
  for (in.n = 0; in.n < x.size(Axis::n); ++in.n)
    for (in.d = 0; in.d < x.size(Axis::d); ++in.d)
      for (in.h = 0; in.h < x.size(Axis::h); ++in.h)
        for (in.w = 0; in.w < x.size(Axis::w); ++in.w) {
          const std::vector<Meeting> all = meetings(windows, y, w, in);
          for (in.c = 0; in.c < x.size(Axis::c); ++in.c) {
            const int64_t first_output = in.c / channels_of_group * outputs;
            const Number value = x.at(in) - x_zero;
            for (int64_t o = 0; o < outputs; ++o) {
              const int64_t channel = y.offset(Axis::c, first_output + o);
              const int64_t filter = w.offset(Axis::i, in.c) + w.offset(Axis::o, o);
              const auto w_zero = w_zero_point<Number>(op.w_zero_point, first_output + o);
              for (const Meeting& m : all)
                y.set_offset(m.y + channel, y.at_offset(m.y + channel) +
                                                value * (w.at_offset(m.w + filter) - w_zero));
            }
          }
          in.c = 0;
        }
  return y;
}

} // namespace

Any conv(const Conv& op, const std::vector<Window>& windows, const Any& x, const Any& w,
         const Any* bias, const TensorType& type) {
  return std::visit(
      [&](const auto& grid) -> Any {
        using G = std::decay_t<decltype(grid)>;
        return conv(op, Windows(windows, grid.type()), grid, std::get<G>(w),
                    bias ? &std::get<G>(*bias) : nullptr, type);
      },
      x);
}

Any conv_transpose(const ConvTranspose& op, const std::vector<Window>& windows, const Any& x,
                   const Any& w, const Any* bias, const TensorType& type) {
  return std::visit(
      [&](const auto& grid) -> Any {
        using G = std::decay_t<decltype(grid)>;
        return conv_transpose(op, Windows(windows, grid.type()), grid, std::get<G>(w),
                              bias ? &std::get<G>(*bias) : nullptr, type);
      },
      x);
}

} // namespace volute::ir::reference
