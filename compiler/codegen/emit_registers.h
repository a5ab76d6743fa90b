// What register arrays hold while a step is written: which of them loops carry, and their values.
#pragma once

#include "compiler/codegen/emit_address.h"
#include "ir/loops.h"

#include <llvm/IR/IRBuilder.h>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace volute::compiler {

/// Registers that a loop's body reads before it has certainly set them, and sets: what the loop
/// carries in phis. Unrolled loops are followed copy by copy, what may not run sets nothing for
/// certain.
class CarriedRegisters {
public:
  /// `address` knows the unrolled variables around the body; inside, it is told and forgets again.
  CarriedRegisters(const ir::Step& step, AddressEmitter& address);
  void follow(const ir::Stmt& s);
  bool contain(size_t array, size_t place) const {
    const Use& use = uses_[array][place];
    return use.is_read_before_set && use.is_assigned;
  }

private:
  struct Use {
    bool is_set = false, is_read_before_set = false, is_assigned = false;
  };
  void follow_loop(const ir::For& loop);
  void follow_transpose(const ir::Transpose& turn);
  void follow_uncertain(const ir::Stmt& body);
  void read(const ir::Expr& e);
  void read(int32_t array, const std::vector<ir::Affine>& index);
  void assign(int32_t array, const std::vector<ir::Affine>& index);

  const ir::Step& step_;
  AddressEmitter& address_;
  std::vector<std::vector<Use>> uses_; // by array and register
  /// What a value reads: found once, not once a copy of it.
  std::unordered_map<const ir::ExprNode*, std::vector<const ir::Reg*>> registers_in_;
};

/// Where a register is among those of its array.
size_t register_place(const ir::RegisterArray& array, const std::vector<ir::Affine>& index,
                      const AddressEmitter& address);

/// What a register holds at some point: a value, or, behind a body that may not have run, either of
/// two. Most such registers are never read again, so their phi is made when one is.
struct Held {
  struct Either;
  llvm::Value* value = nullptr;
  std::shared_ptr<Either> either;
  bool is_set() const { return value || either; }
};
struct Held::Either {
  llvm::BasicBlock *at, *from_skip, *from_body;
  Held skipped, ran;
  llvm::PHINode* phi = nullptr;
};

/// The value, null when there is none. What is not set on one way is undefined there: the verifier
/// has proved that then that way is not taken.
llvm::Value* value_of(const Held& held, const std::string& name);

} // namespace volute::compiler
