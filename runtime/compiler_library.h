// Finds and loads the compiler, when there is something to compile and not before: a process whose
// kernels are all on disk never meets LLVM.
#pragma once

#include "compiler/compiler_library.h"
#include "ir/diagnostic.h"

#include <string>

namespace volute::runtime {

/// The compiler, loaded once in a process and never unloaded. From the file that `path` names
/// (VOLUTE_COMPILER); else libvolute-compiler.so from beside the library or program that this is
/// in, or from where the program is installed to keep its libraries. A failure says where it was
/// looked for.
Expected<const compiler::CompilerLibrary*> compiler_library(const std::string& path);

/// To be called by a thread that may call exit() while others compile, or begin to: exit() waits
/// for those under way, and none begins after that (compiler/codegen/compiling.h).
void watch_this_thread();

} // namespace volute::runtime
