// Whether two tensors share memory, told from addresses, shapes and strides.
#pragma once

#include "compiler/image/tensor_strides.h"
#include "ir/types.h"

#include <cstddef>
#include <cstdint>

namespace volute::runtime {

/// A tensor in memory; its strides fit the type.
struct Footprint {
  const std::byte* data = nullptr;
  int64_t bytes = 0;                    // from the first element to the end of the last; 0: empty
  const ir::TensorType* type = nullptr; // null: `bytes` bytes without a gap
  const compiler::TensorStrides* strides = nullptr; // null or empty: dense
};

/// False only when no byte belongs to an element of each. Two parts of one larger tensor, the
/// channels 0..31 and 32..63 of an image with channels last, are told apart though each reaches
/// across the other; a true answer may be wrong where the parts interlock in another way.
bool may_overlap(const Footprint& a, const Footprint& b) noexcept;

} // namespace volute::runtime
