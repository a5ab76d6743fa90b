// The minimal filtering algorithm F(m, r): m outputs of a filter of r taps from m + r - 1 products
// (Toom and Cook; Winograd, "Arithmetic Complexity of Computations", 1980; for convolutions Lavin
// and Gray, arXiv 1509.09308). A tile d of m + r - 1 elements of an image and a filter g, both
// polynomials, are evaluated at points, multiplied there, and what comes out is interpolated:
//
//     y = A^T ((G g) * (B^T d))
//
// One of the points is infinity. The others are 0, 1, -1, 1/2, -2, -1/2, 2, of which the first m +
// r - 2 are taken: with these the error grows the least (Barabasz, Anderson, Soodhalter, Gregg,
// arXiv 1803.10986). The numbers of A and B are sums of few powers of two, exact in f32; those of G
// have divisors such as 3 and 15.
#pragma once

#include <cstdint>
#include <vector>

namespace volute::compiler {

/// A matrix in rows.
using Matrix = std::vector<std::vector<double>>;

struct ToomCook {
  int64_t outputs = 1, taps = 1;
  int64_t points() const { return outputs + taps - 1; }
  Matrix image;  // B^T: points x points
  Matrix filter; // G: points x taps
  Matrix result; // A^T: outputs x points
};

/// The most points for which there are numbers.
constexpr int64_t most_toom_cook_points = 8;

ToomCook toom_cook(int64_t outputs, int64_t taps);

} // namespace volute::compiler
