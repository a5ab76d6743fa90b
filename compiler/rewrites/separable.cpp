#include "compiler/rewrites/separable.h"

#include "compiler/rewrites/edit.h"
#include "ir/diagnostic.h"
#include "ir/infer.h"
#include "ir/number.h"
#include "ir/tensor_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace volute::compiler {

using ir::Axis;
using ir::ElementType;
using ir::Program;
using ir::Statement;
using ir::TensorType;
using ir::ValueId;

namespace {

// Taps through which factors are looked for: the search stays linear in the filter's size.
constexpr int64_t most_pivots = 64;
constexpr int64_t most_weights = 1 << 16;

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

/// The greatest common divisor of whole numbers; 1 where they are none.
double common_divisor(const std::vector<double>& numbers) {
  int64_t divisor = 0;
  for (const double number : numbers) {
    if (number != std::trunc(number) || std::abs(number) > 1 << 24) return 1;
    divisor = std::gcd(divisor, static_cast<int64_t>(number));
  }
  return static_cast<double>(std::max<int64_t>(divisor, 1));
}

/// The row of the filter through a tap that is not 0, and the ratios to the other rows. Of a filter
/// of whole numbers the row is made as small as it gets, and then the ratios are whole numbers too.
Factors through(const Filter& filter, int64_t row, int64_t column, ElementType type) {
  Factors f;
  for (int64_t c = 0; c < filter.columns; ++c) f.row.push_back(filter.at(row, c));
  const double divisor = common_divisor(f.row);
  for (double& tap : f.row) tap /= divisor;
  double largest = 0;
  for (int64_t r = 0; r < filter.rows; ++r) {
    f.column.push_back(
        ir::round_to(type, filter.at(r, column) / f.row[static_cast<size_t>(column)]));
    largest = std::max(largest, std::abs(f.column.back()));
  }
  // No ratio above 1, so that the first pass overflows no sooner than the filter itself.
  int exponent = 0;
  if (std::frexp(largest, &exponent) == 0.5) --exponent;
  for (double& ratio : f.column) ratio = ir::round_to(type, std::ldexp(ratio, -exponent));
  for (double& tap : f.row) tap = ir::round_to(type, std::ldexp(tap, exponent));
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

bool is_whole(const TensorType& type) { return type.axes().size() == type.extents.size(); }

Filter filter_of(const std::vector<double>& numbers, const TensorType& w, int64_t channel) {
  const ir::Strides strides(w);
  Filter filter{w.size(Axis::h), w.size(Axis::w), {}};
  for (int64_t r = 0; r < filter.rows; ++r)
    for (int64_t c = 0; c < filter.columns; ++c)
      filter.taps.push_back(
          numbers[static_cast<size_t>(strides.offset(Axis::o, channel) +
                                      strides.offset(Axis::h, r) + strides.offset(Axis::w, c))]);
  return filter;
}

/// Of each output channel of a weight that is a constant.
Expected<std::vector<Factors>> factors_of(const TensorType& w, const std::vector<double>& numbers,
                                          const std::string& name) {
  std::vector<Factors> all;
  for (int64_t o = 0; o < w.size(Axis::o); ++o) {
    std::optional<Factors> found = factors(filter_of(numbers, w, o), w.element);
    if (!found)
      return fail("", w.size(Axis::o) == 1
                          ? fmt::format("its filter %{} is no column times a row", name)
                          : fmt::format("of its filters %{}, that of channel {} is no column times "
                                        "a row",
                                        name, o));
    all.push_back(std::move(*found));
  }
  return all;
}

} // namespace

std::optional<std::string> separable_obstacle(const Program& program, const Statement& statement,
                                              const Target& /*target*/) {
  const auto* conv = std::get_if<ir::Conv>(&statement.operation);
  if (!conv) return "it is no convolution";
  const ValueId weight = statement.operands[1];
  const TensorType &x = program.type(statement.operands[0]), &w = program.type(weight);
  if (x.element != ElementType::f32 && x.element != ElementType::f64)
    return fmt::format("its elements are {}, not f32 or f64", to_string(x.element));
  if (!constant(program, weight))
    return fmt::format("its filter %{} is not a constant", program.name_of(weight));
  if (!x.has(Axis::h) || x.has(Axis::d)) return "its image is not of two dimensions";
  if (w.size(Axis::i) != 1) return fmt::format("it sums over {} input channels", w.size(Axis::i));
  if (w.size(Axis::h) == 1 || w.size(Axis::w) == 1)
    return fmt::format("its filter is {} x {}, one pass already", w.size(Axis::h), w.size(Axis::w));
  if (conv->padding_mode != ir::PadMode::zeros) return "its padding is not of zeros";
  if (!is_whole(x) || !is_whole(w) || !is_whole(program.type(statement.results[0])))
    return "a type of it has split axes";
  if (w.elements() > most_weights)
    return fmt::format("it has {} weights, more than {}", w.elements(), most_weights);
  const Expected<std::vector<Factors>> found =
      factors_of(program.type(weight), numbers_of(program, weight), program.name_of(weight));
  if (!found) return found.diagnostics().front().message;
  return std::nullopt;
}

double separable_error(const Program& program, const Statement& statement) {
  const TensorType& w = program.type(statement.operands[1]);
  const auto rows = static_cast<double>(w.size(Axis::h)),
             columns = static_cast<double>(w.size(Axis::w));
  // The variance of a sum of n products, each step rounded, grows with n * n: that of `columns` and
  // then of `rows` is 1 / rows + 1 / columns of that of all taps. Largest errors of 4000 pixels
  // each are up to 1.4 times as far apart (measured from 2 x 2 to 21 x 21), taps that the factors
  // meet to an ulp included.
  return 1.75 * std::sqrt(1 / rows + 1 / columns);
}

void separable(Edit& edit, ValueId result) {
  const Statement s = *edit.definition(result);
  const auto& conv = std::get<ir::Conv>(s.operation);
  const TensorType w = edit.type(s.operands[1]);
  const int64_t channels = w.size(Axis::o);
  std::vector<double> rows, columns; // of all channels: o outermost
  const std::string weight = edit.name_of(s.operands[1]);
  for (const Factors& f : factors_of(w, edit.numbers_of(s.operands[1]), weight).value()) {
    rows.insert(rows.end(), f.row.begin(), f.row.end());
    columns.insert(columns.end(), f.column.begin(), f.column.end());
  }

  const std::vector<ir::Window> windows = ir::windows(edit.program(), s);
  ir::Conv along_w = conv, along_h = conv;
  along_w.stride[0] = along_h.stride[1] = along_w.dilation[0] = along_h.dilation[1] = 1;
  const auto pad = [](const ir::Window& window) {
    return std::pair(window.pad_begin, window.pad_end);
  };
  along_w.pad = {ir::Padding::Rule::numbers, {{0, 0}, pad(windows[1])}};
  along_h.pad = {ir::Padding::Rule::numbers, {pad(windows[0]), {0, 0}}};
  along_h.groups = channels;

  std::vector<Statement> passes;
  const auto vector = [&](const char* suffix, Axis axis, const std::vector<double>& all) {
    TensorType type{w.element, {{Axis::o, channels}, {Axis::i, 1}, {Axis::h, 1}, {Axis::w, 1}}};
    type.extents[axis == Axis::h ? 2 : 3].size = w.size(axis);
    const ValueId id = edit.add_value(weight + suffix, type, s.where);
    passes.push_back(edit.constant_of(id, all, s.where));
    return id;
  };
  const ValueId row = vector("_row", Axis::w, rows);
  const ValueId column = vector("_column", Axis::h, columns);
  TensorType between = edit.type(result);
  for (ir::Extent& extent : between.extents)
    if (extent.axis == Axis::h) extent.size = windows[0].input;
  const ValueId passed = edit.add_value(edit.name_of(result) + "_rows", between, s.where);
  passes.push_back({{passed}, along_w, {s.operands[0], row}, s.where});
  passes.push_back({s.results, along_h, {passed, column}, s.where});
  if (s.operands.size() > 2) passes.back().operands.push_back(s.operands[2]);

  edit.replace(result, std::move(passes));
}

} // namespace volute::compiler
