// The functions of a CInterface, as LLVM IR around the steps of a module: a table of pointers, and
// calls.
#pragma once

#include "compiler/image/c_interface.h"
#include "compiler/target/target.h"

#include <llvm/IR/Module.h>

namespace volute::compiler {

/// The steps become the module's own affair; what is seen of the object is the interface.
void emit_interface(llvm::Module& module, const CInterface& interface, const Image& image,
                    const Target& target);

} // namespace volute::compiler
