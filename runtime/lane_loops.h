// Loops over lanes: one operation on a block of elements, rows of lanes, as a nest is run by
// (nest_runner.h). Compiled once for every set of vector instructions that pays, and for none.
//
// Every operation is that of ir/expr.h, one rounding each; operands and result lie apart or are the
// same lanes.
#pragma once

#include "ir/expr.h"

#include <cstdint>

namespace volute::runtime {

/// How a block holds elements: f32 with bf16 and f16, which are f32 until they are stored; f64;
/// i32 with the narrower integers; i64.
enum class LaneType : uint8_t { f32, f64, i32, i64 };

enum class LaneOp : uint8_t {
  fma,
  add,
  sub,
  mul,
  max,
  min,
  neg,
  abs,
  // of floats
  div,
  sqrt,
  rint,
  // of integers
  bit_and,
  bit_or,
  bit_xor,
  shift_left,
  shift_right,
};

/// One operand of a block: rows `row_step` elements apart, each of lanes side by side or of one
/// element for all of them.
struct LaneOperand {
  const void* data = nullptr;
  int64_t row_step = 0;
  bool is_wide = false;
};

/// `rows` times `lanes` elements, those of one row side by side.
struct LaneBlock {
  int64_t rows = 1, lanes = 1;
  void* to = nullptr;
  int64_t row_step = 0;
};

struct LaneLoops {
  /// Integers wrap.
  void (*compute)(LaneOp, LaneType, const LaneBlock&, const LaneOperand* operands);
  /// f32 to i32, which rounds to nearest even and saturates, or i32 to f32.
  void (*convert)(LaneType from, const LaneBlock&, const LaneOperand& operand);
  /// Whether it holds of two operands of a type, as i32 that is 1 or 0.
  void (*compare)(ir::Compare, LaneType, const LaneBlock&, const LaneOperand* operands);
  /// Of elements of 4 bytes, or of 8: the first operand where the third, i32, is not 0; else the
  /// second.
  void (*choose)(int64_t bytes, const LaneBlock&, const LaneOperand* operands);
  /// Elements of 4 bytes, or of 8, that lie `row_step` and `lane_step` elements apart.
  void (*gather)(const LaneBlock&, int64_t bytes, const void* from, int64_t row_step,
                 int64_t lane_step);
};

/// The best for this CPU.
const LaneLoops& lane_loops();

} // namespace volute::runtime
