// LLVM IR -> object code and assembly text, through machines and passes that live as long as the
// thread.
#pragma once

#include "compiler/codegen/codegen.h"
#include "compiler/target/target.h"

#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/Module.h>

#include <string>

namespace volute::compiler {

/// Generates code that nobody wants: LLVM makes many objects when it first meets them.
void warm_up(const Target& target);
/// These use up the module.
llvm::SmallVector<char, 0> object_code(llvm::Module& module, const Target& target,
                                       PassesRun run = PassesRun::needed);
std::string assembly_text(llvm::Module& module, const Target& target);

} // namespace volute::compiler
