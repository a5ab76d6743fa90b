#include "compiler/schedule/plan.h"

#include "compiler/nests/strides.h"

#include <algorithm>

namespace volute::compiler {

using namespace ir;

Residence residence(uint32_t moves, size_t axes) {
  const uint32_t all = (uint32_t{1} << axes) - 1;
  if (moves == all) return Residence::in_place;
  const bool outer_axes_only = (moves & (moves + 1)) == 0;
  return outer_axes_only ? Residence::passing : Residence::held;
}

Arrival arrival(const Nest& nest, int32_t operand, int64_t lane_stride, const Target& target) {
  if (lane_stride == 0) return Arrival::broadcast;
  if (lane_stride == 1) return Arrival::loaded;
  const View& view = nest.operands[static_cast<size_t>(operand)];
  return target.deinterleaves(size_of(view.element), lane_stride) ? Arrival::deinterleaved
                                                                  : Arrival::gathered;
}

ReadRegisters registers_of(const Index& index, const std::vector<PlanTile>& tile) {
  ReadRegisters found;
  for (size_t i = 0; i < tile.size(); ++i)
    if (moves(index, tile[i].axis))
      found.moves |= uint32_t{1} << i, found.registers *= tile[i].registers();
  found.residence = residence(found.moves, tile.size());
  return found;
}

namespace {

int64_t registers_of(const std::vector<PlanTile>& tile) {
  int64_t count = 1;
  for (const PlanTile& t : tile) count *= t.registers();
  return count;
}

int64_t registers_of_sums(const Nest& nest, const std::vector<PlanTile>& tile) {
  return registers_of(tile) * static_cast<int64_t>(std::max<size_t>(nest.accumulators.size(), 1));
}

} // namespace

int64_t Plan::tile_registers() const { return registers_of(tile); }

int64_t Plan::registers_needed(const Nest& nest) const {
  int64_t needed = registers_of_sums(nest, tile);
  for (const PlannedRead& read : reads) needed += read.occupies();
  return needed;
}

int64_t registers_needed(const NestFacts& facts, const std::vector<PlanTile>& tile) {
  int64_t needed = registers_of_sums(facts.nest(), tile);
  for (const Read& read : facts.reads()) needed += registers_of(read.index, tile).occupies();
  return needed;
}

const PackedLayout* Plan::packed_layout_of(int32_t operand) const {
  for (const PackedLayout& layout : packed)
    if (layout.operand == operand) return &layout;
  return nullptr;
}

int64_t Plan::packed_bytes(const Nest& nest, int32_t operand) const {
  return size_of(instruction.kind == Instruction::Kind::combine
                     ? nest.accumulators.front().type
                     : nest.operands[static_cast<size_t>(operand)].element);
}

std::optional<size_t> Plan::loop_placing(Var axis) const {
  for (size_t i = loops.size(); i-- > 0;)
    if (loops[i].axis == axis) return i;
  return std::nullopt;
}

int64_t Plan::held(Var axis) const {
  for (const PlanTile& t : tile)
    if (t.axis == axis) return t.size;
  return 1;
}

size_t Plan::first_tap() const {
  size_t at = loops.size();
  while (at > 0 && loops[at - 1].reduction) --at;
  return at;
}

} // namespace volute::compiler
