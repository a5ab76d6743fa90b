// Registers of a matrix unit as code. Each has a number from the start to the end of its step, and
// the shape that its array says: so one configuration does for a step, the instructions name their
// registers themselves, and nothing of them is left to LLVM's allocation of registers.
#pragma once

#include "compiler/codegen/emit_address.h"
#include "compiler/target/target.h"
#include "ir/loops.h"

#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/Module.h>

#include <vector>

namespace volute::compiler {

class TileEmitter {
public:
  TileEmitter(llvm::IRBuilder<>& builder, const ir::Step& step, AddressEmitter& address,
              const Target& target);

  /// Whether the step has any.
  bool any() const { return any_; }
  /// Gives them their shapes. To be followed by `release` on every way out: what is not in use need
  /// not be saved when threads change.
  void configure(llvm::Module& module) const;
  void release() const;
  /// Throws Error where the target has no such instruction.
  void write(const ir::Tile& tile);

private:
  llvm::Value* number(const ir::TileRegister& at) const;

  llvm::IRBuilder<>& b_;
  const ir::Step& step_;
  AddressEmitter& address_;
  const Target& target_;
  std::vector<size_t> first_; // by array: the number of its first register
  bool any_ = false;
};

} // namespace volute::compiler
