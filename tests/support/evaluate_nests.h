// Nests on their evaluator, for tests that compare what a transform leaves with what came.
#pragma once

#include "ir/nest.h"
#include "ir/tensor_data.h"
#include "tests/support/catch.h"

#include <vector>

namespace volute::tests {

/// Every element of every buffer of the program, its inputs counted up.
inline ir::Memory evaluated(const ir::NestProgram& program) {
  REQUIRE(ir::verify(program).empty());
  ir::Memory memory = ir::allocate(program.buffers);
  for (size_t b = 0; b < program.buffers.size(); ++b) {
    const ir::Buffer& buffer = program.buffers[b];
    if (buffer.role != ir::Buffer::Role::input) continue;
    std::vector<double> elements;
    for (int64_t i = 0; i < buffer.elements; ++i)
      elements.push_back(static_cast<double>(i * 7 % 11 - 5));
    memory[b] = ir::tensor_of(*buffer.type, elements).bytes;
  }
  ir::evaluate(program, memory);
  return memory;
}

} // namespace volute::tests
