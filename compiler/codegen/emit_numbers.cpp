#include "compiler/codegen/emit_numbers.h"

#include <llvm/IR/Constants.h>
#include <llvm/IR/GlobalVariable.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/Module.h>

#include <algorithm>

namespace volute::compiler {

llvm::Value* NumberPool::pointer() {
  if (!stand_in_)
    stand_in_ = new llvm::GlobalVariable(*b_.GetInsertBlock()->getModule(), b_.getInt32Ty(),
                                         /*isConstant=*/true, llvm::GlobalValue::PrivateLinkage,
                                         b_.getInt32(0), name_);
  auto* type = llvm::FunctionType::get(b_.getPtrTy(), {b_.getPtrTy()}, false);
  return b_.CreateCall(type, llvm::InlineAsm::get(type, "", "=r,0", /*hasSideEffects=*/true),
                       {stand_in_}, "numbers");
}

llvm::Value* NumberPool::read(llvm::Value* pointer, llvm::Type* type, uint32_t bits) {
  const auto known = std::find(numbers_.begin(), numbers_.end(), bits);
  const auto at = static_cast<uint64_t>(known - numbers_.begin());
  if (known == numbers_.end()) numbers_.push_back(bits);
  llvm::Value* place = b_.CreateGEP(b_.getInt32Ty(), pointer, b_.getInt64(at));
  llvm::Value* number = b_.CreateAlignedLoad(type->getScalarType(), place, llvm::Align(4));
  const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(type);
  return vector ? b_.CreateVectorSplat(vector->getNumElements(), number) : number;
}

void NumberPool::finish() {
  if (!stand_in_) return;
  llvm::Constant* data = llvm::ConstantDataArray::get(b_.getContext(), numbers_);
  auto* global =
      new llvm::GlobalVariable(*stand_in_->getParent(), data->getType(),
                               /*isConstant=*/true, llvm::GlobalValue::PrivateLinkage, data);
  global->setAlignment(llvm::Align(64));
  global->takeName(stand_in_);
  stand_in_->replaceAllUsesWith(global);
  stand_in_->eraseFromParent();
}

} // namespace volute::compiler
