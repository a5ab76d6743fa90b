// Tensors of one row, and what is in them.
#pragma once

#include "tests/runtime/hand_assembled.h"
#include "tests/support/tensors.h"

#include <vector>

namespace volute::tests {

inline constexpr int64_t width = 37;

inline Tensor row(int64_t size = width) {
  return filled(row_type(size), {runtime::Fill::Kind::iota, 0});
}

inline std::vector<float> values(const Tensor& tensor) {
  return {tensor.as<float>(), tensor.as<float>() + tensor.type().elements()};
}

} // namespace volute::tests
