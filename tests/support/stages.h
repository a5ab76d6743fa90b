// Programs on their way through the compiler, up to the loops.
#pragma once

#include "compiler/pipeline.h"
#include "ir/parse.h"

#include <string>

namespace volute::tests {

inline compiler::CompileRequest request_for(const std::string& target,
                                            const std::string& schedule = "auto") {
  compiler::CompileRequest request;
  request.target = compiler::parse_target(target).value();
  request.schedule = schedule;
  return request;
}

/// All that the passes make. A refusal throws volute::Error.
inline compiler::Stages stages_of(const std::string& program, const std::string& target,
                                  const std::string& schedule = "auto") {
  return compiler::specialise_program(ir::parse(program).value(), request_for(target, schedule))
      .value();
}

} // namespace volute::tests
