// Named numbers that are given when a program is run: one kernel for a range of sizes or strides.
//
// A program lists its parameters in the order in which their values are given; a nest or a step
// that mentions one declares it as a variable of its own, under the same name.
#pragma once

#include "ir/affine.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace volute::ir {

/// The multiples of `multiple` from `least` to `most`, both included.
struct ParameterRange {
  int64_t least = 0;                     // the first
  int64_t most = (int64_t{1} << 31) - 1; // the last that may be
  int64_t multiple = 1;                  // of which number

  /// Whether it is one of them.
  bool contains(int64_t value) const {
    return least <= value && value <= most && value % multiple == 0;
  }
  bool operator==(const ParameterRange&) const = default;
};

/// A parameter of a program.
struct Parameter {
  std::string name;     // in the texts
  ParameterRange range; // its values
  bool operator==(const Parameter&) const = default;
};

/// The same to a nest or a step, whose table of variables has its name.
struct ParameterVar {
  Var var;              // of the nest's or the step's
  ParameterRange range; // its values
  bool operator==(const ParameterVar&) const = default;
};

/// `1 to 64`, `4 to 64, a multiple of 4`.
std::string to_string(const ParameterRange& range);
/// A line `parameter N from 1 to 64` for each; nothing for none.
std::string to_string(const std::vector<Parameter>& parameters);

/// `N is 65, not 1 to 64`, or nothing when the value is one that the parameter may have.
std::optional<std::string> fault_in(const Parameter& parameter, int64_t value);

/// `affine` over a program's parameters (Var::id is the place in the list) for given values.
int64_t evaluate(const Affine& affine, const std::vector<int64_t>& parameters);

/// The least and the most that something can be.
struct Span {
  /// Both included.
  int64_t least = 0, most = 0;
};
/// Of an expression over parameters, each taken by itself; nothing where another variable has a
/// say, or beyond 2^62.
std::optional<Span> span_of(const Affine& affine, const std::vector<ParameterVar>& parameters);
/// The same over a program's.
std::optional<Span> span_of(const Affine& affine, const std::vector<Parameter>& parameters);

} // namespace volute::ir
