#include "compiler/image/image.h"

namespace volute::compiler {

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
