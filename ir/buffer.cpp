#include "ir/buffer.h"

#include <algorithm>

namespace volute::ir {
std::string_view to_string(Buffer::Role role) {
  constexpr std::string_view names[] = {"input", "output", "intermediate", "scratch", "table"};
  return names[static_cast<size_t>(role)];
}

int64_t elements_of(const std::vector<Dim>& dims, const std::vector<int64_t>& parameters) {
  int64_t elements = 1;
  for (const Dim& dim : dims) {
    const int64_t extent = evaluate(dim.extent, parameters);
    if (extent <= 0) return 0;
    elements += (extent - 1) * evaluate(dim.stride, parameters);
  }
  return elements;
}

int64_t elements_of(const Buffer& buffer, const std::vector<int64_t>& parameters) {
  return buffer.dims.empty() ? buffer.elements : elements_of(buffer.dims, parameters);
}

std::optional<int64_t> most_elements(const std::vector<Dim>& dims,
                                     const std::vector<Parameter>& parameters) {
  __int128 elements = 1;
  for (const Dim& dim : dims) {
    const std::optional<Span> extent = span_of(dim.extent, parameters);
    const std::optional<Span> stride = span_of(dim.stride, parameters);
    if (!extent || !stride) return std::nullopt;
    if (extent->most > 1) elements += static_cast<__int128>(extent->most - 1) * stride->most;
    if (elements > __int128{1} << 62) return std::nullopt;
  }
  return static_cast<int64_t>(elements);
}

std::vector<Dim> contiguous(const std::vector<int64_t>& extents) {
  std::vector<Dim> dims;
  int64_t stride = 1;
  for (auto extent = extents.rbegin(); extent != extents.rend(); ++extent) {
    dims.push_back({*extent, stride});
    stride *= *extent;
  }
  std::reverse(dims.begin(), dims.end());
  return dims;
}

} // namespace volute::ir
