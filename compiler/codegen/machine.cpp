#include "compiler/codegen/machine.h"

#include "ir/diagnostic.h"

#include <fmt/format.h>
#include <llvm/IR/DiagnosticHandler.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Pass.h>
#include <llvm/Support/TargetSelect.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Target/TargetOptions.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

namespace volute::compiler {
namespace {

constexpr const char* triple = "x86_64-unknown-linux-gnu";

const llvm::Target& x86() {
  static const llvm::Target* target = [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    std::string error;
    const llvm::Target* found = llvm::TargetRegistry::lookupTarget(triple, error);
    if (!found) throw InternalError(fmt::format("LLVM has no x86 target: {}", error));
    return found;
  }();
  return *target;
}

// Passes of LLVM's that look for what no kernel has: exceptions, garbage collection, calls that are
// instrumented, probes, code for other systems, masks kept as integers, branches that are better
// moves or moves that are better branches; or that mend what other CPUs get wrong. Each would go
// over every function to find nothing. Names as LLVM has them: machine_test holds this list to
// LLVM's own, and the code to what it would be with all of them.
constexpr std::string_view left_out[] = {
    "Analyze Machine Code For Garbage Collection",
    "Argument Stack Rebase",
    "Constant Hoisting",
    "Contiguously Lay Out Funclets",
    "Early If-Conversion",
    "Early Tail Duplication",
    "Exception handling preparation",
    "Expand Atomic instructions",
    "Expand indirectbr instructions",
    "Expand large div/rem",
    "Expand large fp convert",
    "Expand memcmp() to load/stores",
    "Expand vector predication intrinsics",
    "Fixup Statepoint Caller Saved",
    "Implement the 'patchable-function' attribute",
    "Insert KCFI indirect call checks",
    "Insert XRay ops",
    "Insert fentry calls",
    "Insert stack protectors",
    "Instrument function entry/exit with calls to e.g. mcount() (post inlining)",
    "Interleaved Access Pass",
    "Live DEBUG_VALUE analysis",
    "Local Dynamic TLS Access Clean-up",
    "Local Stack Slot Allocation",
    "Lower Garbage Collection Instructions",
    "Machine Sanitizer Binary Metadata",
    "Merge contiguous icmps into a memcmp",
    "Optimize machine instruction PHIs",
    "Partially inline calls to library functions",
    "Prepare callbr",
    "Pseudo Probe Inserter",
    "Register Allocation Pass Scoring",
    "Remove Redundant DEBUG_VALUE analysis",
    "Replace intrinsics with calls to vector library",
    "Safe Stack instrumentation pass",
    "Scoped NoAlias Alias Analysis",
    "Shadow Stack GC Lowering",
    "Stack Frame Layout Analysis",
    "StackMap Liveness Analysis",
    "TLS Variable Hoist",
    "Tail Duplication",
    "Type-Based Alias Analysis",
    "Unpack machine instruction bundles",
    "X86 Atom pad short functions",
    "X86 Discriminate Memory Operands",
    "X86 Domain Reassignment Pass",
    "X86 FP Stackifier",
    "X86 Indirect Thunks",
    "X86 Insert Cache Prefetches",
    "X86 LEA Optimize",
    "X86 Load Value Injection (LVI) Load Hardening",
    "X86 Load Value Injection (LVI) Ret-Hardening",
    "X86 Optimize Call Frame",
    "X86 PIC Global Base Reg Initialization",
    "X86 Partial Reduction",
    "X86 Return Thunks",
    "X86 Speculative Execution Side Effect Suppression",
    "X86 Windows Fixup Buffer Security Check",
    "X86 cmov Conversion",
    "X86 insert wait instruction",
    "X86 speculative load hardening",
};

// The second rewrites the pointers that emit has laid out, and takes a fifth of the compile time to
// do it; the first prepares loops for it.
constexpr std::string_view never_run[] = {"Canonicalize Freeze Instructions in Loops",
                                          "Loop Strength Reduction"};

bool is_in(std::string_view name, std::span<const std::string_view> list) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

/// LLVM's passes for code generation, without those left out.
class Passes : public llvm::legacy::PassManager {
public:
  explicit Passes(PassesRun run) : run_(run) {
    unmet_.insert(std::begin(never_run), std::end(never_run));
  }
  void add(llvm::Pass* pass) override {
    const std::string_view name = pass->getPassName();
    unmet_.erase(name);
    if (is_in(name, never_run) || (run_ == PassesRun::needed && is_in(name, left_out)))
      delete pass;
    else
      llvm::legacy::PassManager::add(pass);
  }
  /// Those to be left out that LLVM does not have.
  const std::set<std::string_view>& unmet() const { return unmet_; }

private:
  PassesRun run_;
  std::set<std::string_view> unmet_{std::begin(left_out), std::end(left_out)};
};

/// What writes one kind of file for one target. Building the machine takes half a millisecond, and
/// the passes as long again.
class Writer {
public:
  Writer(const std::string& features, llvm::CodeGenFileType kind, PassesRun run)
      : machine_(x86().createTargetMachine(triple, std::string(llvm_cpu), features,
                                           llvm::TargetOptions{}, llvm::Reloc::PIC_,
                                           llvm::CodeModel::Small, llvm::CodeGenOptLevel::Default,
                                           /*JIT=*/true)),
        passes_(run) {
    if (!machine_) throw InternalError("LLVM cannot make a machine for this target");
    if (machine_->addPassesToEmitFile(passes_, stream_, nullptr, kind, /*DisableVerify=*/true))
      throw InternalError("LLVM cannot write this kind of file for this target");
  }

  llvm::SmallVector<char, 0> write(llvm::Module& module) {
    module.setTargetTriple(triple);
    module.setDataLayout(machine_->createDataLayout());
    passes_.run(module);
    return std::exchange(bytes_, {});
  }
  const std::set<std::string_view>& unmet() const { return passes_.unmet(); }

private:
  std::unique_ptr<llvm::TargetMachine> machine_;
  llvm::SmallVector<char, 0> bytes_;
  llvm::raw_svector_ostream stream_{bytes_};
  Passes passes_;
};

llvm::SmallVector<char, 0> write(llvm::Module& module, const Target& target,
                                 llvm::CodeGenFileType kind, PassesRun run) {
  // None is shared between threads.
  thread_local std::map<std::tuple<std::string, llvm::CodeGenFileType, PassesRun>, Writer> writers;
  const std::string features = llvm_features(target);
  const auto key = std::tuple(fmt::format("{} {}", llvm_tune_cpu(target), features), kind, run);
  auto writer = writers.find(key);
  if (writer == writers.end()) writer = writers.try_emplace(key, features, kind, run).first;
  llvm::SmallVector<char, 0> bytes = writer->second.write(module);
  // What they hold after an error is anybody's guess.
  if (module.getContext().getDiagHandlerPtr()->HasErrors) writers.erase(writer);
  return bytes;
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

llvm::SmallVector<char, 0> object_code(llvm::Module& module, const Target& target, PassesRun run) {
  return write(module, target, llvm::CodeGenFileType::ObjectFile, run);
}

std::string assembly_text(llvm::Module& module, const Target& target) {
  const llvm::SmallVector<char, 0> text =
      write(module, target, llvm::CodeGenFileType::AssemblyFile, PassesRun::needed);
  return {text.begin(), text.end()};
}

std::vector<std::string> unmet_passes(const Target& target) {
  const Writer writer(llvm_features(target), llvm::CodeGenFileType::ObjectFile, PassesRun::needed);
  return {writer.unmet().begin(), writer.unmet().end()};
}

} // namespace volute::compiler
