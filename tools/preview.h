// Tensors as people read them.
#pragma once

#include "runtime/tensor.h"

#include <string>

namespace volute::tools {

/// The elements in nested brackets, as NumPy prints an array: long axes show their first and last
/// three. Then smallest, largest and mean.
///
///     [[[[10. 12. 12.]
///        [18. 16. 16.]
///        [13.  9.  3.]]]]
///     min 3, max 18, mean 12.1111
std::string preview(const runtime::TensorView& tensor);

} // namespace volute::tools
