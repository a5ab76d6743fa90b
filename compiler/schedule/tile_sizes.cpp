#include "compiler/schedule/tile_sizes.h"

namespace volute::compiler {

using namespace ir;

double TileSizes::registers_along(uint32_t moves) const {
  double count = 1;
  for (size_t i = 0; i < registers.size(); ++i)
    if (moves >> i & 1) count *= static_cast<double>(registers[i]);
  return count;
}

double TileSizes::all() const { return registers_along(~uint32_t{0}); }

std::vector<TileSizes> tile_sizes(const Nest& nest, const Plan& plan) {
  std::vector<TileSizes> sizes = {{}};
  for (const PlanTile& t : plan.tile) {
    // Lanes of a sum take one register, and their vectors are steps.
    const int64_t extent = plan.across && t.lanes ? t.size : nest.axis_of(t.axis).extent.number();
    const int64_t lanes = t.each();
    std::vector<TileSizes> next;
    for (const TileSizes& size : sizes) {
      const auto add = [&](int64_t count, int64_t elements) {
        if (count == 0 || elements == 0) return;
        TileSizes more = size;
        more.tiles *= static_cast<double>(count);
        more.registers.push_back(ceil_div(elements, lanes));
        next.push_back(more);
      };
      add(extent / t.size, t.size);
      add(1, extent % t.size);
    }
    sizes = std::move(next);
  }
  return sizes;
}

} // namespace volute::compiler
