#include "ir/tensor_data.h"

#include "ir/number.h"

#include <algorithm>

namespace volute::ir {

TensorData zeros(const TensorType& type) {
  return {type, std::vector<std::byte>(static_cast<size_t>(type.bytes()))};
}

TensorData tensor_of(const TensorType& type, const std::vector<double>& elements) {
  TensorData tensor = zeros(type);
  std::byte* at = tensor.bytes.data();
  for (int64_t i = 0; i < type.elements() && i < std::ssize(elements);
       ++i, at += size_of(type.element)) {
    const double value = elements[static_cast<size_t>(i)];
    if (is_float(type.element))
      write_real(at, type.element, value);
    else
      write_integer(at, type.element, saturate_to(ElementType::i64, value));
  }
  return tensor;
}

std::vector<double> elements_of(const TensorData& tensor) {
  const ElementType type = tensor.type.element;
  std::vector<double> elements;
  for (size_t at = 0; at < tensor.bytes.size(); at += static_cast<size_t>(size_of(type))) {
    const std::byte* element = tensor.bytes.data() + at;
    elements.push_back(is_float(type) ? read_real(element, type)
                                      : static_cast<double>(read_integer(element, type)));
  }
  return elements;
}

Strides::Strides(const TensorType& type) {
  // A tensor without elements has no offsets to give, and its other extents may multiply to more
  // than 64 bits hold.
  for (const Extent& extent : type.extents)
    if (extent.size == 0) return;

  int64_t stride = 1;
  for (size_t i = type.extents.size(); i-- > 0;) {
    const auto [axis, size] = type.extents[i];
    int64_t below = 1;
    for (const Part& inner : parts_)
      if (inner.axis == axis) below *= inner.size;
    parts_.push_back({axis, size, stride, below});
    stride *= size;
  }
}

int64_t Strides::offset(Axis axis, int64_t position) const {
  int64_t sum = 0;
  for (const Part& part : parts_)
    if (part.axis == axis) sum += position / part.below % part.size * part.stride;
  return sum;
}

} // namespace volute::ir
