// How far rounding may move the result of one statement.
#pragma once

#include "ir/program.h"
#include "ir/tensor_data.h"

#include <map>
#include <string>
#include <vector>

namespace volute::bench {

/// A value of the program in double, and a bound on how far a kernel's value may be from it. Both
/// are f64 tensors in the memory order of the value's type.
struct Uncertain {
  ir::TensorData value;
  ir::TensorData error;
};

/// How a convolution is computed where that is no direct sum: its errors in multiples of a direct
/// sum's, and how far apart along each axis results are that have roundings in common. Within that
/// distance the largest bound of a direct sum counts, so many times. It says what a form states
/// (compiler/rewrites/form.h), no more: worst cases of such algorithms allow anything.
struct Algorithm {
  double error = 1;
  int64_t reach = 0;
  bool keeps_whole_numbers = true;
  /// Whether operands are taken as sums of bf16, by instructions that take denormal numbers for 0.
  bool has_parts = false;
};
using Algorithms = std::map<std::string, Algorithm>; // by the name of the value that is made

/// The error of each result of a statement, given its operands and the values of its results; with
/// `flushed`, each number on the way that would be denormal may be 0 instead.
Expected<std::vector<ir::TensorData>> error_bounds(const ir::Program& program,
                                                   const ir::Statement& statement,
                                                   const std::vector<const Uncertain*>& operands,
                                                   const std::vector<const ir::TensorData*>& values,
                                                   bool flushed = false,
                                                   const Algorithm* algorithm = nullptr);

} // namespace volute::bench
