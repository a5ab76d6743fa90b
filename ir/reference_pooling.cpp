// Pooling. Every kind walks the same cells (the input positions that one output sees, along d, h
// and w) and differs in what it makes of them.
#include "ir/reference_operators.h"
#include "ir/reference_windows.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <string>

namespace volute::ir::reference {
namespace {

/// The input positions inside the input that one output sees, in order; padding is not among them.
struct Cell {
  std::vector<int64_t> d, h, w;
};

std::vector<int64_t> positions(const std::vector<Tap>& taps) {
  std::vector<int64_t> inputs;
  for (const Tap& tap : taps) inputs.push_back(tap.input);
  return inputs;
}

Cell cell_of_windows(const Windows& windows, const Point& p) {
  return {positions(taps(windows.d, p.d)), positions(taps(windows.h, p.h)),
          positions(taps(windows.w, p.w))};
}

/// [floor(o L / O), ceil((o + 1) L / O)) for L inputs and O outputs.
std::vector<int64_t> adaptive_positions(int64_t inputs, int64_t outputs, int64_t o) {
  std::vector<int64_t> found;
  const int64_t begin = o * inputs / outputs;
  const int64_t end = ((o + 1) * inputs + outputs - 1) / outputs;
  for (int64_t i = begin; i < end; ++i) found.push_back(i);
  return found;
}

Cell adaptive_cell(const TensorType& x, const TensorType& y, const Point& p) {
  return {adaptive_positions(x.size(Axis::d), y.size(Axis::d), p.d),
          adaptive_positions(x.size(Axis::h), y.size(Axis::h), p.h),
          adaptive_positions(x.size(Axis::w), y.size(Axis::w), p.w)};
}

template <class Visit>
void for_each_input(const Cell& cell, const Point& output, const Visit& visit) {
  Point in = output;
  for (int64_t d : cell.d)
    for (int64_t h : cell.h)
      for (int64_t w : cell.w) {
        in.d = d, in.h = h, in.w = w;
        visit(static_cast<const Point&>(in));
      }
}

int64_t flat_index(const TensorType& type, const Point& p) {
  return (p.d * type.size(Axis::h) + p.h) * type.size(Axis::w) + p.w;
}

bool is_nan(double value) { return std::isnan(value); }
bool is_nan(int64_t) { return false; }

template <class Number>
Number below_all(ElementType type) {
  if constexpr (std::is_integral_v<Number>) return lowest(type);
  return -std::numeric_limits<Number>::infinity();
}

template <class Number>
struct Largest {
  Number value;
  int64_t index; // over d, h, w; -1 for a cell without inputs
};

/// The first of equal values, the last of NaNs.
template <class Number>
Largest<Number> largest(const Grid<Number>& x, const Cell& cell, const Point& output) {
  Largest<Number> best = {below_all<Number>(x.type().element), -1};
  for_each_input(cell, output, [&](const Point& in) {
    const Number value = x.at(in);
    if (best.index < 0 || value > best.value || is_nan(value))
      best = {value, flat_index(x.type(), in)};
  });
  return best;
}

double sum(const Real& x, const Cell& cell, const Point& output) {
  double total = 0;
  for_each_input(cell, output, [&](const Point& in) { total += x.at(in); });
  return total;
}

double count(const Cell& cell) {
  return static_cast<double>(cell.d.size() * cell.h.size() * cell.w.size());
}

/// Taps of an output inside the input or its padding. A last window of ceil_mode may hang over the
/// padding's end; the taps out there never count.
double taps_with_padding(const Window& window, int64_t output) {
  int64_t taps = 0;
  for (int64_t k = 0; k < window.kernel; ++k)
    if (output * window.stride + k * window.dilation <
        window.pad_begin + window.input + window.pad_end)
      ++taps;
  return static_cast<double>(taps);
}

double divisor(const Pool& op, const Windows& windows, const Cell& cell, const Point& p) {
  if (op.divisor) return static_cast<double>(*op.divisor);
  if (!op.count_include_pad) return count(cell);
  return taps_with_padding(windows.d, p.d) * taps_with_padding(windows.h, p.h) *
         taps_with_padding(windows.w, p.w);
}

} // namespace

Any max_pool(const std::vector<Window>& of_axes, const Any& any, const TensorType& type,
             Whole* index) {
  return std::visit(
      [&](const auto& x) -> Any {
        std::decay_t<decltype(x)> y(type);
        const Windows windows(of_axes, x.type());
        for_each_point(type, [&](const Point& p) {
          const auto best = largest(x, cell_of_windows(windows, p), p);
          y.set(p, best.value);
          if (index) index->set(p, best.index);
        });
        return y;
      },
      any);
}

Real average_pool(const Pool& op, const std::vector<Window>& of_axes, const Real& x,
                  const TensorType& type) {
  Real y(type);
  const Windows windows(of_axes, x.type());
  for_each_point(type, [&](const Point& p) {
    const Cell cell = cell_of_windows(windows, p);
    y.set(p, sum(x, cell, p) / divisor(op, windows, cell, p));
  });
  return y;
}

Real lp_pool(const Pool& op, const std::vector<Window>& of_axes, const Real& x,
             const TensorType& type) {
  Real y(type);
  const Windows windows(of_axes, x.type());
  for_each_point(type, [&](const Point& p) {
    double total = 0;
    for_each_input(cell_of_windows(windows, p), p,
                   [&](const Point& in) { total += std::pow(std::abs(x.at(in)), op.p); });
    y.set(p, std::pow(total, 1 / op.p));
  });
  return y;
}

Any adaptive_pool(PoolKind kind, const Any& any, const TensorType& type, Whole* index) {
  if (kind == PoolKind::average) {
    const Real& x = std::get<Real>(any);
    Real y(type);
    for_each_point(type, [&](const Point& p) {
      const Cell cell = adaptive_cell(x.type(), type, p);
      y.set(p, sum(x, cell, p) / count(cell));
    });
    return y;
  }
  return std::visit(
      [&](const auto& x) -> Any {
        std::decay_t<decltype(x)> y(type);
        for_each_point(type, [&](const Point& p) {
          const auto best = largest(x, adaptive_cell(x.type(), type, p), p);
          y.set(p, best.value);
          if (index) index->set(p, best.index);
        });
        return y;
      },
      any);
}

Expected<Any> max_unpool(const Any& any, const Whole& index, const TensorType& type) {
  const int64_t height = type.size(Axis::h), width = type.size(Axis::w);
  const int64_t positions = type.size(Axis::d) * height * width;
  std::optional<int64_t> fault;
  Any result = std::visit(
      [&](const auto& x) -> Any {
        std::decay_t<decltype(x)> y(type);
        for_each_point(x.type(), [&](const Point& p) { // of equal indices the last one stays
          const int64_t to = index.at(p);
          if (to < 0 || to >= positions) {
            if (!fault) fault = to;
            return;
          }
          y.set({.n = p.n,
                 .c = p.c,
                 .d = to / (height * width),
                 .h = to / width % height,
                 .w = to % width},
                x.at(p));
        });
        return y;
      },
      any);
  if (!fault) return result;
  return fail("max_unpool",
              fmt::format("index {} is outside the result's {} positions", *fault, positions),
              fmt::format("indices run from 0 to {}", positions - 1));
}

} // namespace volute::ir::reference
