#include "compiler/nests/cut_bands.h"

#include "compiler/nests/bands.h"

#include <algorithm>

namespace volute::compiler {

using namespace ir;

std::vector<size_t> step_of_each(const NestProgram& program) {
  std::vector<size_t> steps(program.nests.size());
  for (size_t n = program.nests.size(); n-- > 0;) { // consumers come after what they read
    const auto& placement = program.nests[n].placement;
    steps[n] = placement ? steps[static_cast<size_t>(placement->consumer)] : n;
  }
  return steps;
}

NestProgram cut_bands(const NestProgram& program) {
  NestProgram cut{program.name, program.buffers, program.parameters, {}, program.sources};
  for (size_t consumer = 0; consumer < program.nests.size(); ++consumer) {
    if (program.nests[consumer].placement) continue; // comes with its consumer
    const auto first = static_cast<int32_t>(cut.nests.size());
    Bands bands = banded(program, std::move(cut.buffers), consumer);
    cut.buffers = std::move(bands.buffers);
    for (Nest& nest : bands.nests) cut.nests.push_back(std::move(nest));
    const auto place_of = [&](const std::string& name) {
      const auto found = std::find_if(cut.nests.begin() + first, cut.nests.end(),
                                      [&](const Nest& nest) { return nest.name == name; });
      return static_cast<int32_t>(found - cut.nests.begin());
    };
    for (const Nest& nest : program.nests) {
      if (!nest.placement) continue;
      const auto at = static_cast<size_t>(place_of(nest.name));
      if (at == cut.nests.size()) continue; // of another step
      const int32_t inside =
          place_of(program.nests[static_cast<size_t>(nest.placement->consumer)].name);
      const Nest& to = cut.nests[static_cast<size_t>(inside)];
      cut.nests[at].placement = {inside, band_axis(to)->var, 1};
    }
  }
  return cut;
}

int64_t scratch_bytes(const Nest& nest, const std::vector<Buffer>& buffers) {
  int64_t bytes = 0;
  for (const View& view : nest.operands) {
    const Buffer& buffer = buffers[static_cast<size_t>(view.buffer)];
    if (buffer.role != Buffer::Role::scratch) continue;
    const int64_t size = (buffer.elements * size_of(buffer.element) + 63) / 64 * 64;
    bytes = std::max(bytes, buffer.scratch_offset + size);
  }
  return bytes;
}

} // namespace volute::compiler
