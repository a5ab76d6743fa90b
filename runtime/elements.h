// Walking a tensor's elements in the order of a dense one, wherever two lists of strides put them.
#pragma once

#include "compiler/image/tensor_strides.h"
#include "ir/types.h"

#include <cstdint>
#include <vector>

namespace volute::runtime {

/// Elements along the innermost extent: where the first one is by either list, and how far the
/// next one is.
struct Row {
  int64_t first, first_step;
  int64_t second, second_step;
  int64_t count;
};

/// Calls visit(Row) for every row, outermost extents slowest. Dense lists give one row in all. The
/// lists fit the type; an empty one is dense.
template <class Visit>
void for_each_row(const ir::TensorType& type, const compiler::TensorStrides& first,
                  const compiler::TensorStrides& second, Visit visit) {
  const int64_t elements = type.elements();
  if (elements == 0) return;
  if ((first.empty() && second.empty()) || type.extents.empty())
    return visit(Row{0, 1, 0, 1, elements});
  const compiler::TensorStrides dense = compiler::dense_strides(type);
  const compiler::TensorStrides& a = first.empty() ? dense : first;
  const compiler::TensorStrides& b = second.empty() ? dense : second;
  const size_t inner = type.extents.size() - 1;
  std::vector<int64_t> at(inner, 0);
  Row row{0, a[inner], 0, b[inner], type.extents[inner].size};
  for (;;) {
    visit(row);
    size_t i = inner;
    while (i > 0) {
      --i;
      row.first += a[i], row.second += b[i];
      if (++at[i] < type.extents[i].size) break;
      row.first -= a[i] * at[i], row.second -= b[i] * at[i];
      at[i] = 0;
      if (i == 0) return;
    }
    if (inner == 0) return;
  }
}

/// Calls visit(address) for every element of a tensor that has memory; Byte may be const.
template <class Byte, class Visit>
void for_each_element(const ir::TensorType& type, const compiler::TensorStrides& strides,
                      Byte* data, Visit visit) {
  const int64_t size = ir::size_of(type.element);
  for_each_row(type, strides, {}, [&](const Row& row) {
    for (int64_t k = 0; k < row.count; ++k) visit(data + (row.first + k * row.first_step) * size);
  });
}

} // namespace volute::runtime
