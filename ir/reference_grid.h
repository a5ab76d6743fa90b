// What the reference evaluation computes with: a tensor addressed by logical coordinates, its
// elements wide enough (double or int64) to hold every element type exactly.
#pragma once

#include "ir/number.h"
#include "ir/tensor_data.h"

#include <array>
#include <variant>
#include <vector>

namespace volute::ir::reference {

/// A position along each axis, in the order of the enumeration: n, c, d, h, w, o, i. A tensor
/// ignores the axes it lacks, so that the position of a pixel also finds its channel's [c=...]
/// entry.
struct Point {
  int64_t n = 0, c = 0, d = 0, h = 0, w = 0, o = 0, i = 0;
};

/// Calls visit(Point) for every coordinate, the last axis fastest, whatever the memory order.
template <class Visit>
void for_each_point(const TensorType& type, const Visit& visit) {
  const int64_t n = type.size(Axis::n), c = type.size(Axis::c), d = type.size(Axis::d),
                h = type.size(Axis::h), w = type.size(Axis::w), o = type.size(Axis::o),
                i = type.size(Axis::i);
  Point p;
  for (p.n = 0; p.n < n; ++p.n)
    for (p.c = 0; p.c < c; ++p.c)
      for (p.d = 0; p.d < d; ++p.d)
        for (p.h = 0; p.h < h; ++p.h)
          for (p.w = 0; p.w < w; ++p.w)
            for (p.o = 0; p.o < o; ++p.o)
              for (p.i = 0; p.i < i; ++p.i) visit(static_cast<const Point&>(p));
}

template <class Number> // double for float types, int64_t for integer types
class Grid {
public:
  /// Every element zero.
  explicit Grid(TensorType type)
      : type_(std::move(type)), elements_(static_cast<size_t>(type_.elements())) {
    if (elements_.empty()) return;
    const Strides strides(type_);
    for (Axis axis : type_.axes()) {
      std::vector<int64_t>& offsets = offsets_[static_cast<size_t>(axis)];
      for (int64_t i = 0; i < type_.size(axis); ++i) offsets.push_back(strides.offset(axis, i));
    }
  }

  const TensorType& type() const { return type_; }
  int64_t size(Axis axis) const { return type_.size(axis); }

  /// Of one coordinate: its contribution to an element's offset. Offsets of all axes add up.
  int64_t offset(Axis axis, int64_t position) const {
    const std::vector<int64_t>& offsets = offsets_[static_cast<size_t>(axis)];
    return offsets.empty() ? 0 : offsets[static_cast<size_t>(position)];
  }
  int64_t offset(const Point& p) const {
    return offset(Axis::n, p.n) + offset(Axis::c, p.c) + offset(Axis::d, p.d) +
           offset(Axis::h, p.h) + offset(Axis::w, p.w) + offset(Axis::o, p.o) +
           offset(Axis::i, p.i);
  }

  Number at_offset(int64_t offset) const { return elements_[static_cast<size_t>(offset)]; }
  Number at(const Point& p) const { return at_offset(offset(p)); }

  /// Integers wrap to the width of the element type; floats keep all their digits.
  void set(const Point& p, Number value) { set_offset(offset(p), value); }
  void set_offset(int64_t offset, Number value) {
    if constexpr (std::is_integral_v<Number>) value = wrap_to(type_.element, value);
    elements_[static_cast<size_t>(offset)] = value;
  }

private:
  TensorType type_;
  std::array<std::vector<int64_t>, 7> offsets_; // by axis and position; empty for a missing axis
  std::vector<Number> elements_;                // memory order
};

using Real = Grid<double>;
using Whole = Grid<int64_t>;
using Any = std::variant<Real, Whole>;

} // namespace volute::ir::reference
