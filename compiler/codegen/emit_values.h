// One vector operation at a time: arithmetic, loads, stores and transposes as LLVM instructions.
#pragma once

#include "compiler/target.h"
#include "ir/expr.h"

#include <llvm/IR/IRBuilder.h>

namespace volute::compiler {

/// Instructions for values of `lanes` elements; a value of one lane is a scalar.
class ValueEmitter {
public:
  ValueEmitter(llvm::IRBuilder<>& builder, const Target& target) : b_(builder), target_(target) {}

  llvm::Type* type(ir::ElementType element, int32_t lanes) const;
  llvm::Value* number(ir::ElementType element, int32_t lanes, double real, int64_t integer) const;
  /// The node's operation over its operands' values, in children() order.
  llvm::Value* operation(const ir::ExprNode& node, const std::vector<llvm::Value*>& operands) const;

  /// `lanes` elements `step` elements apart; those outside [first, first + count) are not touched
  /// and are `fill`.
  llvm::Value* load(llvm::Value* pointer, ir::ElementType element, int32_t lanes, int64_t step,
                    int32_t first, int32_t count, double fill) const;
  /// The first `count` lanes.
  void store(llvm::Value* pointer, llvm::Value* value, ir::ElementType element, int64_t step,
             int32_t count) const;

  /// rows[r] lane l -> result[l] lane r. Rows that are null are undefined.
  std::vector<llvm::Value*> transpose(std::vector<llvm::Value*> rows, ir::ElementType element,
                                      int32_t lanes) const;

  void fence() const;
  void prefetch(llvm::Value* pointer) const;

private:
  llvm::Value* unary(const ir::ExprNode& node, ir::UnaryFn fn, llvm::Value* a) const;
  llvm::Value* convert(const ir::ExprNode& node, llvm::Value* a) const;
  llvm::Value* round_to_even(llvm::Value* a) const;
  llvm::Value* binary(ir::BinaryFn fn, llvm::Value* a, llvm::Value* b) const;
  llvm::Value* compare(ir::Compare compare, llvm::Value* a, llvm::Value* b) const;
  llvm::Value* mask(int32_t lanes, int32_t first, int32_t count) const;
  llvm::Value* deinterleave(llvm::Value* pointer, ir::ElementType element, int32_t lanes,
                            int64_t step, int32_t first, int32_t count, double fill) const;
  llvm::Value* at(llvm::Value* pointer, ir::ElementType element, int64_t elements) const;
  llvm::Value* opaque(llvm::Value* value) const;
  llvm::Value* shuffle(llvm::Value* a, llvm::Value* b, int32_t lanes,
                       const std::function<int(int)>& from) const;

  llvm::IRBuilder<>& b_;
  const Target& target_;
};

} // namespace volute::compiler
