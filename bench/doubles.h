// Arithmetic on whole tensors of doubles, in which error bounds are computed.
#pragma once

#include "bench/error_bound.h"
#include "ir/tensor_data.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace volute::bench {

/// The same type with elements of f64.
ir::TensorType in_doubles(ir::TensorType type);

using Doubles = std::vector<double>;

inline Doubles doubles_of(const ir::TensorData& tensor) { return ir::elements_of(tensor); }
inline ir::TensorData tensor_like(const ir::TensorData& shape, const Doubles& elements) {
  return ir::tensor_of(shape.type, elements);
}

template <class F>
ir::TensorData map(const ir::TensorData& a, F f) {
  Doubles elements = doubles_of(a);
  for (double& x : elements) x = f(x);
  return tensor_like(a, elements);
}

template <class F>
ir::TensorData map(const ir::TensorData& a, const ir::TensorData& b, F f) {
  Doubles elements = doubles_of(a);
  const Doubles other = doubles_of(b);
  for (size_t i = 0; i < elements.size(); ++i) elements[i] = f(elements[i], other[i]);
  return tensor_like(a, elements);
}

inline ir::TensorData magnitude(const ir::TensorData& a) {
  return map(a, [](double x) { return std::abs(x); });
}
inline ir::TensorData sum(const ir::TensorData& a, const ir::TensorData& b) {
  return map(a, b, [](double x, double y) { return x + y; });
}

template <class Test>
bool all(const ir::TensorData& a, Test test) {
  const Doubles elements = doubles_of(a);
  return std::all_of(elements.begin(), elements.end(), test);
}
inline bool is_zero(const ir::TensorData& a) {
  return all(a, [](double x) { return x == 0; });
}
inline bool is_whole(const ir::TensorData& a) {
  return all(a, [](double x) { return std::isfinite(x) && x == std::trunc(x); });
}
inline bool is_exact(const Uncertain& u) { return is_zero(u.error); }
inline double largest(const ir::TensorData& a) {
  double most = 0;
  for (const double x : doubles_of(a)) most = std::max(most, std::abs(x));
  return most;
}

inline bool is_narrow(ir::ElementType type) {
  return type == ir::ElementType::f16 || type == ir::ElementType::bf16;
}

/// The statement's operation alone, on operands and a result of the types given; as doubles.
Expected<ir::TensorData> apply_as(const ir::Operation& operation,
                                  const std::vector<ir::TensorData>& operands,
                                  const ir::TensorType& result);

} // namespace volute::bench
