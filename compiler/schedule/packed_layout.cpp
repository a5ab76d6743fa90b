#include "compiler/schedule/packed_layout.h"

#include "compiler/nests/strides.h"
#include "compiler/schedule/plan.h"

#include <algorithm>

namespace volute::compiler {

using namespace ir;

std::vector<int64_t> PackedLayout::extents() const {
  std::vector<int64_t> result;
  for (const Dimension& d : dimensions) result.push_back(d.count);
  return result;
}

PackedLayout packed_layout(const Read& read, const std::vector<PlanLoop>& loops,
                           const std::vector<PlanTile>& tile, const Instruction& instruction) {
  PackedLayout layout;
  layout.operand = read.operand;
  // Groups of products go on beyond the last channel, where a weight is 0: so they are told apart
  // even of one that is the same for all channels.
  const bool in_groups = instruction.kind != Instruction::Kind::combine;
  for (size_t i = 0; i < loops.size(); ++i)
    if (moves(read.index, loops[i].axis) || (in_groups && loops[i].axis == loops.back().axis))
      layout.dimensions.push_back(
          {loops[i].axis, loops[i].trips(), loops[i].tile, static_cast<int32_t>(i)});
  const auto add_registers = [&](bool vectors) { // lanes are neighbours, so vectors come last
    for (const PlanTile& t : tile)
      if ((t.lanes > 0) == vectors && moves(read.index, t.axis))
        layout.dimensions.push_back({t.axis, t.registers() * std::max<int64_t>(t.lanes, 1), 1, -1});
  };
  add_registers(false);
  if (instruction.kind == Instruction::Kind::tile) {
    const Var summed = loops.back().axis;
    for (const PlanTile& t : tile)
      if (t.lanes > 0) layout.dimensions.push_back({t.axis, t.registers(), t.lanes, -1});
    layout.dimensions.push_back({summed, instruction.steps, instruction.ways, -1});
    for (const PlanTile& t : tile)
      if (t.lanes > 0) layout.dimensions.push_back({t.axis, t.lanes, 1, -1});
    layout.group = instruction.ways;
    layout.dimensions.push_back({summed, instruction.ways, 1, -1});
    return layout;
  }
  add_registers(true);
  if (instruction.kind == Instruction::Kind::dot) {
    layout.group = instruction.ways;
    layout.dimensions.push_back({loops.back().axis, instruction.ways, 1, -1});
  }
  return layout;
}

} // namespace volute::compiler
