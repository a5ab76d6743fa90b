// The cases that generate.py wrote: a program, the rules that fill its inputs, and what PyTorch
// makes of them. README.md has the format.
#pragma once

#include "tests/support/whole_numbers.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace volute::tests {

/// One result as PyTorch computed it.
struct TorchResult {
  std::string name, type;
  std::vector<int64_t> whole; // the elements of an integer type, in memory order
  std::vector<double> real;   // of a float type
  /// How far a kernel may be off, in units in the last place of the larger of an element and
  /// `scale`. 0: nothing.
  double ulps = 0, scale = 0;
  bool only_type = false; // the elements are of no interest: there are too many
};

struct TorchCase {
  int64_t number = 0;
  std::string source;                                     // where it was published, or nothing
  std::string text;                                       // of the program
  std::vector<std::pair<std::string, std::string>> rules; // of each input, in order
  std::vector<TorchResult> results;
};

/// Every case of tests/torch/<family>.txt. Throws std::runtime_error, naming the line at fault.
std::vector<TorchCase> read_torch_cases(const std::string& family);

/// The values of the inputs, as generate.py filled them.
Tensors torch_inputs(const TorchCase& one, const ir::Program& program);

/// What is compared: the reference computes in double and rounds once; a kernel may be off by what
/// the case allows, and by one rounding more where narrow floats are stored.
enum class Computed : uint8_t { by_reference, by_kernel };

/// "element 17 is 3, not 4 (3 of 100 differ)", or nothing when it is what PyTorch computed.
std::string difference(const TorchResult& wanted, const ir::TensorType& type,
                       const std::vector<std::byte>& found, Computed computed);

} // namespace volute::tests
