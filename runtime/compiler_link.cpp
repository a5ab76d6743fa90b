#include "runtime/compiler_link.h"

#include "compiler/image/generator.h"
#include "runtime/compiler_library.h"
#include "runtime/tell_tools.h"

namespace volute::runtime {

Expected<compiler::CompileRequest> compile_request(const CompileOptions& options) {
  Expected<compiler::Target> target = compiler::parse_target(options.target);
  if (!target) return target.failure();
  compiler::CompileRequest request;
  request.target = std::move(*target);
  request.schedule = options.schedule;
  request.schedule_name = options.schedule_name;
  request.schedule_note = options.schedule_note;
  if (options.accuracy) request.accuracy = *options.accuracy;
  request.deterministic = options.deterministic;
  if (options.budget) request.budget = *options.budget;
  request.strides = options.strides;
  if (wants_debug_objects()) request.debug_folder = debug_folder();
  return request;
}

namespace {

template <class Source>
Expected<compiler::Compiled>
compiled(const std::string& path, const Source& source, const compiler::CompileRequest& request,
         Expected<compiler::Compiled> (*compiler::CompilerLibrary::*compile)(
             const Source&, const compiler::CompileRequest&)) {
  const Expected<const compiler::CompilerLibrary*> library = compiler_library(path);
  if (!library) return library.failure();
  return ((*library)->*compile)(source, request);
}

} // namespace

Expected<compiler::Compiled> compile(const std::string& library, const ir::Program& program,
                                     const compiler::CompileRequest& request) {
  return compiled(library, program, request, &compiler::CompilerLibrary::compile_program);
}

Expected<compiler::Compiled> compile(const std::string& library, const ir::NestProgram& nests,
                                     const compiler::CompileRequest& request) {
  return compiled(library, nests, request, &compiler::CompilerLibrary::compile_nests);
}

Expected<compiler::Compiled> compile(const std::string& library, const ir::LoopProgram& loops,
                                     const compiler::CompileRequest& request) {
  return compiled(library, loops, request, &compiler::CompilerLibrary::compile_loops);
}

Expected<compiler::LlvmListing> list_llvm(const std::string& path, const ir::LoopProgram& loops,
                                          const compiler::Target& target) {
  const Expected<const compiler::CompilerLibrary*> library = compiler_library(path);
  if (!library) return library.failure();
  return (*library)->list_llvm(loops, target);
}

Expected<std::vector<compiler::Pass>> all_passes(const std::string& path) {
  const Expected<const compiler::CompilerLibrary*> library = compiler_library(path);
  if (!library) return library.failure();
  std::vector<compiler::Pass> table;
  for (const std::span<const compiler::Pass> part :
       {compiler::passes_to_loops(), (*library)->passes_to_code()})
    for (const compiler::Pass& pass : part) table.push_back(pass);
  return table;
}

bool compiler_is_as_named(const std::string& path) {
  const Expected<const compiler::CompilerLibrary*> library = compiler_library(path);
  return library && (*library)->llvm_version() == compiler::llvm_version();
}

} // namespace volute::runtime
