#include "compiler/schedule/streams.h"

#include "compiler/nests/strides.h"
#include "compiler/schedule/plan.h"

#include <fmt/format.h>

#include <algorithm>

namespace volute::compiler {

using namespace ir;

namespace {

// Measured on Emerald Rapids, 14 MB of weights in steps of 3 KiB for 24 products of a matrix unit:
// 1,285 us with nothing asked for, 1,045 to 1,080 with 3 to 96 KiB.
constexpr int64_t ahead_bytes = 16 << 10;

} // namespace

Expected<std::vector<Stream>> streams(const Nest& nest, const Plan& plan) {
  std::vector<Stream> found;
  if (plan.loops.empty() || !plan.loops.back().reduction) return found;
  const PlanLoop& innermost = plan.loops.back();
  for (const PlannedRead& planned : plan.reads) {
    const Read& read = planned.read;
    const std::string& operand = nest.operands[static_cast<size_t>(read.operand)].name;
    const std::vector<OperandDirective>& wanted = plan.schedule.prefetch;
    const auto directive = std::find_if(wanted.begin(), wanted.end(), [&](const auto& directive) {
      return directive.operand == operand;
    });
    if (directive == wanted.end() || plan.packed_layout_of(read.operand)) continue;
    const auto stride = [&](Var axis) {
      return stride_along(nest, read.operand, read.index, axis);
    };
    const auto along = std::find_if(plan.tile.begin(), plan.tile.end(),
                                    [&](const PlanTile& t) { return stride(t.axis) != 0; });
    if (along == plan.tile.end()) continue;

    Stream stream;
    stream.read = read;
    stream.lanes = along->lanes, stream.tile = along->size;
    stream.tap = innermost.axis;
    stream.next = stride(along->axis) * along->size;
    stream.tap_stride = stride(innermost.axis);
    for (size_t i = 0; i + 1 < plan.loops.size(); ++i)
      if (plan.loops[i].axis == innermost.axis)
        stream.trip_loop = static_cast<int32_t>(i), stream.taps_a_trip = plan.loops[i].tile;
    if (along->lanes > 0 && stride(along->axis) == 1) {
      stream.lines = ceil_div(along->size, along->lanes);
      bool inside = false;
      for (size_t i = 0; i < plan.loops.size(); ++i) {
        const PlanLoop& loop = plan.loops[i];
        if (loop.axis == along->axis)
          inside = true;
        else if (inside && !loop.reduction && stride(loop.axis) == 0)
          stream.turns_loop = static_cast<int32_t>(i), stream.turns = loop.trips();
      }
    } else if (stream.tap_stride != 1 ||
               stride(along->axis) != nest.axis_of(innermost.axis).extent.number()) {
      return fail(Diagnostic{
          directive->at, "schedule",
          fmt::format("nest {}: prefetch {}: a tile of it is neither rows of vectors nor "
                      "one block of memory",
                      nest.name, operand),
          fmt::format("it is one where it is packed: `pack {}`",
                      read.operand == weight_of(nest) ? "weight" : operand)});
    }
    found.push_back(std::move(stream));
  }
  return found;
}

Panels panels(const Nest& nest, const Plan& plan, int32_t operand, int64_t line_bytes) {
  const PackedLayout& layout = *plan.packed_layout_of(operand);
  const auto moves = [&](const PlanLoop& loop) {
    return std::any_of(layout.dimensions.begin(), layout.dimensions.end(),
                       [&](const PackedLayout::Dimension& d) { return d.axis == loop.axis; });
  };
  Panels found;
  found.operand = operand;
  int64_t step = 1; // elements of one step
  for (const PackedLayout::Dimension& d : layout.dimensions)
    if (d.loop < 0) step *= d.count;
  found.panel = step;
  for (const PackedLayout::Dimension& d : layout.dimensions)
    if (d.loop >= 0 && static_cast<size_t>(d.loop) >= plan.first_tap()) found.panel *= d.count;
  for (size_t i = plan.first_tap(); i-- > 0 && !moves(plan.loops[i]);) {
    found.turns.push_back({i, found.tiles});
    found.tiles *= plan.loops[i].trips();
  }
  const int64_t bytes = plan.packed_bytes(nest, operand);
  // What one tile reads is asked for so many steps before.
  if (found.tiles == 1) found.panel = ceil_div(ahead_bytes, step * bytes) * step;
  found.line = line_bytes / bytes;
  found.share = ceil_div(ceil_div(step * bytes, line_bytes), found.tiles);
  return found;
}

} // namespace volute::compiler
