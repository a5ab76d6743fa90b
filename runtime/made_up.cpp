#include "runtime/made_up.h"

#include "ir/number.h"
#include "runtime/elements.h"
#include "runtime/random.h"

#include <algorithm>
#include <array>
#include <vector>

namespace volute::runtime {
namespace {

using ir::Axis;

/// The statements that take the value for places, where it has been laid out anew as well.
void find_unpools(const ir::Program& program, ir::ValueId value,
                  std::vector<const ir::Statement*>& found) {
  for (const ir::Statement& s : program.statements) {
    if (std::holds_alternative<ir::MaxUnpool>(s.operation) && s.operands[1] == value)
      found.push_back(&s);
    if (std::holds_alternative<ir::Reorder>(s.operation) && s.operands[0] == value)
      find_unpools(program, s.results.front(), found);
  }
}

/// What along one spatial axis an element at a position may have been found at.
struct Window {
  int64_t stride, kernel, pad, output;

  int64_t place(int64_t position, uint64_t bits) const {
    const int64_t first = position * stride - pad;
    const int64_t low = std::clamp<int64_t>(first, 0, output - 1);
    const int64_t high = std::clamp<int64_t>(first + kernel - 1, low, output - 1);
    return low + random_below(high - low + 1, bits);
  }
};

} // namespace

void make_up(const MutableTensorView& tensor, const ir::Program& program, ir::ValueId input,
             const Fill& how, uint64_t stream) {
  fill(tensor, how, stream);
  std::vector<const ir::Statement*> unpools;
  find_unpools(program, input, unpools);
  if (how.kind != Fill::Kind::random || unpools.empty()) return;

  // Drawn for the first, and brought into the range of every other.
  const auto& first = std::get<ir::MaxUnpool>(unpools.front()->operation);
  const ir::TensorType& result = program.type(unpools.front()->results.front());
  std::vector<Window> windows;
  const std::vector<Axis> axes = result.spatial_axes();
  for (size_t i = 0; i < axes.size(); ++i)
    windows.push_back(
        {first.stride[i], first.kernel[i], first.pad.sides[i].first, result.size(axes[i])});
  int64_t places = INT64_MAX;
  for (const ir::Statement* unpool : unpools) {
    const ir::TensorType& type = program.type(unpool->results.front());
    int64_t here = 1;
    for (const Axis axis : type.spatial_axes()) here *= type.size(axis);
    places = std::min(places, here);
  }

  const ir::TensorType& type = tensor.type();
  std::vector<int64_t> at(type.extents.size());
  const uint64_t seed = random_bits(how.seed, stream);
  uint64_t drawn = 0;
  for_each_element(type, tensor.strides(), tensor.data(), [&](std::byte* element) {
    // A split axis is digits, the most significant first.
    std::array<int64_t, 16> position{};
    for (size_t d = 0; d < at.size(); ++d) {
      int64_t& p = position[static_cast<size_t>(type.extents[d].axis)];
      p = p * type.extents[d].size + at[d];
    }
    int64_t index = 0;
    for (size_t i = 0; i < axes.size(); ++i)
      index = index * windows[i].output +
              windows[i].place(position[static_cast<size_t>(axes[i])], random_bits(seed, drawn++));
    ir::write_integer(element, type.element, index % places);
    for (size_t d = at.size(); d-- > 0;) {
      if (++at[d] < type.extents[d].size) break;
      at[d] = 0;
    }
  });
}

} // namespace volute::runtime
