#include "runtime/compiler_link.h"

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
  if (options.budget) request.budget = *options.budget;
  request.strides = options.strides;
  if (wants_debug_objects()) request.debug_folder = debug_folder();
  return request;
}

Expected<compiler::Compiled> compile(const ir::Program& program, const CompileOptions& options) {
  const Expected<compiler::CompileRequest> request = compile_request(options);
  if (!request) return request.failure();
  return compiler::compile(program, *request);
}

} // namespace volute::runtime
