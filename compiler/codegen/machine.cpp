#include "compiler/codegen/machine.h"

#include "ir/diagnostic.h"

#include <fmt/format.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/CommandLine.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Target/TargetOptions.h>

#include <map>
#include <memory>

namespace volute::compiler {
namespace {

constexpr const char* triple = "x86_64-unknown-linux-gnu";

// Loop strength reduction rewrites the pointers that emit has laid out, and takes a fifth of the
// compile time to do it.
void disable_strength_reduction() {
  const auto& options = llvm::cl::getRegisteredOptions();
  const auto found = options.find("disable-lsr");
  if (found != options.end()) static_cast<llvm::cl::opt<bool>*>(found->second)->setValue(true);
}

const llvm::Target& x86() {
  static const llvm::Target* target = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    disable_strength_reduction();
    std::string error;
    const llvm::Target* found = llvm::TargetRegistry::lookupTarget(triple, error);
    if (!found) throw InternalError(fmt::format("LLVM has no x86 target: {}", error));
    return found;
  }();
  return *target;
}

/// A TargetMachine is not shared between threads, and building one takes half a millisecond.
llvm::TargetMachine& machine(const Target& target) {
  thread_local std::map<std::string, std::unique_ptr<llvm::TargetMachine>> machines;
  const std::string features = llvm_features(target);
  std::unique_ptr<llvm::TargetMachine>& entry =
      machines[fmt::format("{} {}", llvm_tune_cpu(target), features)];
  if (!entry) {
    entry.reset(x86().createTargetMachine(
        triple, std::string(llvm_cpu), features, llvm::TargetOptions{}, llvm::Reloc::PIC_,
        llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default, /*JIT=*/true));
    if (!entry) throw InternalError("LLVM cannot make a machine for this target");
  }
  return *entry;
}

template <class Stream>
void run(llvm::Module& module, const Target& target, llvm::CodeGenFileType kind, Stream& stream) {
  llvm::TargetMachine& m = machine(target);
  module.setTargetTriple(triple);
  module.setDataLayout(m.createDataLayout());
  llvm::legacy::PassManager passes;
  if (m.addPassesToEmitFile(passes, stream, nullptr, kind, /*DisableVerify=*/true))
    throw InternalError("LLVM cannot write this kind of file for this target");
  passes.run(module);
}

} // namespace

void warm_up(const Target& target) {
  llvm::LLVMContext context;
  llvm::Module module("warm_up", context);
  auto* real = llvm::Type::getFloatTy(context);
  auto* pointer = llvm::PointerType::getUnqual(context);
  auto* type = llvm::FunctionType::get(real, {pointer, real}, false);
  auto* function = llvm::Function::Create(type, llvm::Function::ExternalLinkage, "warm_up", module);
  llvm::IRBuilder<> b(llvm::BasicBlock::Create(context, "", function));
  b.CreateRet(b.CreateFAdd(b.CreateLoad(real, function->getArg(0)), function->getArg(1)));
  (void)object_code(module, target);
}

llvm::SmallVector<char, 0> object_code(llvm::Module& module, const Target& target) {
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream stream(bytes);
  run(module, target, llvm::CodeGenFileType::ObjectFile, stream);
  return bytes;
}

std::string assembly_text(llvm::Module& module, const Target& target) {
  llvm::SmallVector<char, 0> text;
  llvm::raw_svector_ostream stream(text);
  run(module, target, llvm::CodeGenFileType::AssemblyFile, stream);
  return {text.begin(), text.end()};
}

} // namespace volute::compiler
