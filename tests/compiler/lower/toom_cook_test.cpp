#include "compiler/lower/toom_cook.h"
#include "tests/support/catch.h"
#include "tests/support/dice.h"

#include <cmath>
#include <vector>

using namespace volute;
using compiler::Matrix;
using compiler::toom_cook;
using compiler::ToomCook;

namespace {

std::vector<double> product(const Matrix& m, const std::vector<double>& v) {
  std::vector<double> result;
  for (const std::vector<double>& row : m) {
    REQUIRE(row.size() == v.size());
    result.push_back(0);
    for (size_t i = 0; i < v.size(); ++i) result.back() += row[i] * v[i];
  }
  return result;
}

bool is_exact_in_f32(double number) {
  return static_cast<double>(static_cast<float>(number)) == number;
}

} // namespace

TEST_CASE("outputs of a filter come from as many products as there are points") {
  tests::Dice dice(1);
  for (int64_t outputs = 1; outputs <= 7; ++outputs)
    for (int64_t taps = 1; outputs + taps - 1 <= compiler::most_toom_cook_points; ++taps) {
      if (outputs * taps == 1) continue; // one product, which needs no points
      const ToomCook f = toom_cook(outputs, taps);
      REQUIRE(f.points() == outputs + taps - 1);
      std::vector<double> tile, filter;
      for (int64_t i = 0; i < f.points(); ++i) tile.push_back(dice.normal());
      for (int64_t i = 0; i < taps; ++i) filter.push_back(dice.normal());
      std::vector<double> at_points = product(f.image, tile);
      const std::vector<double> of_filter = product(f.filter, filter);
      for (size_t p = 0; p < at_points.size(); ++p) at_points[p] *= of_filter[p];
      const std::vector<double> found = product(f.result, at_points);
      INFO("F(" << outputs << ", " << taps << ")");
      for (size_t m = 0; m < found.size(); ++m) {
        double wanted = 0;
        for (size_t k = 0; k < filter.size(); ++k) wanted += filter[k] * tile[m + k];
        CHECK(std::abs(found[m] - wanted) < 1e-10);
      }
    }
}

TEST_CASE("what images and results are multiplied by is exact in f32") {
  for (const auto& [outputs, taps] : {std::pair(2, 3), {4, 3}, {6, 3}, {4, 5}, {2, 5}}) {
    const ToomCook f = toom_cook(outputs, taps);
    for (const Matrix* matrix : {&f.image, &f.result})
      for (const std::vector<double>& row : *matrix)
        for (const double number : row) CHECK(is_exact_in_f32(number));
  }
}

TEST_CASE("F(2, 3) is that of Winograd's paper, up to the sign of a row") {
  const ToomCook f = toom_cook(2, 3);
  CHECK(f.image == Matrix{{-1, 0, 1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, -1, 0, 1}});
  CHECK(f.filter == Matrix{{-1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}});
  CHECK(f.result == Matrix{{1, 1, 1, 0}, {0, 1, -1, 1}});
}
