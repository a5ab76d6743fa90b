#include "runtime/compiler_link.h"

#include "compiler/compile.h"

namespace volute::runtime {

Expected<compiler::Image> compile_image(const ir::Program& program, const CompileOptions& options) {
  Expected<compiler::Target> target = compiler::parse_target(options.target);
  if (!target) return target.failure();
  compiler::CompileRequest request;
  request.target = std::move(*target);
  request.schedule = options.schedule;
  if (options.accuracy) request.accuracy = *options.accuracy;
  request.strides = options.strides;
  Expected<compiler::Compiled> compiled = compiler::compile(program, request);
  if (!compiled) return compiled.failure();
  return std::move(compiled->image);
}

} // namespace volute::runtime
