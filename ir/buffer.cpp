#include "ir/buffer.h"

#include <algorithm>

namespace volute::ir {
std::string_view to_string(Buffer::Role role) {
  constexpr std::string_view names[] = {"input",        "output",  "packed",
                                        "intermediate", "scratch", "table"};
  return names[static_cast<size_t>(role)];
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
