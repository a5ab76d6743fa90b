#include "compiler/image/image.h"

namespace volute::compiler {

int64_t work_of(const ImageStep& step, std::span<const int64_t> parameters) {
  int64_t work = step.work;
  for (const ir::Affine& factor : step.work_by)
    work *= factor.evaluate([&](ir::Var var) { return parameters[static_cast<size_t>(var.id)]; });
  return work;
}

} // namespace volute::compiler
