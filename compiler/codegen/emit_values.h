// One vector operation at a time: arithmetic, conversions, loads, stores and transposes as LLVM
// instructions, for values of every element type.
//
// LLVM does not know all that an element type says: u8 and i8 are both its i8, so whoever compares,
// divides, shifts or widens asks the ElementType. f16 and bf16 are held as their bits, in i16: what
// LLVM does by itself with its types half and bfloat is a call into a library where the target has
// no instruction, and flushes denormals where it has vcvtneps2bf16. Arithmetic on them widens,
// computes in f32, and rounds; f32 has more than twice their digits, so that rounding twice gives
// what rounding once would.
#pragma once

#include "compiler/target/target.h"
#include "ir/expr.h"
#include "ir/real_range.h"

#include <llvm/IR/IRBuilder.h>

#include <functional>
#include <vector>

namespace volute::compiler {

/// Instructions for values of `lanes` elements; a value of one lane is a scalar.
class ValueEmitter {
public:
  ValueEmitter(llvm::IRBuilder<>& builder, const Target& target) : b_(builder), target_(target) {}

  llvm::Type* type(ir::ElementType element, int32_t lanes) const;
  llvm::Value* number(ir::ElementType element, int32_t lanes, double real, int64_t integer) const;
  /// base, base + step, base + 2 * step, ... of an integer type; `base` is an i64.
  llvm::Value* count_up(ir::ElementType element, int32_t lanes, llvm::Value* base,
                        int64_t step) const;
  /// The node's operation over its operands' values, in children() order.
  llvm::Value* operation(const ir::ExprNode& node, const std::vector<llvm::Value*>& operands) const;

  /// `lanes` elements `step` elements apart; those outside [first, first + count) are not touched
  /// and are `fill`.
  llvm::Value* load(llvm::Value* pointer, ir::ElementType element, int32_t lanes, int64_t step,
                    int32_t first, int32_t count, double fill) const;
  /// The first `count` lanes.
  void store(llvm::Value* pointer, llvm::Value* value, ir::ElementType element, int64_t step,
             int32_t count) const;

  /// rows[r] lane l -> result[l] lane r, in `to_lanes` lanes, at least as many as there are rows.
  /// Lanes from rows.size() on are undefined.
  std::vector<llvm::Value*> transpose(std::vector<llvm::Value*> rows, ir::ElementType element,
                                      int32_t lanes, int32_t to_lanes) const;

  void fence() const;
  /// Computes the values before anything that comes after: they go through an instruction that is
  /// none. Left alone where they are no vectors of the target, or too many for its registers.
  void finish(const std::vector<llvm::Value**>& values) const;
  void prefetch(llvm::Value* pointer) const;

private:
  // emit_values.cpp
  llvm::Value* unary(const ir::ExprNode& node, const ir::UnaryOp& op, llvm::Value* a) const;
  llvm::Value* binary(ir::ElementType type, ir::BinaryFn fn, llvm::Value* a, llvm::Value* b) const;
  llvm::Value* divide(ir::ElementType type, llvm::Value* a, llvm::Value* b) const;
  llvm::Value* shift(ir::ElementType type, ir::BinaryFn fn, llvm::Value* a, llvm::Value* b) const;
  llvm::Value* compare(ir::ElementType type, ir::Compare compare, llvm::Value* a,
                       llvm::Value* b) const;
  llvm::Value* fma(ir::ElementType type, llvm::Value* a, llvm::Value* b, llvm::Value* c) const;
  llvm::Value* sum_to_odd(llvm::Value* p, llvm::Value* c) const;

  // emit_convert.cpp
  llvm::Value* convert(ir::ElementType to, ir::ElementType from, llvm::Value* a,
                       const ir::RealRange& range = {}) const; // what a float `a` can be
  llvm::Value* round_to_even(llvm::Value* a) const;
  llvm::Value* widened(ir::ElementType narrow, llvm::Value* bits) const;
  llvm::Value* narrowed(ir::ElementType narrow, llvm::Value* single) const;
  llvm::Value* f16_to_f32(llvm::Value* bits) const;
  llvm::Value* f32_to_f16(llvm::Value* single) const;
  llvm::Value* f32_to_bf16(llvm::Value* single) const;
  bool has_bf16_instruction_for(const llvm::Value* single) const;
  llvm::Value* has_no_exponent(llvm::Value* bits) const;
  llvm::Value* vector_to_bf16(llvm::Value* single) const;
  llvm::Value* flushed_to_bf16(llvm::Value* single) const;
  llvm::Value* cut_to_bf16(llvm::Value* single) const;
  llvm::Value* by_bf16_instruction(llvm::Value* single) const;
  llvm::Value* f64_to_odd_f32(llvm::Value* wide) const;
  llvm::Value* i64_to_odd_f64(llvm::Value* integer) const;
  llvm::Value* integer_to_real(ir::ElementType to, ir::ElementType from, llvm::Value* a) const;
  llvm::Value* real_to_integer(ir::ElementType to, llvm::Value* a,
                               const ir::RealRange& range) const;
  llvm::Value* nearest_i32(llvm::Value* a) const;

  // emit_dot.cpp
  llvm::Value* dot(const ir::ExprNode& node, const ir::Dot& op,
                   const std::vector<llvm::Value*>& operands) const;
  llvm::Value* dot_of_bytes(const ir::Dot& op, llvm::Value* acc, llvm::Value* a,
                            llvm::Value* b) const;
  llvm::Value* dot_of_bf16(llvm::Value* acc, llvm::Value* a, llvm::Value* b) const;
  llvm::Value* fma_of_bf16(llvm::Value* a, llvm::Value* b, llvm::Value* acc) const;
  int32_t words_per_vector() const;

  // emit_memory.cpp
  bool has_masks_for(ir::ElementType element) const;
  llvm::Value* mask(int32_t lanes, int32_t first, int32_t count) const;
  llvm::Value* load_runs(llvm::Value* pointer, ir::ElementType element, int32_t lanes,
                         int32_t first, int32_t count, llvm::Value* rest) const;
  llvm::Value* deinterleave(llvm::Value* pointer, ir::ElementType element, int32_t lanes,
                            int64_t step, int32_t first, int32_t count, llvm::Value* rest) const;
  llvm::Value* at(llvm::Value* pointer, ir::ElementType element, int64_t elements) const;

  // emit_shuffle.cpp
  llvm::Value* repeated(llvm::Value* group, int32_t lanes) const;
  llvm::Value* opaque(llvm::Value* value) const;
  llvm::Value* shuffle(llvm::Value* a, llvm::Value* b, int32_t lanes,
                       const std::function<int(int)>& from) const;
  std::vector<llvm::Value*> transpose_square(std::vector<llvm::Value*> rows, int32_t lanes) const;
  std::vector<llvm::Value*> transpose_blocks(std::vector<llvm::Value*> v, int block) const;
  llvm::Value* resized(llvm::Value* value, int32_t lanes, bool zeros) const;
  /// `fn` on `part` lanes at a time of operands that all have the same number of them; the last
  /// part is filled up with zeros.
  llvm::Value*
  by_parts(const std::vector<llvm::Value*>& operands, int32_t part,
           const std::function<llvm::Value*(const std::vector<llvm::Value*>&)>& fn) const;

  llvm::IRBuilder<>& b_;
  const Target& target_;
};

/// Of a vector; 1 for a scalar.
int32_t lanes_of(const llvm::Value* value);

} // namespace volute::compiler
