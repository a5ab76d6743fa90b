#include "compiler/nests/cut_bands.h"

#include "compiler/nests/bands.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

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
  const Producers producers(program);
  for (size_t consumer = 0; consumer < program.nests.size(); ++consumer) {
    if (program.nests[consumer].placement) continue; // comes with its consumer
    Bands bands = banded(program, producers, std::move(cut.buffers), consumer);
    cut.buffers = std::move(bands.buffers);
    const auto first = static_cast<int32_t>(cut.nests.size());
    std::map<size_t, int32_t> place_of; // among the nests that are cut, by the program's number
    for (size_t i = 0; i < bands.nests.size(); ++i)
      place_of[bands.numbers[i]] = first + static_cast<int32_t>(i);
    for (size_t i = 0; i < bands.nests.size(); ++i) {
      const std::optional<Placement>& placement = program.nests[bands.numbers[i]].placement;
      if (!placement) continue;
      const int32_t inside = place_of.at(static_cast<size_t>(placement->consumer));
      bands.nests[i].placement = {
          inside, band_axis(bands.nests[static_cast<size_t>(inside - first)])->var, 1};
    }
    for (Nest& nest : bands.nests) cut.nests.push_back(std::move(nest));
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
