// Tensors with something in them.
#pragma once

#include "runtime/tensor.h"

#include <cstdint>

namespace volute::tests {

inline Tensor filled(const ir::TensorType& type, const runtime::Fill& how, uint64_t stream = 0) {
  Tensor tensor = *Tensor::allocate(type);
  runtime::fill(tensor, how, stream);
  return tensor;
}

/// Small whole numbers, others for each stream.
inline Tensor random_tensor(const ir::TensorType& type, uint64_t stream = 0) {
  return filled(type, {runtime::Fill::Kind::random, 1}, stream);
}

} // namespace volute::tests
