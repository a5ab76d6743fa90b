#include "compiler/nests/matrix_steps.h"

#include "ir/loops.h"

namespace volute::compiler {

using namespace ir;

namespace {

/// The largest that leaves nothing over; 0 for none.
int64_t dividing_step(int64_t extent, int64_t ways, int64_t most) {
  for (int64_t step = most / ways * ways; step > 0; step -= ways)
    if (extent % step == 0) return step;
  return 0;
}

} // namespace

int64_t even_steps(int64_t extent, int64_t ways, int64_t most) {
  const int64_t steps = ceil_div(extent, most);
  return ceil_div(ceil_div(extent, steps), ways) * ways;
}

int64_t matrix_step(const Nest& nest, const DotForm& form, Var axis) {
  const NestAxis& summed = nest.axis_of(axis);
  const auto& read = std::get<Read>(form.image->is);
  if (!summed.extent.is_constant()) return 0;
  const int64_t extent = summed.extent.number();
  const int64_t most = most_tile_row_bytes / size_of(form.image->type);
  const int64_t even = even_steps(extent, form.ways, most);
  const int64_t whole = ceil_div(extent, even) * even;
  const View& view = nest.operands[static_cast<size_t>(read.operand)];
  for (size_t d = 0; d < read.index.size(); ++d) {
    if (!read.index[d].at.depends_on(axis)) continue;
    const Affine& there = view.dims[d].extent;
    if (whole == extent ||
        (read.index[d].at == Affine(axis) && there.is_constant() && whole <= there.number()))
      return even;
  }
  return dividing_step(extent, form.ways, most);
}

int64_t channels_in_steps(int64_t channels, int64_t ways, int64_t most) {
  const int64_t step = even_steps(channels, ways, most);
  return ceil_div(channels, step) * step;
}

bool has_good_steps(int64_t channels, int64_t ways, int64_t most) {
  const int64_t step = dividing_step(channels, ways, most);
  return channels_in_steps(channels, ways, most) == channels || 2 * step >= most;
}

int64_t pitch(int64_t channels, int64_t element_bytes) {
  // Of 64 sets, 16 rows of 512 bytes take 8, and of 2048 bytes 2; there are 12 ways.
  constexpr int64_t line = 64, few_sets = 512;
  const int64_t bytes = channels * element_bytes;
  return bytes % few_sets == 0 ? channels + line / element_bytes : channels;
}

} // namespace volute::compiler
