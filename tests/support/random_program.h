// Random programs over everything that the language says: every operator, element type and layout,
// shapes that nobody would choose (primes, one pixel, windows larger than the image, strides larger
// than windows, no image at all).
#pragma once

#include "tests/support/dice.h"

#include <string>
#include <vector>

namespace volute::tests {

struct RandomProgram {
  std::vector<std::string> inputs;     // "%x: f32[n=1, c=3, w=7]"
  std::vector<std::string> statements; // "%1 = relu %0", constants too
  std::vector<std::string> results;    // names of values: "%1"

  /// With the inputs of whole_numbers, every sum is exact in the type that it is made in and every
  /// other operation is exactly rounded once: the reference and any order of the sums agree in
  /// every bit. Where it is false, they agree to within `slack`.
  bool is_exact = true;
  double slack = 0;
  /// No value is a float, so any inputs at all give exact results.
  bool is_whole = true;

  std::string text() const;
  /// The text in one line, quoted for a shell.
  std::string quoted() const;
};

/// One to four statements beside constants; always well-formed.
RandomProgram random_program(Dice& dice);

} // namespace volute::tests
