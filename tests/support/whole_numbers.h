// Data for comparing ways to compute one program: whole numbers, with which every sum is exact and
// results are compared with ==, and arbitrary numbers, with which two evaluations in the same order
// are compared bit by bit.
#pragma once

#include "compiler/image/tensor_strides.h"
#include "ir/program.h"
#include "ir/tensor_data.h"
#include "tests/support/dice.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace volute::tests {

using Tensors = std::map<std::string, ir::TensorData>; // by a value's name

/// What `volute run --fill random:SEED` gives the program's inputs: whole numbers in -4..4.
Tensors whole_numbers(const ir::Program& program, uint64_t seed);

/// Normally distributed numbers, some of them special: infinities, NaN, both zeros, denormals,
/// numbers so large that their products overflow. `one_in` numbers there is a special one; 0: none.
Tensors arbitrary_numbers(const ir::Program& program, Dice& dice, int64_t one_in);

/// Whole numbers, and infinities and NaN among those of activations: sums of them are the same in
/// every order. Weights and vectors stay finite, since what padding and folding do to those that
/// are not is left open (docs/semantics.md). Nothing for a program with a constant filter, whose
/// zeros may be left out, or without floats.
std::optional<Tensors> not_finite(const ir::Program& program, uint64_t seed, Dice& dice);

/// Makes inputs what they are seen as through their strides: one element where those of several
/// places in memory are one.
void see_through(Tensors& tensors, const compiler::StridesByName& strides);

/// How close two tensors must be.
struct Closeness {
  enum class Kind : uint8_t {
    bits,   // the same bits, or both NaN
    values, // equal as numbers (so -0 is 0), or both NaN
    near,   // as numbers within `slack`
  };
  Kind kind = Kind::bits;
  double slack = 0;
};

/// "element 17 is 3, not 4 (3 of 100 differ)", or nothing when they agree.
std::optional<std::string> difference(const ir::TensorType& type,
                                      const std::vector<std::byte>& found,
                                      const std::vector<std::byte>& wanted,
                                      const Closeness& closeness);

} // namespace volute::tests
