// LLVM IR -> object code and assembly text, through one long-lived TargetMachine a thread.
#pragma once

#include "compiler/target/target.h"

#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/Module.h>

#include <string>

namespace volute::compiler {

/// Generates code that nobody wants: LLVM makes many objects when it first meets them.
void warm_up(const Target& target);
/// These use up the module.
llvm::SmallVector<char, 0> object_code(llvm::Module& module, const Target& target);
std::string assembly_text(llvm::Module& module, const Target& target);

} // namespace volute::compiler
