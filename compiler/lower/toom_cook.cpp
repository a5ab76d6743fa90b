#include "compiler/lower/toom_cook.h"

#include <array>
#include <cmath>

namespace volute::compiler {
namespace {

constexpr std::array<double, most_toom_cook_points - 1> points = {0, 1, -1, 0.5, -2, -0.5, 2};

/// The coefficients of the product of (t - p) for the first `count` points but one, lowest first;
/// -1: but none.
std::vector<double> product_of_roots(int64_t count, int64_t but, int64_t length) {
  std::vector<double> product(static_cast<size_t>(length), 0);
  product[0] = 1;
  for (int64_t j = 0; j < count; ++j) {
    if (j == but) continue;
    for (size_t i = product.size(); i-- > 0;)
      product[i] = (i ? product[i - 1] : 0) - points[static_cast<size_t>(j)] * product[i];
  }
  for (double& coefficient : product) coefficient += 0; // no -0
  return product;
}

std::vector<double> powers(double base, int64_t count, double factor) {
  std::vector<double> all;
  for (int64_t i = 0; i < count; ++i, factor *= base) all.push_back(factor);
  return all;
}

} // namespace

ToomCook toom_cook(int64_t outputs, int64_t taps) {
  ToomCook f{outputs, taps, {}, {}, {}};
  const int64_t count = f.points(), finite = count - 1;
  f.result.assign(static_cast<size_t>(outputs), std::vector<double>(static_cast<size_t>(count), 0));
  for (int64_t p = 0; p < finite; ++p) {
    const double at = points[static_cast<size_t>(p)];
    double divisor = 1;
    for (int64_t other = 0; other < finite; ++other)
      if (other != p) divisor *= at - points[static_cast<size_t>(other)];
    f.filter.push_back(powers(at, taps, 1));
    for (double& number : f.filter.back()) number = number / divisor + 0; // no -0
    f.image.push_back(product_of_roots(finite, p, count));
    const std::vector<double> column = powers(at, outputs, 1);
    for (size_t m = 0; m < column.size(); ++m) f.result[m][static_cast<size_t>(p)] = column[m];
  }
  // Infinity: the highest coefficients alone.
  f.filter.emplace_back(static_cast<size_t>(taps), 0);
  f.filter.back().back() = 1;
  f.image.push_back(product_of_roots(finite, -1, count));
  f.result.back().back() = 1;
  return f;
}

} // namespace volute::compiler
