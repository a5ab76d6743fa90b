#include "compiler/codegen/emit_interface.h"

#include "compiler/codegen/emit.h"

#include <llvm/IR/IRBuilder.h>

#include <string>
#include <vector>

namespace volute::compiler {
namespace {

using Place = CInterface::Place;
using Values = std::vector<llvm::Value*>;

class InterfaceEmitter {
public:
  InterfaceEmitter(llvm::Module& module, const CInterface& interface, const Image& image,
                   const Target& target)
      : module_(module), interface_(interface), image_(image), target_(target),
        b_(module.getContext()) {}

  void run() {
    for (size_t i = 0; i < image_.steps.size(); ++i)
      step(i)->setLinkage(llvm::GlobalValue::InternalLinkage);
    emit_all("_prepare", interface_.prepare, interface_.copied);
    emit_all("_run", interface_.run, {});
    emit_one("_step", interface_.run);
  }

private:
  llvm::Function* step(size_t index) { return module_.getFunction(step_symbol(index)); }

  /// A function of `before`, the tensors, prepared and workspace, and `behind`, in C's order.
  llvm::Function* begin(const char* suffix, const CInterface::Function& function,
                        std::vector<llvm::Type*> before, const std::vector<llvm::Type*>& behind) {
    first_tensor_ = before.size();
    before.insert(before.end(), function.tensors.size() + 2, b_.getPtrTy());
    before.insert(before.end(), behind.begin(), behind.end());
    auto* made = llvm::Function::Create(llvm::FunctionType::get(b_.getInt32Ty(), before, false),
                                        llvm::GlobalValue::ExternalLinkage,
                                        interface_.name + suffix, module_);
    made->setDoesNotThrow();
    made->addFnAttr("target-cpu", std::string(llvm_cpu));
    made->addFnAttr("tune-cpu", std::string(llvm_tune_cpu(target_)));
    made->addFnAttr("target-features", llvm_features(target_));
    made->addFnAttr("no-builtins");
    b_.SetInsertPoint(llvm::BasicBlock::Create(module_.getContext(), "", made));
    return made;
  }

  llvm::Value* workspace_of(llvm::Function* made, const CInterface::Function& function) {
    return made->getArg(static_cast<unsigned>(first_tensor_ + function.tensors.size() + 1));
  }

  llvm::Value* at(llvm::Value* base, int64_t offset) {
    return b_.CreateConstInBoundsGEP1_64(b_.getInt8Ty(), base, static_cast<uint64_t>(offset));
  }

  /// StepArguments: the table of all buffers, and no parameters.
  llvm::Value* arguments_of(llvm::Function* made, const CInterface::Function& function) {
    const size_t count = image_.buffers.size();
    llvm::Value* table = b_.CreateAlloca(llvm::ArrayType::get(b_.getPtrTy(), count));
    // The pointer to what is prepared stands between inputs and outputs.
    const auto argument = [&](size_t number) {
      const size_t behind = number < function.inputs ? 0 : 1;
      return made->getArg(static_cast<unsigned>(first_tensor_ + number + behind));
    };
    llvm::Value* prepared = made->getArg(static_cast<unsigned>(first_tensor_ + function.inputs));
    for (size_t i = 0; i < count; ++i) {
      const Place& place = function.places[i];
      llvm::Value* pointer = nullptr;
      switch (place.in) {
      case Place::In::nowhere: continue;
      case Place::In::argument: pointer = argument(static_cast<size_t>(place.at)); break;
      case Place::In::prepared: pointer = at(prepared, place.at); break;
      case Place::In::workspace: pointer = at(workspace_of(made, function), place.at); break;
      }
      b_.CreateStore(pointer, b_.CreateConstInBoundsGEP1_64(b_.getPtrTy(), table, i));
    }
    llvm::Value* arguments = b_.CreateAlloca(llvm::ArrayType::get(b_.getPtrTy(), 2));
    b_.CreateStore(table, arguments);
    b_.CreateStore(llvm::ConstantPointerNull::get(b_.getPtrTy()),
                   b_.CreateConstInBoundsGEP1_64(b_.getPtrTy(), arguments, 1));
    return arguments;
  }

  llvm::BasicBlock* block(llvm::Function* in) {
    return llvm::BasicBlock::Create(module_.getContext(), "", in);
  }

