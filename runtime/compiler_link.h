// Where the runtime meets the compiler: what a session completes becomes a request, and the request
// goes to the library that has LLVM inside, which is loaded then (compiler_library.h).
#pragma once

#include "compiler/compile.h"
#include "ir/diagnostic.h"
#include "ir/program.h"
#include "runtime/compile_options.h"

#include <string>
#include <vector>

namespace volute::runtime {

/// What the compiler is asked for by options that a session has completed.
Expected<compiler::CompileRequest> compile_request(const CompileOptions& options);

/// By the compiler that `library` names: a path, or nothing for the one beside this.
Expected<compiler::Compiled> compile(const std::string& library, const ir::Program& program,
                                     const compiler::CompileRequest& request);
Expected<compiler::Compiled> compile(const std::string& library, const ir::NestProgram& nests,
                                     const compiler::CompileRequest& request);
Expected<compiler::Compiled> compile(const std::string& library, const ir::LoopProgram& loops,
                                     const compiler::CompileRequest& request);

Expected<compiler::LlvmListing> list_llvm(const std::string& library, const ir::LoopProgram& loops,
                                          const compiler::Target& target);

/// The table of all passes, those of the code generator among them.
Expected<std::vector<compiler::Pass>> all_passes(const std::string& library);

/// Whether the compiler that was loaded is what kernels' keys say: where LLVM is the system's, it
/// may have become another since this was built.
bool compiler_is_as_named(const std::string& library);

} // namespace volute::runtime
