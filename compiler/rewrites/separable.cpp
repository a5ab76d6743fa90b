#include "compiler/rewrites/separable.h"

#include "compiler/rewrites/edit.h"
#include "ir/infer.h"
#include "ir/number.h"
#include "ir/tensor_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace volute::compiler {

using ir::Axis;
using ir::ElementType;
using ir::Program;
using ir::Statement;
using ir::TensorType;
using ir::ValueId;

namespace {

// What the intermediate's way to memory and back costs a pixel, in multiply-adds: 1 measured where
// the image fits L2, 13 on 1080 x 1920. So 5 x 5 taps run as 10 (2.2 and 1.1 times as fast), 3 x 3
// as they are.
constexpr int64_t price_of_a_pass = 13;
// Taps through which factors are looked for: the search stays linear in the filter's size.
constexpr int64_t most_pivots = 64;

/// A filter of rows x columns, and the column and the row that it is the product of.
struct Filter {
  int64_t rows = 0, columns = 0;
  std::vector<double> taps;
  double at(int64_t row, int64_t column) const {
    return taps[static_cast<size_t>(row * columns + column)];
  }
};
struct Factors {
  std::vector<double> column, row;
  int64_t products = 0; // that are not 0
};

double ulp(ElementType type, double number) {
  const double size = std::abs(number);
  const int digits = type == ElementType::f32 ? 24 : 53;
  const int lowest = type == ElementType::f32 ? -149 : -1074;
  int exponent = 0;
  std::frexp(size, &exponent);
  return std::ldexp(1, std::max(exponent - digits, lowest));
}

/// Whether the product is the filter, give or take `ulps` of each tap.
bool reproduces(const Factors& f, const Filter& filter, ElementType type, double ulps) {
  for (int64_t r = 0; r < filter.rows; ++r)
    for (int64_t c = 0; c < filter.columns; ++c) {
      const double a = f.column[static_cast<size_t>(r)], b = f.row[static_cast<size_t>(c)];
      const double tap = filter.at(r, c);
      if ((a == 0 || b == 0) != (tap == 0)) return false;
      const double off = std::abs(std::fma(a, b, -tap));
      if (!(off <= ulps * ulp(type, tap))) return false;
    }
  return true;
}

/// The row of the filter through a tap that is not 0, and the ratios to the other rows.
Factors through(const Filter& filter, int64_t row, int64_t column, ElementType type) {
  Factors f;
  double largest = 0;
  for (int64_t r = 0; r < filter.rows; ++r) {
    f.column.push_back(ir::round_to(type, filter.at(r, column) / filter.at(row, column)));
    largest = std::max(largest, std::abs(f.column.back()));
  }
  // No ratio above 1, so that the first pass overflows no sooner than the filter itself.
  int exponent = 0;
  if (std::frexp(largest, &exponent) == 0.5) --exponent;
  for (double& ratio : f.column) ratio = ir::round_to(type, std::ldexp(ratio, -exponent));
  for (int64_t c = 0; c < filter.columns; ++c)
    f.row.push_back(ir::round_to(type, std::ldexp(filter.at(row, c), exponent)));
  const auto not_zero = [](double number) { return number != 0; };
  f.products = std::count_if(f.column.begin(), f.column.end(), not_zero) *
               std::count_if(f.row.begin(), f.row.end(), not_zero);
  return f;
}

/// Exact factors where there are any, else those that are exact to an ulp of each tap.
std::optional<Factors> factors(const Filter& filter, ElementType type) {
  for (double ulps : {0.0, 1.0}) {
    int64_t pivots = 0;
    for (int64_t r = 0; r < filter.rows; ++r)
      for (int64_t c = 0; c < filter.columns && pivots < most_pivots; ++c) {
        if (filter.at(r, c) == 0 || !std::isfinite(filter.at(r, c))) continue;
        ++pivots;
        Factors found = through(filter, r, c, type);
        if (reproduces(found, filter, type, ulps)) return found;
      }
  }
  return std::nullopt;
}

class Separation {
public:
  Separation(const Program& program, std::vector<std::string>& notes)
      : before_(program), after_(program), notes_(notes) {
    after_.statements.clear();
  }

  Program run() {
    for (const Statement& statement : before_.statements)
      if (!std::holds_alternative<ir::Conv>(statement.operation) || !separate(statement))
        after_.statements.push_back(statement);
    drop_unread_constants(after_);
    return std::move(after_);
  }

private:
  static bool is_whole(const TensorType& type) { return type.axes().size() == type.extents.size(); }

