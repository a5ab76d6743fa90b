// Operators that change an element's type, a tensor's layout or its extents.
#include "ir/reference_operators.h"
#include "ir/reference_windows.h"

#include <algorithm>
#include <cmath>

namespace volute::ir::reference {
namespace {

template <class Number>
Number entry(const std::vector<Number>& per_channel, int64_t c) {
  return per_channel.size() == 1 ? per_channel[0] : per_channel[static_cast<size_t>(c)];
}

double to_real(double value, ElementType to) { return round_to(to, value); }
double to_real(int64_t value, ElementType to) { return round_integer_to(to, value); }

int64_t to_whole(double value, ElementType from, ElementType to) {
  return saturate_to(to, round_to(computing_type(from), value));
}
int64_t to_whole(int64_t value, ElementType, ElementType to) { return wrap_to(to, value); }

/// sat(rne(scaled) + zero_point). The sum is exact where it matters: beyond 2^53 it saturates.
int64_t quantum(ElementType type, double scaled, int64_t zero_point) {
  return saturate_to(type, round_half_even(scaled) + static_cast<double>(zero_point));
}

Whole quantize(const Quantize& op, const Real& x, const TensorType& type) {
  Whole y(type);
  const ElementType computing = computing_type(x.type().element);
  for_each_point(type, [&](const Point& p) {
    const double scale = round_to(computing, entry(op.scale, p.c));
    const double quotient = round_to(computing, round_to(computing, x.at(p)) / scale);
    y.set(p, quantum(type.element, quotient, entry(op.zero_point, p.c)));
  });
  return y;
}

Whole requantize(const Quantize& op, const Whole& x, const TensorType& type) {
  Whole y(type);
  for_each_point(type, [&](const Point& p) {
    const double scale = round_to(ElementType::f32, entry(op.scale, p.c));
    const double value = round_integer_to(ElementType::f32, x.at(p));
    const double product = round_to(ElementType::f32, value * scale);
    y.set(p, quantum(type.element, product, entry(op.zero_point, p.c)));
  });
  return y;
}

Real dequantize(const Quantize& op, const Whole& x, const TensorType& type) {
  Real y(type);
  for_each_point(type, [&](const Point& p) {
    const ElementType computing = computing_type(type.element);
    const double scale = round_to(computing, entry(op.scale, p.c));
    y.set(p, round_integer_to(computing, x.at(p) - entry(op.zero_point, p.c)) * scale);
  });
  return y;
}

/// One axis of the pad operator: cropped by the negative sides first, then padded by the positive.
struct Side {
  int64_t crop_begin = 0, pad_begin = 0, cropped = 1;
  PadMode mode;
  std::optional<int64_t> operator()(int64_t output) const {
    const auto inside = source(output - pad_begin, cropped, mode);
    if (!inside) return std::nullopt;
    return *inside + crop_begin;
  }
};

struct Sides {
  Side d, h, w;
  Sides(const PadOp& op, const TensorType& x) {
    d.mode = h.mode = w.mode = op.mode;
    size_t i = 0;
    for (Axis axis : x.spatial_axes()) {
      const auto [begin, end] = op.pad.sides[i++];
      Side& side = axis == Axis::d ? d : axis == Axis::h ? h : w;
      side.crop_begin = std::max<int64_t>(-begin, 0);
      side.pad_begin = std::max<int64_t>(begin, 0);
      side.cropped = x.size(axis) - side.crop_begin - std::max<int64_t>(-end, 0);
    }
  }
};

double fill(double value, const Real&) { return value; }
int64_t fill(double value, const Whole& y) { return saturate_to(y.type().element, value); }

} // namespace

ElementType computing_type(ElementType type) {
  return type == ElementType::f64 ? ElementType::f64 : ElementType::f32;
}

Any convert(const Any& any, const TensorType& type, ElementType rounded) {
  return std::visit(
      [&](const auto& x) -> Any {
        const ElementType from = x.type().element, to = type.element;
        if (is_float(to)) {
          Real y(type);
          for_each_point(type, [&](const Point& p) { y.set(p, to_real(x.at(p), rounded)); });
          return y;
        }
        Whole y(type);
        for_each_point(type, [&](const Point& p) { y.set(p, to_whole(x.at(p), from, to)); });
        return y;
      },
      any);
}

Any quantize(const Quantize& op, const Any& x, const TensorType& type) {
  switch (op.kind) {
  case QuantKind::quantize: return quantize(op, std::get<Real>(x), type);
  case QuantKind::dequantize: return dequantize(op, std::get<Whole>(x), type);
  case QuantKind::requantize: return requantize(op, std::get<Whole>(x), type);
  }
  return x;
}

Any reorder(const Any& any, const TensorType& type) {
  return std::visit(
      [&](const auto& x) -> Any {
        std::decay_t<decltype(x)> y(type);
        for_each_point(type, [&](const Point& p) { y.set(p, x.at(p)); });
        return y;
      },
      any);
}

Any pad(const PadOp& op, const Any& any, const TensorType& type) {
  return std::visit(
      [&](const auto& x) -> Any {
        std::decay_t<decltype(x)> y(type);
        const Sides sides(op, x.type());
        for_each_point(type, [&](const Point& p) {
          const auto d = sides.d(p.d), h = sides.h(p.h), w = sides.w(p.w);
          if (d && h && w)
            y.set(p, x.at({.n = p.n, .c = p.c, .d = *d, .h = *h, .w = *w}));
          else
            y.set(p, fill(op.value, y));
        });
        return y;
      },
      any);
}

} // namespace volute::ir::reference
