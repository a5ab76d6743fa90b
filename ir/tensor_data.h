// A tensor that owns its bytes, for constants, evaluators and tests. (The runtime's tensors are
// views with alignment; see runtime/tensor.h.)
#pragma once

#include "ir/types.h"

#include <cstddef>
#include <vector>

namespace volute::ir {

struct TensorData {
  TensorType type;
  std::vector<std::byte> bytes; // type.bytes() of them, memory order
};

/// A tensor of the type with every byte zero.
TensorData zeros(const TensorType& type);
/// A tensor of the type, its elements given in memory order: rounded to nearest even for a float
/// type, rounded and wrapped for an integer type. Elements that are not given are zero.
TensorData tensor_of(const TensorType& type, const std::vector<double>& elements);
/// Every element in memory order, as double. Exact for all types but i64.
std::vector<double> elements_of(const TensorData& tensor);

/// Visits every logical coordinate: offset in elements of a coordinate given per *whole* axis (in
/// the order n, c, d, h, w, o, i as far as the type has them), split axes resolved, the part
/// written first being the most significant.
class Strides {
public:
  explicit Strides(const TensorType& type);
  /// Contribution of `position` along `axis` to the element offset; 0 for an axis the type lacks.
  int64_t offset(Axis axis, int64_t position) const;

private:
  struct Part {
    Axis axis;
    int64_t size, stride, below; // `below`: product of the less significant parts of this axis
  };
  std::vector<Part> parts_;
};

} // namespace volute::ir
