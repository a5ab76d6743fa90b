// What is found out about a nest once, so that it can be run without code (nest_runner.h): which of
// its axes make a block, how everything that it reads and writes moves along them, and each of its
// expressions as a list of operations on lanes.
//
// Not installed: nest_runner.cpp runs by it.
#pragma once

#include "ir/expr.h"
#include "ir/nest.h"
#include "runtime/lane_loops.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace volute::runtime {

inline int64_t lane_bytes(LaneType type) {
  return type == LaneType::f64 || type == LaneType::i64 ? 8 : 4;
}

inline ir::Scalar read_lane(const std::byte* at, LaneType type) {
  const auto as = [&](auto value) { return std::memcpy(&value, at, sizeof value), value; };
  switch (type) {
  case LaneType::f32: return {as(float()), 0};
  case LaneType::f64: return {as(double()), 0};
  case LaneType::i32: return {0, as(int32_t())};
  default: return {0, as(int64_t())};
  }
}

inline void write_lane(std::byte* at, LaneType type, ir::Scalar value) {
  const auto put = [&](auto number) { std::memcpy(at, &number, sizeof number); };
  switch (type) {
  case LaneType::f32: return put(static_cast<float>(value.real));
  case LaneType::f64: return put(value.real);
  case LaneType::i32: return put(static_cast<int32_t>(value.integer));
  default: return put(value.integer);
  }
}

/// All that is decided before a nest's first run. What lies at a place in a thread's scratch is so
/// many bytes behind its begin.
struct NestPlan {
  /// An affine expression: its value at the first element of a block, and what it gains by a row
  /// and by a lane.
  struct Walked {
    std::vector<std::pair<size_t, int64_t>> terms;
    int64_t constant = 0, by_row = 0, by_lane = 0;

    int64_t at(const int64_t* values) const {
      int64_t sum = constant;
      for (const auto& [var, coefficient] : terms) sum += coefficient * values[var];
      return sum;
    }
  };

  struct Looked { // stride * table[at]
    const std::vector<int64_t>* table;
    Walked at;
    int64_t stride;
  };

  /// Where an access lands in memory, in elements.
  struct Place {
    int32_t slot = -1;                // of the call's buffers, or
    const std::byte* table = nullptr; // constant data
    ir::ElementType element = ir::ElementType::f32;
    Walked at;
    std::vector<Looked> looked;
  };

  struct Inside { // 0 <= value < extent
    Walked value;
    int64_t extent;
  };

  /// One node of an expression.
  struct Op {
    enum class Kind : uint8_t {
      constant,
      lie,         // elements that are read where they lie
      gather,      // whole elements that lie apart
      fetch,       // elements that are read one by one: narrow ones, or by a table
      position,    // a number of the element's place
      accumulator, // as it is
      loops,       // LaneLoops::compute
      same,        // the very lanes of its operand
      convert,     // LaneLoops::convert
      select,      // LaneLoops::compare and choose
      apply        // whatever is left, lane by lane
    };
    Kind kind = Kind::apply;
    const ir::ExprNode* node = nullptr;
    LaneType type = LaneType::f32;
    LaneOp op = LaneOp::add;
    bool by_row = false, by_lane = false; // what its value differs by
    size_t from[4] = {};                  // operands
    size_t operands = 0;
    Place place;  // of what is read
    Walked value; // of a position
    size_t accumulator = 0;
    std::byte number[8] = {}; // of a constant
    int64_t lanes_at = 0;     // in the scratch, where its lanes are
    int64_t mask_at = 0;      // and where what a select goes by is
  };

  /// Expressions that are evaluated together, each node once.
  struct Tape {
    std::vector<Op> ops;
    std::vector<size_t> results;
    int64_t values_at = 0; // in the scratch: a LaneOperand for each op
  };

  struct Output {
    Place place;
    size_t value = 0;             // among the results of the tape
    std::optional<size_t> offset; // of scattered ones
    int64_t extent = 0;
  };

  struct Axis {
    size_t var;
    int64_t extent;
  };

  ir::Nest nest; // keeps expressions and tables alive
  std::vector<std::shared_ptr<const std::vector<std::byte>>> tables;
  std::optional<Axis> row, lane; // the axes of a block
  int64_t rows = 1, lanes = 1;   // of a whole one
  std::vector<Axis> outer;       // the other parallel axes
  std::vector<Axis> reduction;
  std::vector<Inside> constraints, domain;
  Tape initial, update, value; // run one after the other, in one part of the scratch
  std::vector<LaneType> accumulators;
  std::vector<int64_t> accumulators_at;
  std::vector<Output> outputs;
  size_t variables = 0;
  int64_t blocks = 1;
  bool in_order = false; // one after the other, as one piece of work
  int64_t scratch_bytes = 0;
  const LaneLoops* loops = nullptr;
};

/// For a nest that has passed verify; the rest as NestRunner::make has it.
Expected<std::unique_ptr<const NestPlan>> plan_nest(const ir::Nest& nest,
                                                    const std::vector<ir::Buffer>& buffers,
                                                    const std::vector<int32_t>& slots);

} // namespace volute::runtime
