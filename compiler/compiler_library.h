// The door of the compiler with LLVM inside, as a library that is loaded when something has to be
// compiled (libvolute-compiler.so): one function, which hands out all others.
//
// Values of these types go in and out, so the two sides must be built from the same sources by the
// same compiler: whoever comes with another build_id() is given nothing.
#pragma once

#include "compiler/compile.h"

#include <span>

namespace volute::compiler {

struct CompilerLibrary {
  Expected<Compiled> (*compile_program)(const ir::Program&, const CompileRequest&);
  Expected<Compiled> (*compile_nests)(const ir::NestProgram&, const CompileRequest&);
  Expected<Compiled> (*compile_loops)(const ir::LoopProgram&, const CompileRequest&);
  Expected<LlvmListing> (*list_llvm)(const ir::LoopProgram&, const Target&);
  std::span<const Pass> (*passes_to_code)();
  /// A thread ends, which may be one that has called exit(); and what exit() does before it comes
  /// to LLVM's objects: codegen/compiling.h.
  void (*end_thread)();
  void (*end_process)();
  /// What fork() does: codegen/compiling.h.
  void (*before_fork)();
  void (*after_fork)();
  void (*after_fork_in_child)();
  /// Of the LLVM that is really there, which llvm_version() need not be where it is a library that
  /// the system brings.
  const char* (*llvm_version)();
};

/// Null for another build than this one.
using OpenCompiler = const CompilerLibrary* (*)(const char* build_id);
inline constexpr const char* open_compiler_name = "volute_open_compiler";

} // namespace volute::compiler

extern "C" const volute::compiler::CompilerLibrary* volute_open_compiler(const char* build_id);
