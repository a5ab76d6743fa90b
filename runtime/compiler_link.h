// Where the runtime meets the compiler. A session that brings no compiler of its own takes this
// one.
#pragma once

#include "compiler/image/image.h"
#include "ir/diagnostic.h"
#include "ir/program.h"
#include "runtime/compile_options.h"

namespace volute::runtime {

Expected<compiler::Image> compile_image(const ir::Program& program, const CompileOptions& options);

} // namespace volute::runtime
