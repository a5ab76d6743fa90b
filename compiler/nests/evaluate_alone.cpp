#include "compiler/nests/evaluate_alone.h"

#include <utility>
#include <vector>

namespace volute::compiler {

using ir::Buffer;
using ir::Nest;

std::map<int32_t, ir::Memory::value_type> evaluate_alone(Nest nest,
                                                         const std::vector<Buffer>& buffers) {
  std::map<int32_t, int32_t> numbers; // of the program's buffers among those that the nest touches
  std::vector<Buffer> touched;
  for (ir::View& view : nest.operands) {
    const auto [known, is_new] =
        numbers.try_emplace(view.buffer, static_cast<int32_t>(touched.size()));
    if (is_new) touched.push_back(buffers[static_cast<size_t>(view.buffer)]);
    view.buffer = known->second;
  }
  ir::Memory memory = allocate(touched);
  evaluate(ir::NestProgram{"alone", std::move(touched), {}, {std::move(nest)}}, memory);
  std::map<int32_t, ir::Memory::value_type> result;
  for (const auto& [buffer, number] : numbers)
    result[buffer] = std::move(memory[static_cast<size_t>(number)]);
  return result;
}

} // namespace volute::compiler
