#include "compiler/nests/evaluate_alone.h"

namespace volute::compiler {

using ir::Buffer;
using ir::Nest;

ir::Memory evaluate_alone(const Nest& nest, std::vector<Buffer> buffers) {
  std::vector<bool> is_touched(buffers.size());
  for (const ir::View& view : nest.operands) is_touched[static_cast<size_t>(view.buffer)] = true;
  for (size_t i = 0; i < buffers.size(); ++i)
    if (!is_touched[i]) buffers[i].elements = 0, buffers[i].data = nullptr;
  ir::Memory memory = allocate(buffers);
  const ir::NestProgram alone{"alone", std::move(buffers), {}, {nest}};
  evaluate(alone, memory);
  return memory;
}

} // namespace volute::compiler
