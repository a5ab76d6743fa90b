// Where the runtime meets the compiler. A session that brings no compiler of its own takes this
// one.
#pragma once

#include "compiler/compile.h"
#include "ir/diagnostic.h"
#include "ir/program.h"
#include "runtime/compile_options.h"

namespace volute::runtime {

/// What the compiler is asked for by options that a session has completed.
Expected<compiler::CompileRequest> compile_request(const CompileOptions& options);

Expected<compiler::Compiled> compile(const ir::Program& program, const CompileOptions& options);

} // namespace volute::runtime
