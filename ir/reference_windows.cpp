#include "ir/reference_windows.h"

#include <algorithm>

namespace volute::ir::reference {

std::optional<int64_t> source(int64_t position, int64_t extent, PadMode mode) {
  if (position >= 0 && position < extent) return position;
  if (extent <= 0) return std::nullopt;
  switch (mode) {
  case PadMode::zeros: return std::nullopt;
  case PadMode::replicate: return std::clamp<int64_t>(position, 0, extent - 1);
  case PadMode::circular: return (position % extent + extent) % extent;
  case PadMode::reflect: {
    if (extent == 1) return 0;
    const int64_t period = 2 * (extent - 1); // there and back, neither edge twice
    const int64_t along = (position % period + period) % period;
    return std::min(along, period - along);
  }
  }
  return std::nullopt;
}

std::vector<Tap> taps(const Window& window, int64_t output, PadMode mode) {
  std::vector<Tap> found;
  for (int64_t k = 0; k < window.kernel; ++k) {
    const int64_t position = output * window.stride + k * window.dilation - window.pad_begin;
    if (const auto input = source(position, window.input, mode)) found.push_back({k, *input});
  }
  return found;
}

Windows::Windows(const std::vector<Window>& of_spatial_axes, const TensorType& input) {
  auto next = of_spatial_axes.begin();
  for (Axis axis : input.spatial_axes()) {
    Window& window = axis == Axis::d ? d : axis == Axis::h ? h : w;
    window = *next++;
  }
}

} // namespace volute::ir::reference
