#include "ir/buffer.h"

#include <fmt/format.h>

#include <algorithm>

namespace volute::ir {
namespace {

// Strides are compared as far as the extents are constants; the stride of a dimension of extent 1
// is never used.
bool is_contiguous(const std::vector<Dim>& dims) {
  Affine stride = 1;
  for (auto dim = dims.rbegin(); dim != dims.rend(); ++dim) {
    if (dim->extent != Affine(1) && dim->stride != stride) return false;
    if (dim->extent.is_constant())
      stride *= dim->extent.number();
    else if (stride.is_constant())
      stride = dim->extent * stride.number();
    else
      return std::all_of(dim + 1, dims.rend(), [](const Dim& d) { return d.extent == Affine(1); });
  }
  return true;
}

} // namespace

std::string_view to_string(Buffer::Role role) {
  constexpr std::string_view names[] = {"input",        "output",  "packed",
                                        "intermediate", "scratch", "table"};
  return names[static_cast<size_t>(role)];
}

std::string to_string(const View& view, const std::vector<Buffer>& buffers,
                      const std::vector<std::string>& names) {
  const Buffer& buffer = buffers.at(static_cast<size_t>(view.buffer));
  std::string text =
      fmt::format("{}: {} {}", view.name, to_string(buffer.role), to_string(view.element));
  for (const Dim& dim : view.dims) text += fmt::format("[{}]", to_string(dim.extent, names));
  if (!is_contiguous(view.dims)) {
    text += " strides ";
    for (const Dim& dim : view.dims) text += fmt::format("[{}]", to_string(dim.stride, names));
  }
  if (view.name != buffer.name) text += fmt::format(" of {}", buffer.name);
  return text;
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