  /// The bytes of a buffer, in a loop: nothing here calls out.
  void copy(llvm::Function* made, llvm::Value* from, llvm::Value* to, int64_t bytes) {
    for (const unsigned unit : {8u, 1u}) {
      const auto count = static_cast<uint64_t>(unit == 8 ? bytes / 8 : bytes % 8);
      if (count > 0) {
        llvm::BasicBlock *before = b_.GetInsertBlock(), *loop = block(made), *after = block(made);
        llvm::Type* word = b_.getIntNTy(8 * unit);
        b_.CreateBr(loop);
        b_.SetInsertPoint(loop);
        llvm::PHINode* i = b_.CreatePHI(b_.getInt64Ty(), 2);
        b_.CreateAlignedStore(
            b_.CreateAlignedLoad(word, b_.CreateInBoundsGEP(word, from, i), llvm::Align(1)),
            b_.CreateInBoundsGEP(word, to, i), llvm::Align(1));
        llvm::Value* next = b_.CreateAdd(i, b_.getInt64(1));
        i->addIncoming(b_.getInt64(0), before);
        i->addIncoming(next, loop);
        b_.CreateCondBr(b_.CreateICmpULT(next, b_.getInt64(count)), loop, after);
        b_.SetInsertPoint(after);
      }
      from = at(from, bytes / 8 * 8);
      to = at(to, bytes / 8 * 8);
    }
  }

  /// Every step over all of its items, behind what is only copied; the first that fails is the
  /// last.
  void emit_all(const char* suffix, const CInterface::Function& function,
                const std::vector<size_t>& copied) {
    llvm::Function* made = begin(suffix, function, {}, {});
    for (const size_t buffer : copied)
      copy(made, made->getArg(static_cast<unsigned>(function.places[buffer].at)),
           at(made->getArg(static_cast<unsigned>(function.inputs)),
              interface_.run.places[buffer].at),
           image_.buffers[buffer].bytes);
    llvm::Value* arguments = arguments_of(made, function);
    llvm::Value* scratch = image_.thread_scratch_bytes > 0
                               ? at(workspace_of(made, function), function.scratch_at)
                               : llvm::ConstantPointerNull::get(b_.getPtrTy());
    llvm::BasicBlock* failed = block(made);
    auto* status = llvm::PHINode::Create(b_.getInt32Ty(), 0, "", failed);
    llvm::ReturnInst::Create(module_.getContext(), status, failed);
    for (const size_t index : function.steps) {
      llvm::Value* result = b_.CreateCall(
          step(index), {arguments, scratch, b_.getInt64(0),
                        b_.getInt64(static_cast<uint64_t>(image_.steps[index].work))});
      llvm::BasicBlock* next = block(made);
      status->addIncoming(result, b_.GetInsertBlock());
      b_.CreateCondBr(b_.CreateICmpEQ(result, b_.getInt32(0)), next, failed);
      b_.SetInsertPoint(next);
    }
    b_.CreateRet(b_.getInt32(0));
    if (status->getNumIncomingValues() == 0) failed->eraseFromParent();
  }

  /// A range of the step that is asked for.
  void emit_one(const char* suffix, const CInterface::Function& function) {
    llvm::Function* made = begin(suffix, function, {b_.getInt32Ty()},
                                 {b_.getPtrTy(), b_.getInt64Ty(), b_.getInt64Ty()});
    llvm::Value* arguments = arguments_of(made, function);
    const auto last = static_cast<unsigned>(made->arg_size());
    llvm::BasicBlock* none = block(made);
    llvm::SwitchInst* choice = b_.CreateSwitch(made->getArg(0), none);
    for (size_t i = 0; i < function.steps.size(); ++i) {
      llvm::BasicBlock* here = block(made);
      choice->addCase(b_.getInt32(static_cast<uint32_t>(i)), here);
      b_.SetInsertPoint(here);
      b_.CreateRet(
          b_.CreateCall(step(function.steps[i]), {arguments, made->getArg(last - 3),
                                                  made->getArg(last - 2), made->getArg(last - 1)}));
    }
    b_.SetInsertPoint(none); // there is no such step, and nothing of it is left to do
    b_.CreateRet(b_.getInt32(0));
  }

  llvm::Module& module_;
  const CInterface& interface_;
  const Image& image_;
  const Target& target_;
  llvm::IRBuilder<> b_;
  size_t first_tensor_ = 0;
};

} // namespace

void emit_interface(llvm::Module& module, const CInterface& interface, const Image& image,
                    const Target& target) {
  InterfaceEmitter(module, interface, image, target).run();
}

} // namespace volute::compiler
