#include "compiler/image/image.h"

namespace volute::compiler {

int64_t work_of(const ImageStep& step, std::span<const int64_t> parameters) {
  int64_t work = step.work;
  for (const ir::Affine& factor : step.work_by)
    work *= factor.evaluate([&](ir::Var var) { return parameters[static_cast<size_t>(var.id)]; });
  return work;
}

std::vector<Resident> workspace_residents(const Image& image) {
  std::vector<Resident> residents;
  for (const ImageBuffer& buffer : image.buffers) {
    const bool is_given =
        buffer.role == ImageBuffer::Role::input || buffer.role == ImageBuffer::Role::output;
    residents.push_back({is_given ? 0 : buffer.bytes, buffer.lifetime});
  }
  return residents;
}

} // namespace volute::compiler
