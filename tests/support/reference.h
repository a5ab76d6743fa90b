// What every other way to compute a program is compared with.
#pragma once

#include "ir/reference.h"
#include "tests/support/whole_numbers.h"

#include <map>
#include <string>

namespace volute::tests {

/// The program's outputs by name, by the reference. A refusal throws volute::Error.
inline Tensors reference(const ir::Program& program, const Tensors& inputs) {
  std::map<std::string, const ir::TensorData*> views;
  for (const auto& [name, tensor] : inputs) views[name] = &tensor;
  return ir::evaluate(program, views).value();
}

} // namespace volute::tests
