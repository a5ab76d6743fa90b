// Numbers that a loop reads from memory instead of keeping them in registers.
//
// LLVM takes what does not change out of all loops and into registers, the twenty numbers of a gelu
// for instance: where a tile's sums need these, it is the sums that go onto the stack, in the
// innermost loop. Beyond a `fence numbers` they are read through a pointer that LLVM knows nothing
// of, mostly as the operand in memory of the instruction that uses them.
#pragma once

#include <llvm/IR/IRBuilder.h>

#include <cstdint>
#include <string>
#include <vector>

namespace volute::compiler {

/// The numbers of 32 bits of one step.
class NumberPool {
public:
  NumberPool(llvm::IRBuilder<>& b, std::string name) : b_(b), name_(std::move(name)) {}

  /// A pointer to them, from here on.
  llvm::Value* pointer();
  /// The number with these bits in every lane of `type`, read through a pointer of these.
  llvm::Value* read(llvm::Value* pointer, llvm::Type* type, uint32_t bits);
  /// Makes them data of the module, once all are known.
  void finish();

private:
  llvm::IRBuilder<>& b_;
  std::string name_;
  llvm::GlobalVariable* stand_in_ = nullptr; // until their count is known
  std::vector<uint32_t> numbers_;
};

} // namespace volute::compiler
