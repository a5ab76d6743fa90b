#include "tools/preview.h"

#include "ir/number.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace volute::tools {
namespace {

constexpr int64_t shown_whole = 1000; // elements; above, axes are cut
constexpr int64_t shown_at_ends = 3;
constexpr int most_decimals = 4;

// One way of writing for all the numbers shown, so that they stand in columns.
struct Style {
  bool scientific = false;
  int decimals = 0;
};

class Preview {
public:
  explicit Preview(const runtime::TensorView& tensor)
      : tensor_(tensor), type_(tensor.type()), is_cut_(type_.elements() > shown_whole) {
    for (const ir::Extent& extent : type_.extents) sizes_.push_back(extent.size);
  }

  std::string text() {
    if (type_.elements() == 0) return "[]\n";
    collect(0, 0);
    choose_style();
    for (const double value : shown_) width_ = std::max(width_, written(value).size());
    std::string text;
    append(text, 0, 0);
    return text + "\n";
  }

private:
  double element(int64_t at) const {
    const std::byte* place = tensor_.data() + at * ir::size_of(type_.element);
    return ir::is_float(type_.element)
               ? ir::read_real(place, type_.element)
               : static_cast<double>(ir::read_integer(place, type_.element));
  }
  std::string written(int64_t at) const {
    if (ir::is_float(type_.element)) return written(element(at));
    return std::to_string(
        ir::read_integer(tensor_.data() + at * ir::size_of(type_.element), type_.element));
  }
  std::string written(double value) const {
    if (!ir::is_float(type_.element)) return fmt::format("{:.0f}", value);
    if (std::isnan(value)) return "nan"; // its sign says nothing
    if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
    if (style_.scientific) return fmt::format("{:.{}e}", value, most_decimals);
    return fmt::format("{:#.{}f}", value, style_.decimals);
  }

  /// Positions along an axis that are shown; -1 stands for those in between.
  std::vector<int64_t> positions(size_t axis) const {
    std::vector<int64_t> all;
    const int64_t size = sizes_[axis];
    const bool cut = is_cut_ && size > 2 * shown_at_ends;
    for (int64_t i = 0; i < size; ++i) {
      if (cut && i == shown_at_ends) {
        all.push_back(-1);
        i = size - shown_at_ends;
      }
      all.push_back(i);
    }
    return all;
  }

  void collect(size_t axis, int64_t offset) {
    if (axis == sizes_.size()) {
      shown_.push_back(element(offset));
      return;
    }
    for (const int64_t i : positions(axis))
      if (i >= 0) collect(axis + 1, offset * sizes_[axis] + i);
  }

  void choose_style() {
    double largest = 0, smallest = INFINITY;
    for (const double value : shown_) {
      if (!std::isfinite(value) || value == 0) continue;
      largest = std::max(largest, std::abs(value));
      smallest = std::min(smallest, std::abs(value));
    }
    const bool whole = std::all_of(shown_.begin(), shown_.end(), [](double value) {
      return !std::isfinite(value) || value == std::trunc(value);
    });
    style_.scientific = largest >= 1e8 || (!whole && (smallest < 1e-4 || largest / smallest > 1e6));
    if (style_.scientific) return;
    // As few decimals as tell these numbers as well as the most would.
    for (const double value : shown_) {
      if (!std::isfinite(value)) continue;
      std::string text = fmt::format("{:.{}f}", value, most_decimals);
      while (text.back() == '0') text.pop_back();
      const auto decimals = static_cast<int>(text.size() - text.find('.') - 1);
      style_.decimals = std::max(style_.decimals, decimals);
    }
  }

  void append(std::string& text, size_t axis, int64_t offset) const {
    if (axis == sizes_.size()) {
      text += fmt::format("{:>{}}", written(offset), width_);
      return;
    }
    text += '[';
    bool is_first = true;
    for (const int64_t i : positions(axis)) {
      if (!is_first) {
        if (axis + 1 == sizes_.size()) text += ' ';
        // Blocks of two and more axes stand apart by blank lines.
        else
          text += std::string(sizes_.size() - axis - 1, '\n') + std::string(axis + 1, ' ');
      }
      is_first = false;
      if (i < 0)
        text += "...";
      else
        append(text, axis + 1, offset * sizes_[axis] + i);
    }
    text += ']';
  }

  const runtime::TensorView& tensor_;
  const ir::TensorType& type_;
  const bool is_cut_;
  std::vector<int64_t> sizes_;
  std::vector<double> shown_;
  Style style_;
  size_t width_ = 0;
};

std::string number(double value) {
  return value == std::trunc(value) && std::abs(value) < 1e15 ? fmt::format("{:.0f}", value)
                                                              : fmt::format("{:.6g}", value);
}

std::string statistics(const runtime::TensorView& tensor) {
  const ir::TensorType& type = tensor.type();
  const int64_t count = type.elements();
  double smallest = INFINITY, largest = -INFINITY, sum = 0;
  int64_t not_numbers = 0;
  for (int64_t i = 0; i < count; ++i) {
    const std::byte* at = tensor.data() + i * ir::size_of(type.element);
    const double value = ir::is_float(type.element)
                             ? ir::read_real(at, type.element)
                             : static_cast<double>(ir::read_integer(at, type.element));
    if (std::isnan(value)) {
      ++not_numbers;
      continue;
    }
    smallest = std::min(smallest, value);
    largest = std::max(largest, value);
    sum += value;
  }
  if (count == 0) return "no elements\n";
  if (not_numbers == count) return "every element is NaN\n";
  std::string text = fmt::format("min {}, max {}, mean {}", number(smallest), number(largest),
                                 number(sum / static_cast<double>(count - not_numbers)));
  if (not_numbers > 0) text += fmt::format(", {} NaN left out", not_numbers);
  return text + "\n";
}

} // namespace

std::string preview(const runtime::TensorView& tensor) {
  return Preview(tensor).text() + statistics(tensor);
}

} // namespace volute::tools
