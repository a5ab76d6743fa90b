#include "runtime/compiler_link.h"

#include <fmt/format.h>

namespace volute::runtime {

Expected<compiler::Image> compile_image(const ir::Program& program, const CompileOptions&) {
  return fail(
      "session",
      fmt::format("no compiler is linked into this build, @{} cannot be compiled", program.name));
}

} // namespace volute::runtime
