// Schedules: when and where the points of a nest are computed. A value, and a text one can edit.
//
//     flatten h, w                          join axes that every access walks together
//     parallel o by 32, h                   independent work items; the last one is fastest
//     for w by 14, i, kh, kw unroll         loops inside an item, outermost first
//     registers w 14, o 32 vector 16        the register tile: pixels by vectors of channels
//     pack weight                           weights in the order the loops read them
//     for h, kh, kw, i dot 4                products of bytes, added four at a time
//     for h, kh, kw, i tile 32              products of matrices, by a matrix unit
//     registers w 28 rows 14, o 32 vector 16     their sums: 2 x 2 tiles of 14 x 16
//     bypass weight                         its lines pass L1 by, which is the image's then
//     for kw, kh slide                      a row of the image loaded once for all its taps
//     registers o 3, i 16 vector 16         vectors along a sum, added up at the end
//     compute conv_0 at h by 4              what 4 rows read is computed for them, in scratch
//     compute split_x at h by 7 overlap     a row of it amid the products of the row before
//     prefetch x                            touch what the next tile reads while this one runs
//     form conv_y separable                 the algorithm that computes a statement
//
// The empty schedule is the naive nest: every axis a plain loop, in the nest's own order. Inside
// the last loop over a parallel axis a tile's accumulators stay in registers; where a loop over a
// reduction axis stands outside of that (`for i by 512, w, i`), they are partial sums that wait in
// scratch memory between its trips. A register tile's outermost axis is listed first; operands that
// do not depend on it are loaded once and held (2 weight vectors for 14 pixels, above).
#pragma once

#include "ir/diagnostic.h"
#include "ir/nest.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace volute::compiler {

struct LoopDirective {
  static constexpr int64_t full = -1;
  std::string axis;
  int64_t by = 0;     // tile size; 0: the register tile's, or 1
  int64_t unroll = 1; // copies of the body per iteration; `full` for every iteration
  bool parallel = false;
  int64_t dot = 0;    // products added so many at a time by one instruction; then the tile size too
  int64_t tile = 0;   // products of matrices, so many elements of each sum by one instruction; then
                      // the tile size too
  bool slide = false; // along the register tile: what several taps read is loaded once
  Location at = {};   // in the text
  bool operator==(const LoopDirective&) const = default;
};

struct RegisterDirective {
  std::string axis;
  int64_t size = 1;
  int64_t lanes = 0; // 0: one register an element; else vectors of so many lanes
  Location at = {};
  int64_t rows = 0; // of a matrix unit: elements of the axis that are the rows of a register
  bool operator==(const RegisterDirective&) const = default;
};

/// An operand that is packed, prefetched, or passes L1 by.
struct OperandDirective {
  std::string operand;
  Location at = {};
  bool operator==(const OperandDirective&) const = default;
};

/// Another nest computed inside this one, what a tile of an axis reads at a time (bands.h).
struct ComputeDirective {
  std::string nest, axis;
  int64_t by = 1;
  Location at = {};
  bool overlaps = false; // a row of it amid the products of a matrix unit for the row before
  bool operator==(const ComputeDirective&) const = default;
};

struct Schedule {
  std::vector<std::vector<std::string>> flatten;
  std::vector<LoopDirective> loops; // parallel ones first
  std::vector<RegisterDirective> registers;
  std::vector<OperandDirective> pack;   // `weight` is the nest's weight by any name
  std::vector<OperandDirective> bypass; // likewise
  std::vector<OperandDirective> prefetch;
  std::vector<ComputeDirective> compute;
  bool operator==(const Schedule&) const = default;
};

/// The algorithm of a statement (rewrites/form.h).
struct FormDirective {
  std::string form; // "separable"
  Location where;   // in the text
  bool operator==(const FormDirective&) const = default;
};

/// A schedule for each nest by its name; "" is for every nest that has none of its own.
struct Schedules : std::map<std::string, Schedule> {
  /// By the name that the statement's nest has in the direct form, which each of its forms keeps
  /// for the nest that writes the result.
  std::map<std::string, FormDirective> forms;
  bool operator==(const Schedules&) const = default;
};

std::string to_string(const Schedule& schedule);
/// Several nests: each under a line `nest NAME:`, behind the forms.
std::string to_string(const Schedules& schedules);

/// A schedule's text on one line, directives separated by `;`, as parse_schedules takes it too.
std::string on_one_line(std::string_view schedule);

/// Parses directives one a line or separated by `;`, `//` comments allowed. Failures name the line,
/// the directive and the rule. Nothing is checked against a nest here.
Expected<Schedules> parse_schedules(std::string_view text);

} // namespace volute::compiler
