#include "compiler/image/places.h"

#include "ir/number.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <vector>

namespace volute::compiler {

std::optional<std::string> fault_in_places(const ImagePlaces& places, const std::byte* data,
                                           const TensorStrides& strides) {
  const std::vector<ir::Extent>& extents = places.type.extents;
  const TensorStrides steps = strides.empty() ? dense_strides(places.type) : strides;
  std::vector<int64_t> at(extents.size());
  int64_t offset = 0;
  for (int64_t left = places.type.elements(); left > 0; --left) {
    const int64_t index =
        ir::read_integer(data + offset * ir::size_of(places.type.element), places.type.element);
    if (index < 0 || index >= places.limit) {
      std::vector<std::string> position;
      for (size_t d = 0; d < extents.size(); ++d)
        position.push_back(fmt::format("{}={}", ir::to_char(extents[d].axis), at[d]));
      return fmt::format("%{}: the index {} at [{}] is outside the result's {} positions",
                         places.name, index, fmt::join(position, ", "), places.limit);
    }
    for (size_t d = extents.size(); d-- > 0;) {
      offset += steps[d];
      if (++at[d] < extents[d].size) break;
      offset -= steps[d] * extents[d].size;
      at[d] = 0;
    }
  }
  return std::nullopt;
}

} // namespace volute::compiler
