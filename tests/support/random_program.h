// Random programs over everything that is compiled: shapes that nobody would choose (primes, one
// pixel, windows larger than the image, strides larger than windows), operands in any memory order.
#pragma once

#include "tests/support/dice.h"

#include <string>
#include <vector>

namespace volute::tests {

struct RandomProgram {
  std::vector<std::string> inputs;     // "%x: f32[n=1, c=3, w=7]"
  std::vector<std::string> statements; // "%1 = relu %0", constants too
  std::vector<std::string> results;    // names of values: "%1"

  /// With inputs from -4 to 4, every sum is exact in f32 and every other operation is exactly
  /// rounded once: the reference and any order of the sums agree in every bit.
  bool is_exact = true;
  /// No result is larger, with such inputs.
  double largest = 0;

  std::string text() const;
  /// The text in one line, quoted for a shell.
  std::string quoted() const;
};

/// One to four statements beside constants; always well-formed.
RandomProgram random_program(Dice& dice);

} // namespace volute::tests