  bool applies(const Statement& s) const {
    const auto& conv = std::get<ir::Conv>(s.operation);
    const TensorType &x = before_.type(s.operands[0]), &w = before_.type(s.operands[1]);
    return (x.element == ElementType::f32 || x.element == ElementType::f64) &&
           conv.padding_mode == ir::PadMode::zeros && constant(before_, s.operands[1]) &&
           w.size(Axis::i) == 1 && x.has(Axis::h) && !x.has(Axis::d) && is_whole(x) &&
           is_whole(w) && is_whole(before_.type(s.results[0])) && w.elements() <= 1 << 16;
  }

  Filter filter_of(const std::vector<double>& numbers, const TensorType& w, int64_t channel) const {
    const ir::Strides strides(w);
    Filter filter{w.size(Axis::h), w.size(Axis::w), {}};
    for (int64_t r = 0; r < filter.rows; ++r)
      for (int64_t c = 0; c < filter.columns; ++c)
        filter.taps.push_back(
            numbers[static_cast<size_t>(strides.offset(Axis::o, channel) +
                                        strides.offset(Axis::h, r) + strides.offset(Axis::w, c))]);
    return filter;
  }

  bool separate(const Statement& s) {
    if (!applies(s)) return false;
    const TensorType w = before_.type(s.operands[1]);
    const std::vector<double> numbers = numbers_of(before_, s.operands[1]);
    const int64_t channels = w.size(Axis::o);
    std::vector<double> rows, columns; // of all channels: o outermost
    int64_t products = 0;
    for (int64_t o = 0; o < channels; ++o) {
      const std::optional<Factors> found = factors(filter_of(numbers, w, o), w.element);
      if (!found) return false;
      rows.insert(rows.end(), found->row.begin(), found->row.end());
      columns.insert(columns.end(), found->column.begin(), found->column.end());
      products += found->products;
    }
    const auto taps = [](const std::vector<double>& all) {
      return std::count_if(all.begin(), all.end(), [](double tap) { return tap != 0; });
    };
    if (products <= taps(rows) + taps(columns) + price_of_a_pass * channels) return false;

    const auto& conv = std::get<ir::Conv>(s.operation);
    const std::vector<ir::Window> windows = ir::windows(before_, s);
    ir::Conv along_w = conv, along_h = conv;
    along_w.stride[0] = along_h.stride[1] = along_w.dilation[0] = along_h.dilation[1] = 1;
    const auto pad = [](const ir::Window& window) {
      return std::pair(window.pad_begin, window.pad_end);
    };
    along_w.pad = {ir::Padding::Rule::numbers, {{0, 0}, pad(windows[1])}};
    along_h.pad = {ir::Padding::Rule::numbers, {pad(windows[0]), {0, 0}}};
    along_h.groups = channels;

    TensorType between = before_.type(s.results[0]);
    for (ir::Extent& extent : between.extents)
      if (extent.axis == Axis::h) extent.size = windows[0].input;
    const std::string& result = before_.name_of(s.results[0]);
    const std::string& weight = before_.name_of(s.operands[1]);
    const auto vector = [&](const char* suffix, Axis axis, const std::vector<double>& all) {
      TensorType type{w.element, {{Axis::o, channels}, {Axis::i, 1}, {Axis::h, 1}, {Axis::w, 1}}};
      type.extents[axis == Axis::h ? 2 : 3].size = w.size(axis);
      const ValueId id = add_value(after_, weight + suffix, type, s.where);
      after_.statements.push_back(constant_of(after_, id, all, s.where));
      return id;
    };
    const ValueId row = vector("_row", Axis::w, rows);
    const ValueId column = vector("_column", Axis::h, columns);
    const ValueId passed = add_value(after_, result + "_rows", between, s.where);
    after_.statements.push_back({{passed}, along_w, {s.operands[0], row}, s.where});
    Statement second{s.results, along_h, {passed, column}, s.where};
    if (s.operands.size() > 2) second.operands.push_back(s.operands[2]);
    after_.statements.push_back(std::move(second));
    notes_.push_back(
        fmt::format("conv %{}: the filter %{} is a column times a row, and runs as two "
                    "passes: {} multiply-adds instead of {}{}",
                    result, weight, taps(rows) + taps(columns), products,
                    channels > 1 ? fmt::format(" over {} channels", channels) : ""));
    return true;
  }

  const Program& before_;
  Program after_;
  std::vector<std::string>& notes_;
};

} // namespace

Program separable(const Program& program, std::vector<std::string>& notes) {
  return Separation(program, notes).run();
}

} // namespace volute::compiler
